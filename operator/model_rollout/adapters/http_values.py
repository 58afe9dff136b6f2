"""Values that servers hold, over aiohttp: bounded in time and size, strict in what is taken."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from model_rollout import __version__
from model_rollout.adapters.failures import kind_of
from model_rollout.adapters.text import readable
from model_rollout.adapters.tls import TlsContexts
from model_rollout.analysis.measurement import ErrorKind, QueryError
from model_rollout.ports.http import (
    BadAnswer,
    ConcurrentChange,
    HttpEndpoint,
    HttpError,
    HttpReading,
    Refused,
    Unauthorized,
    Unreachable,
)

MAX_VALUE = 4096
"""Bytes of a value, as UTF-8."""
MAX_VERSION = 256
"""Characters of what a server calls a state of its value."""

_MAX_BODY = 64 * 1024
_CONNECTIONS = 8
_DONE = (200, 204)
_TRY_AGAIN = (408, 429)
_HINTS = {
    ErrorKind.REFUSED: "nothing accepts connections at its address",
    ErrorKind.DNS: "the name of its host is not known",
    ErrorKind.TLS: "its certificate is not accepted",
    ErrorKind.CLIENT: "its URL cannot be used",
    ErrorKind.MALFORMED: "the answer was cut off or is not HTTP",
    ErrorKind.SERVER: "the connection broke",
}


class HttpValueClient:
    """Implements `model_rollout.ports.http.HttpValues`. Belongs to one event loop.

    Nothing is sent but what the endpoint names: no cookies, nothing of the environment, and no
    redirect is followed. Of an answer nothing is kept but the value, and why one is refused.
    """

    def __init__(
        self, *, deadline: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`deadline`: seconds for one request, from the first byte sent to the last one read."""
        self._deadline = deadline
        self._tls = TlsContexts(clock)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def read(self, endpoint: HttpEndpoint) -> HttpReading:
        """Return the value that there is."""
        answer = await self._ask("GET", endpoint, endpoint.url)
        if answer.status != 200:
            raise answer.error
        return _reading(answer)

    async def check(self, endpoint: HttpEndpoint, value: str) -> None:
        """Ask whether a value could be set now, without setting it; `Refused` when not."""
        answer = await self._ask("POST", endpoint, endpoint.check_url, {"value": value})
        if answer.status == 422:
            raise Refused(_reason(answer))
        if answer.status not in _DONE:
            raise answer.error

    async def write(
        self, endpoint: HttpEndpoint, value: str, reading: HttpReading, transaction: str
    ) -> HttpReading:
        """Set a value where there still is what was read as `reading`; return it as read back."""
        wanted = {"value": value, "previous": reading.value, "transaction": transaction}
        if reading.version is not None:
            wanted["version"] = reading.version
        answer = await self._ask("PUT", endpoint, endpoint.url, wanted)
        if answer.status in (409, 412):
            raise ConcurrentChange(f"{answer}: somebody else changed the value")
        if answer.status == 422:
            raise Refused(_reason(answer))
        if answer.status not in _DONE:
            raise answer.error
        return await self._read_back(endpoint, value, reading)

    async def _read_back(
        self, endpoint: HttpEndpoint, value: str, before: HttpReading
    ) -> HttpReading:
        after = await self.read(endpoint)
        if after.value == value:
            return after
        if after.value == before.value:
            raise BadAnswer("PUT was answered as done, and the value is still the one before")
        raise ConcurrentChange("after PUT there is another value: somebody else changed it")

    async def _ask(
        self, method: str, endpoint: HttpEndpoint, url: str, body: dict[str, str] | None = None
    ) -> "_Answer":
        headers = {"Authorization": endpoint.authorization} if endpoint.authorization else {}
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._open_session().request(
                    method,
                    url,
                    json=body,
                    headers=headers,
                    ssl=self._context(endpoint),
                    allow_redirects=False,
                ) as response,
            ):
                text = await _bounded(method, response)
                return _Answer(method, response.status, response.content_type, text)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise Unreachable(f"{method}: {self._hint(error)}") from None

    def _context(self, endpoint: HttpEndpoint) -> ssl.SSLContext | bool:
        """True: the certificates of the system. Connections are pooled by host and context."""
        if not endpoint.ca_bundle:
            return True
        context = self._tls.of(endpoint.ca_bundle)
        if isinstance(context, QueryError):
            raise Unreachable(context.detail)
        return context

    def _hint(self, error: Exception) -> str:
        kind = kind_of(error)
        if kind is ErrorKind.TIMEOUT:
            return f"no complete answer within {self._deadline:g} s"
        return _HINTS[kind]

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # A common limit would let one slow server take all connections.
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"model-rollout-operator/{__version__}",
                },
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session


@dataclass(frozen=True, slots=True)
class _Answer:
    method: str
    status: int
    content_type: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.method}: HTTP {self.status}"

    @property
    def error(self) -> HttpError:
        """What a code means that has no meaning of its own for the request."""
        if self.status in (401, 403):
            return Unauthorized(f"{self}: name a token in authSecretRef that the server accepts")
        if self.status in _TRY_AGAIN or self.status >= 500:
            return Unreachable(str(self))
        if 300 <= self.status < 400:
            return BadAnswer(f"{self}: redirects are not followed, write the URL that answers")
        return BadAnswer(str(self))

    def decoded(self) -> dict[str, Any] | None:
        """Return the JSON object, None where there is none."""
        if self.content_type != "application/json":
            return None
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


async def _bounded(method: str, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    # aiohttp decompresses in bounded steps, so what counts here is the size afterwards.
    async for chunk in response.content.iter_chunked(_MAX_BODY):
        body += chunk
        if len(body) > _MAX_BODY:
            raise BadAnswer(f"{method}: the answer is longer than {_MAX_BODY} bytes")
    return bytes(body)


def _reading(answer: _Answer) -> HttpReading:
    found = answer.decoded()
    if found is None:
        raise BadAnswer(f"{answer}: the answer is no JSON object (Content-Type application/json)")
    value, version = found.get("value"), found.get("version")
    if not isinstance(value, str) or not value:
        raise BadAnswer(f"{answer}: the answer holds no value, which is a text of its own")
    # Before the encoding: half of a surrogate pair is not printable, and cannot be encoded.
    if not value.isprintable():
        raise BadAnswer(f"{answer}: the value holds a line break or another control character")
    if len(value.encode()) > MAX_VALUE:
        raise BadAnswer(f"{answer}: the value is longer than {MAX_VALUE} bytes")
    if version is None:
        return HttpReading(value)
    if not isinstance(version, str) or not version.isprintable() or len(version) > MAX_VERSION:
        raise BadAnswer(
            f"{answer}: the version is no text of at most {MAX_VERSION} printable characters"
        )
    return HttpReading(value, version)


def _reason(answer: _Answer) -> str:
    """Return what the server says of a value that it refuses: the one text of it that is kept."""
    message = (answer.decoded() or {}).get("message")
    if not isinstance(message, str) or not message.strip():
        return f"{answer}: the server says no reason"
    return readable(message.strip())
