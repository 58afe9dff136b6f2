"""The hot path: instant queries with aiohttp, bounded in time, size and number."""

import asyncio
import ssl
import time
from collections.abc import Callable

import aiohttp

from model_rollout.adapters.prometheus.breaker import Breaker
from model_rollout.adapters.prometheus.parse import parse_instant
from model_rollout.analysis.measurement import ErrorKind, QueryError, QueryResult
from model_rollout.ports.prometheus import Endpoint

_CHUNK = 64 * 1024

# The first class that fits names the error, so subclasses come before their bases.
_KINDS: tuple[tuple[type[BaseException], ErrorKind], ...] = (
    (TimeoutError, ErrorKind.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, ErrorKind.DNS),
    (aiohttp.ClientConnectorCertificateError, ErrorKind.TLS),
    (aiohttp.ClientSSLError, ErrorKind.TLS),
    (ssl.SSLError, ErrorKind.TLS),
    (aiohttp.ClientConnectorError, ErrorKind.REFUSED),
    (aiohttp.InvalidURL, ErrorKind.CLIENT),
    (aiohttp.NonHttpUrlClientError, ErrorKind.CLIENT),
    (aiohttp.ClientPayloadError, ErrorKind.MALFORMED),
    (aiohttp.ClientResponseError, ErrorKind.MALFORMED),
    (aiohttp.ClientError, ErrorKind.SERVER),
    (OSError, ErrorKind.REFUSED),
)
_HINTS = {
    ErrorKind.REFUSED: "nothing accepts connections at Prometheus' address",
    ErrorKind.DNS: "the host name of Prometheus is not known",
    ErrorKind.TLS: "the certificate of Prometheus is not accepted",
    ErrorKind.CLIENT: "the URL of Prometheus cannot be used",
    ErrorKind.MALFORMED: "the answer was cut off or is not HTTP",
    ErrorKind.SERVER: "the connection broke",
}
_NO_ANSWER = frozenset({ErrorKind.TIMEOUT, ErrorKind.DNS, ErrorKind.TLS, ErrorKind.REFUSED})


class PrometheusClient:
    """Implements `model_rollout.ports.prometheus.InstantQueries`. Belongs to one event loop.

    Endpoints are kept apart by their URL: a slow or hostile one uses up its own places only.
    No credentials are sent and no cookies kept.
    """

    def __init__(
        self,
        *,
        deadline: float = 10.0,
        max_bytes: int = 1024 * 1024,
        concurrency: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deadline`: seconds for one query, queueing included; `concurrency`: per endpoint."""
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._concurrency = concurrency
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._places: dict[Endpoint, _Places] = {}
        self._in_flight: dict[tuple[Endpoint, str], asyncio.Task[QueryResult]] = {}

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        """Evaluate `promql` at the server now. Never raises for what the server does."""
        key = (endpoint, promql)
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.create_task(self._guarded(endpoint, promql))
            self._in_flight[key] = task
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded: one waiter that is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel what is under way and close the connections."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _guarded(self, endpoint: Endpoint, promql: str) -> QueryResult:
        places = self._places.get(endpoint)
        if places is None:
            places = self._places[endpoint] = _Places(self._concurrency, self._clock)
        places.users += 1
        try:
            return places.breaker.refuses() or await self._ask(places, endpoint, promql)
        finally:
            places.users -= 1
            if not places.users and places.breaker.clean:
                del self._places[endpoint]  # URLs are written by users: keep no more than needed

    async def _ask(self, places: "_Places", endpoint: Endpoint, promql: str) -> QueryResult:
        try:
            async with asyncio.timeout(self._deadline), places.free:
                status, body = await self._post(endpoint.url, promql)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = self._failure(error)
            if failure.kind in _NO_ANSWER or failure.kind is ErrorKind.SERVER:
                places.breaker.failed(failure)
            else:
                places.breaker.answered()
            return failure
        except _TooLargeError:
            places.breaker.answered()
            return QueryError(ErrorKind.TOO_LARGE, f"more than {self._max_bytes} bytes")
        result = parse_instant(status, body)
        if status >= 500 and isinstance(result, QueryError):
            places.breaker.failed(result)
        else:
            places.breaker.answered()
        return result

    async def _post(self, url: str, promql: str) -> tuple[int, bytes]:
        form = {"query": promql, "timeout": f"{self._deadline:g}s"}
        address = f"{url.rstrip('/')}/api/v1/query"
        async with self._open_session().post(address, data=form, allow_redirects=False) as response:
            body = bytearray()
            # aiohttp decompresses in bounded steps, so what counts here is the size afterwards.
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > self._max_bytes:
                    raise _TooLargeError
            return response.status, bytes(body)

    def _failure(self, error: Exception) -> QueryError:
        fitting = (kind for cls, kind in _KINDS if isinstance(error, cls))
        kind = next(fitting, ErrorKind.CLIENT)  # the rest are ValueErrors: the URL is none
        if kind is ErrorKind.TIMEOUT:
            return QueryError(kind, f"no complete answer within {self._deadline:g} s")
        return QueryError(kind, _HINTS[kind])

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # The places per endpoint bound the connections; a common limit would let one
                # slow endpoint take all of them.
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session


class _Places:
    """What is known about one endpoint while it is in use or in trouble."""

    def __init__(self, concurrency: int, clock: Callable[[], float]) -> None:
        self.free = asyncio.Semaphore(concurrency)
        self.breaker = Breaker(clock)
        self.users = 0


class _TooLargeError(Exception):
    """The answer is larger than we are willing to hold."""
