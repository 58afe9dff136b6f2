"""History: what Prometheus stored, with prometheus-api-client in a few threads of their own."""

import asyncio
import contextlib
import math
import time
from bisect import bisect_right
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from model_rollout.adapters.prometheus.bounded_session import BoundedSession, RefusedError
from model_rollout.adapters.prometheus.parse import parse_matrix
from model_rollout.adapters.prometheus.series import read_series
from model_rollout.adapters.prometheus.walk import MAX_POINTS, joined, number_of_points, walk
from model_rollout.adapters.tls import TlsContexts
from model_rollout.analysis.measurement import (
    ErrorKind,
    QueryError,
    Sample,
    Series,
    SeriesResult,
)
from model_rollout.ports.prometheus import Endpoint

T = TypeVar("T")
_Ask = Callable[[int, int], SeriesResult]

_THREADS = 8
_PER_ENDPOINT = 2
"""Questions at a time: a server that hangs occupies so many threads."""
_RAW_WIDTH = MAX_POINTS - 2
"""Seconds of raw samples in one answer, without the overlap of a second at each end."""
_RAW_LEAST = 60
_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)


class PrometheusHistory:
    """Implements `model_rollout.ports.prometheus.RangeQueries`. Belongs to one event loop."""

    def __init__(
        self,
        *,
        deadline: float = 60.0,
        max_bytes: int = 16 * 1024 * 1024,
        max_samples: int = 1_000_000,
    ) -> None:
        """`deadline`: seconds for one question; `max_bytes`: for the answer to one part of it.

        `max_samples`: of one question; a million take about 100 MB.
        """
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._max_samples = max_samples
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="prometheus-history")
        self._tls = TlsContexts(time.monotonic)
        self._places: dict[Endpoint, _Places] = {}

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        """Return the values that instant queries would have had, oldest first."""
        total = number_of_points(start, end, step)

        def collect(client: PrometheusConnect) -> tuple[Sample, ...] | QueryError:
            samples: list[Sample] = []
            for part in walk(total, _range_of(client, promql, start, step, parse_matrix)):
                if isinstance(part, QueryError):
                    return part
                samples += part
            return tuple(samples)

        return await self._in_thread(endpoint, collect)

    async def vectors(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> SeriesResult:
        """Return all series of an expression, evaluated every `step` seconds from start to end."""
        total = number_of_points(start, end, step)

        def collect(client: PrometheusConnect) -> SeriesResult:
            ask: _Ask = _range_of(client, promql, start, step, read_series)
            return joined(walk(total, ask), self._max_samples)

        return await self._in_thread(endpoint, collect)

    async def raw(
        self, endpoint: Endpoint, selector: str, start: float, end: float
    ) -> SeriesResult:
        """Return all samples of a plain selector with `start < time <= end`, as they were scraped."""

        def collect(client: PrometheusConnect) -> SeriesResult:
            total = math.ceil(end) - math.floor(start)
            ask: _Ask = _raw_of(client, selector, start, end)
            return joined(walk(total, ask, width=_RAW_WIDTH, least=_RAW_LEAST), self._max_samples)

        return await self._in_thread(endpoint, collect)

    def close(self) -> None:
        """Begin nothing new. A thread that waits for a server ends when its own timeout passes."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(
        self, endpoint: Endpoint, collect: Callable[[PrometheusConnect], T | QueryError]
    ) -> T | QueryError:
        context = self._tls.of(endpoint.ca_bundle, endpoint.client_certificate, endpoint.client_key)
        if isinstance(context, QueryError):
            return context
        deadline = time.monotonic() + self._deadline

        def work() -> T | QueryError:
            with BoundedSession(endpoint, context, deadline, self._max_bytes) as session:
                return collect(session.client())

        places = self._places.setdefault(endpoint, _Places())
        places.users += 1
        future = None
        try:
            async with asyncio.timeout(self._deadline):
                await places.free.acquire()
                future = self._threads.submit(work)
                # The place is kept until the thread is free, not until we lose patience with it.
                future.add_done_callback(_on_loop(lambda: self._leave(endpoint, places)))
                return await asyncio.wrap_future(future)
        except TimeoutError:
            return QueryError(ErrorKind.TIMEOUT, f"no answer within {self._deadline:g} s")
        finally:
            if future is None:
                self._leave(endpoint, places, seated=False)

    def _leave(self, endpoint: Endpoint, places: "_Places", *, seated: bool = True) -> None:
        if seated:
            places.free.release()
        places.users -= 1
        if not places.users:
            self._places.pop(endpoint, None)


class _Places:
    """For the questions to one endpoint, of those that wait for one as well."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(_PER_ENDPOINT)
        self.users = 0


def _on_loop(callback: Callable[[], None]) -> Callable[[object], None]:
    """Return what a thread can call at its end, also when the loop has ended before."""
    loop = asyncio.get_running_loop()

    def call(_: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(callback)

    return call


def _range_of(
    client: PrometheusConnect,
    promql: str,
    start: float,
    step: float,
    read: Callable[[object], T | QueryError],
) -> Callable[[int, int], T | QueryError]:
    """Return the question for the points from one number to before another."""

    def ask(first: int, end: int) -> T | QueryError:
        begin, last = start + first * step, start + (end - 1) * step
        # The library rounds times to seconds; what is in `params` takes their place.
        exact = {"start": _text(begin), "end": _text(last)}
        times = (datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(last, UTC))
        return _asked(
            lambda: read(client.custom_query_range(promql, *times, _text(step), params=exact))
        )

    return ask


def _raw_of(client: PrometheusConnect, selector: str, start: float, end: float) -> _Ask:
    """Return the question for the samples of the seconds from one number to before another.

    Prometheus 3 leaves out a sample at the left end of a range, Prometheus 2 does not, and others
    may be a millisecond off: each range is a second longer at both ends, and that is cut off.
    """
    origin = math.floor(start)

    def ask(first: int, last: int) -> SeriesResult:
        # On a line of its own, where no comment can hide it.
        promql = f"{selector}\n[{last - first + 2}s]"
        params = {"time": str(origin + last + 1)}
        found: SeriesResult = _asked(lambda: read_series(client.custom_query(promql, params)))
        if found == QueryError(ErrorKind.SERVER, "HTTP 422, execution"):
            # The only way in which a plain selector fails: more samples than the server loads.
            return QueryError(ErrorKind.TOO_LARGE, found.detail)
        if not isinstance(found, tuple):
            return found
        return _cut(found, max(origin + first, start), min(origin + last, end))

    return ask


def _cut(found: tuple[Series, ...], after: float, until: float) -> tuple[Series, ...]:
    cut = []
    for series in found:
        first, last = (
            bisect_right(series.samples, time, key=lambda sample: sample.time)
            for time in (after, until)
        )
        cut.append(Series(series.labels, series.samples[first:last]))
    return tuple(cut)


def _asked(question: Callable[[], T | QueryError]) -> T | QueryError:
    """Turn what the library raises into errors that hold no text of an answer."""
    try:
        return question()
    except RefusedError as refused:
        return refused.error
    except requests.RequestException as error:
        return QueryError(_kind(error), type(error).__name__)
    except HTTPError as error:
        kind = ErrorKind.TIMEOUT if isinstance(error, ReadTimeoutError) else ErrorKind.MALFORMED
        return QueryError(kind, type(error).__name__)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        # The library found another shape.
        return QueryError(ErrorKind.MALFORMED, type(error).__name__)


def _kind(error: requests.RequestException) -> ErrorKind:
    if isinstance(error, requests.Timeout):
        return ErrorKind.TIMEOUT
    if isinstance(error, requests.exceptions.SSLError):
        return ErrorKind.TLS
    if isinstance(error, requests.ConnectionError):
        cause = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(cause, NameResolutionError):
            return ErrorKind.DNS
        return ErrorKind.REFUSED if isinstance(cause, NewConnectionError) else ErrorKind.SERVER
    return ErrorKind.CLIENT if isinstance(error, _UNUSABLE) else ErrorKind.MALFORMED


def _text(seconds: float) -> str:
    """Milliseconds, which is what Prometheus counts in; whole seconds without a point."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
