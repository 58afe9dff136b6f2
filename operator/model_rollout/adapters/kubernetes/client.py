"""Requests to the API server: plain JSON in and out, deadlines, patience with 429, typed errors."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException

from model_rollout import __version__
from model_rollout.adapters.kubernetes.bucket import TokenBucket
from model_rollout.adapters.kubernetes.errors import TooManyRequests, error_of
from model_rollout.adapters.kubernetes.login import Login, login_for
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.ports.kubernetes import ApiError, Json, Unauthorized, Unavailable

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_BACKOFF = (0.2, 0.4, 0.8, 1.6)
"""Waits before another attempt after 429 without Retry-After; as many attempts in any case."""


async def load_api(
    kubeconfig: str | None, context: str | None, telemetry: Telemetry | None = None
) -> "KubernetesApi":
    """Log in with a kubeconfig, or as the pod's ServiceAccount when there is none to use.

    Raises `Unauthorized` when there are no credentials that can be read.
    """
    log_in = login_for(kubeconfig, context)
    configuration = Configuration()
    await log_in(configuration)
    return KubernetesApi(configuration, log_in, telemetry or Telemetry())


class KubernetesApi:
    """A connection pool to one API server. Belongs to one event loop; `close()` ends it."""

    def __init__(
        self,
        configuration: Configuration,
        log_in: Login,
        telemetry: Telemetry,
        *,
        writes_per_second: float = 50.0,
        burst: int = 100,
    ) -> None:
        configuration.connection_pool_maxsize = 32
        self._configuration = configuration
        self._log_in = log_in
        self._telemetry = telemetry
        self._bucket = TokenBucket(writes_per_second, burst)
        self._logins = 0
        self._login_lock = asyncio.Lock()
        self._client = ApiClient(configuration)
        # The API server takes the part before the slash as the field manager of our writes.
        self._client.user_agent = f"model-rollout-operator/{__version__}"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        timeout: float = 10.0,
    ) -> Json:
        """Send one request and return the decoded answer, or raise a subclass of `ApiError`.

        `timeout` bounds everything: waiting for a place in the token bucket, a new login after 401,
        and the attempts after 429, which alone are repeated, because the server did nothing then.
        """
        request = _Request(method, path, body, query or {}, content_type, timeout)
        try:
            async with asyncio.timeout(timeout):
                if method in _WRITES:
                    await self._bucket.take()
                    self._telemetry.api_write(resource_of(path), method.lower())
                return await self._persist(request)
        except TimeoutError:
            self._telemetry.api_error(Unavailable.__name__)
            raise Unavailable(f"{request}: no answer within {timeout:g} s") from None
        except ApiError as error:
            self._telemetry.api_error(type(error).__name__)
            raise

    async def _persist(self, request: "_Request") -> Json:
        """Repeat after 429, and once after 401 with new credentials."""
        now = asyncio.get_running_loop().time
        deadline = now() + request.timeout
        waits = iter(_BACKOFF)
        may_log_in = True
        while True:
            logins = self._logins
            try:
                return await self._attempt(request)
            except Unauthorized:
                if not may_log_in:
                    raise
                may_log_in = False
                await self._log_in_again(logins)
            except TooManyRequests as error:
                wait = next(waits, None)
                if wait is not None and error.retry_after is not None:
                    wait = error.retry_after
                if wait is None or now() + wait >= deadline:
                    raise
                await asyncio.sleep(wait)

    async def _attempt(self, request: "_Request") -> Json:
        status, headers, data = await self._send(request)
        answer = _decoded(data)
        if not 200 <= status < 300:
            raise error_of(
                str(request),
                status,
                answer,
                retry_after=_seconds(headers.get("Retry-After")),
                json_patch=request.content_type == JSON_PATCH,
            )
        if answer is None:  # a proxy's own page, or a body that was cut
            raise Unavailable(f"{request}: {status}, and the answer is no JSON object")
        return answer

    async def _send(self, request: "_Request") -> tuple[int, Mapping[str, str], bytes]:
        try:
            prepared = await self._client.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query.items()),
                header_params={"Accept": JSON, "Content-Type": request.content_type},
                body=request.body,
                auth_settings=["BearerToken"],
            )
        except (OSError, ConfigException) as error:  # the token file is read again now and then
            raise Unauthorized(f"{request}: no token: {type(error).__name__}") from None
        try:
            # Without an explicit timeout this client waits for five minutes.
            limit = aiohttp.ClientTimeout(total=request.timeout)
            response = await self._client.call_api(*prepared, _request_timeout=limit)
            return response.status, response.headers, await response.read()
        except TimeoutError:
            raise
        except (aiohttp.ClientError, ApiException, OSError) as error:
            raise Unavailable(f"{request}: no answer: {type(error).__name__}") from None

    async def _log_in_again(self, logins: int) -> None:
        """Read the credentials again, once for all requests that were refused with the old ones.

        New client certificates take effect with the next connection pool, that is after a restart.
        """
        async with self._login_lock:
            if self._logins == logins:
                await self._log_in(self._configuration)
                self._logins += 1


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: Any
    query: Mapping[str, str]
    content_type: str
    timeout: float

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def resource_of(path: str) -> str:
    """Return plural and subresource of a request path, for metrics: `deployments`, `leases`."""
    parts = path.strip("/").split("/")
    rest = parts[3:] if parts[0] == "apis" else parts[2:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return "/".join([*rest[:1], *rest[2:3]])


def _decoded(data: bytes) -> Json | None:
    try:
        answer = json.loads(data)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _seconds(header: str | None) -> float | None:
    # The API server sends whole seconds; the date form of the header is not used by it.
    return float(header) if header is not None and header.isdecimal() else None
