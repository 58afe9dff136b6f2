"""The hot path: instant queries with aiohttp, bounded in time, size and number."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp

from model_rollout.adapters.failures import kind_of
from model_rollout.adapters.prometheus.breaker import Breaker
from model_rollout.adapters.prometheus.parse import parse_instant, refusal
from model_rollout.adapters.prometheus.series import parse_series
from model_rollout.adapters.tls import TlsContexts
from model_rollout.analysis.measurement import ErrorKind, QueryError, QueryResult, SeriesResult
from model_rollout.ports.prometheus import Endpoint

T = TypeVar("T")

_CHUNK = 64 * 1024
_LARGE = 1024 * 1024
"""Bytes from which an answer is read in a thread: it takes longer than others want to wait."""

_HINTS = {
    ErrorKind.REFUSED: "nothing accepts connections at Prometheus' address",
    ErrorKind.DNS: "the host name of Prometheus is not known",
    ErrorKind.TLS: "the certificate of Prometheus is not accepted, or ours is not",
    ErrorKind.CLIENT: "the URL of Prometheus, a credential or the tenant cannot be used",
    ErrorKind.MALFORMED: "the answer was cut off or is not HTTP",
    ErrorKind.SERVER: "the connection broke",
}
_NO_ANSWER = frozenset({ErrorKind.TIMEOUT, ErrorKind.DNS, ErrorKind.TLS, ErrorKind.REFUSED})


class PrometheusClient:
    """Implements `model_rollout.ports.prometheus.InstantQueries`. Belongs to one event loop.

    Endpoints are kept apart: a slow or hostile one uses up its own places only. Nothing is sent
    but what the endpoint names: no cookies, nothing of the environment, and no redirect is followed.
    """

    def __init__(
        self,
        *,
        deadline: float = 10.0,
        max_bytes: int = 1024 * 1024,
        max_shared_bytes: int = 16 * 1024 * 1024,
        concurrency: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deadline`: seconds for one query, queueing included; `concurrency`: per endpoint."""
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._max_shared_bytes = max_shared_bytes
        self._concurrency = concurrency
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._tls = TlsContexts(clock)
        self._places: dict[Endpoint, _Places] = {}
        self._in_flight: dict[tuple[Any, ...], asyncio.Task[Any]] = {}

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        """Evaluate `promql` at the server now. Never raises for what the server does."""
        return await self._coalesced(endpoint, promql, self._max_bytes, parse_instant)

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> SeriesResult:
        """Evaluate an expression with any number of series now. Never raises either.

        `shared`: the answer serves many guards, so it may be larger.
        """
        limit = self._max_shared_bytes if shared else self._max_bytes
        return await self._coalesced(endpoint, promql, limit, parse_series)

    async def close(self) -> None:
        """Cancel what is under way and close the connections."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _coalesced(
        self, endpoint: Endpoint, promql: str, limit: int, parse: Callable[[int, bytes], T]
    ) -> T | QueryError:
        key = (endpoint, promql, limit, parse)
        task: asyncio.Task[T | QueryError] | None = self._in_flight.get(key)
        if task is None:
            task = asyncio.create_task(self._guarded(endpoint, promql, limit, parse))
            self._in_flight[key] = task
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        # Shielded: one waiter that is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    async def _guarded(
        self, endpoint: Endpoint, promql: str, limit: int, parse: Callable[[int, bytes], T]
    ) -> T | QueryError:
        places = self._places.get(endpoint)
        if places is None:
            places = self._places[endpoint] = _Places(self._concurrency, self._clock)
        places.users += 1
        try:
            if refused := places.breaker.refuses():
                return refused
            answer = await self._ask(places, endpoint, promql, limit)
            if isinstance(answer, QueryError):
                return answer
            return await _parsed(parse, *answer)
        finally:
            places.users -= 1
            if not places.users and places.breaker.clean:
                del self._places[endpoint]  # users write them: keep no more than needed

    async def _ask(
        self, places: "_Places", endpoint: Endpoint, promql: str, limit: int
    ) -> tuple[int, bytes] | QueryError:
        """Return the HTTP code and the body, and let the breaker know what came of it."""
        try:
            async with asyncio.timeout(self._deadline), places.free:
                status, body = await self._post(endpoint, promql, limit)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = self._failure(error)
            if failure.kind in _NO_ANSWER or failure.kind is ErrorKind.SERVER:
                places.breaker.failed(failure)
            else:
                places.breaker.answered()
            return failure
        except _UnfitError as unfit:
            places.breaker.answered()
            return unfit.error
        if status >= 500:
            places.breaker.failed(refusal(status, body))
        else:
            places.breaker.answered()
        return status, body

    async def _post(self, endpoint: Endpoint, promql: str, limit: int) -> tuple[int, bytes]:
        form = {"query": promql, "timeout": f"{self._deadline:g}s"}
        address = f"{endpoint.url.rstrip('/')}/api/v1/query"
        async with self._open_session().post(
            address,
            data=form,
            headers=endpoint.headers,
            ssl=self._context(endpoint),
            allow_redirects=False,
        ) as response:
            body = bytearray()
            # aiohttp decompresses in bounded steps, so what counts here is the size afterwards.
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > limit:
                    raise _UnfitError(ErrorKind.TOO_LARGE, f"more than {limit} bytes")
            return response.status, bytes(body)

    def _context(self, endpoint: Endpoint) -> ssl.SSLContext | bool:
        """True: the certificates of the system. Connections are pooled by host and context."""
        if not (endpoint.ca_bundle or endpoint.client_certificate or endpoint.client_key):
            return True
        context = self._tls.of(endpoint.ca_bundle, endpoint.client_certificate, endpoint.client_key)
        if isinstance(context, QueryError):
            raise _UnfitError(context.kind, context.detail)
        return context

    def _failure(self, error: Exception) -> QueryError:
        kind = kind_of(error)
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


async def _parsed(parse: Callable[[int, bytes], T], status: int, body: bytes) -> T:
    if len(body) < _LARGE:
        return parse(status, body)
    return await asyncio.to_thread(parse, status, body)


class _Places:
    """What is known about one endpoint while it is in use or in trouble."""

    def __init__(self, concurrency: int, clock: Callable[[], float]) -> None:
        self.free = asyncio.Semaphore(concurrency)
        self.breaker = Breaker(clock)
        self.users = 0


class _UnfitError(Exception):
    """Nothing can be sent, or the answer is larger than we are willing to hold."""

    def __init__(self, kind: ErrorKind, detail: str) -> None:
        super().__init__(kind)
        self.error = QueryError(kind, detail)
