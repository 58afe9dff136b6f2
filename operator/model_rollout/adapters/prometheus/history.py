"""History: range queries with prometheus-api-client in a few threads of their own."""

import asyncio
import io
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError
from urllib3.util.retry import Retry

from model_rollout.adapters.prometheus.parse import parse_matrix, refusal
from model_rollout.analysis.measurement import ErrorKind, QueryError, Sample
from model_rollout.ports.prometheus import Endpoint

MAX_POINTS = 11_000
"""Prometheus refuses range queries with more points than this in a series."""

_THREADS = 4
_CHUNK = 64 * 1024
_CONNECT_TIMEOUT = 5.0


class PrometheusHistory:
    """Implements `model_rollout.ports.prometheus.RangeQueries`. Belongs to one event loop.

    One endpoint is asked one question at a time, so a hanging one occupies one thread of four.
    """

    def __init__(self, *, deadline: float = 60.0, max_bytes: int = 16 * 1024 * 1024) -> None:
        """`deadline`: seconds for one question; `max_bytes`: for the answer to one part of it."""
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="prometheus-history")
        self._busy: dict[Endpoint, Future[Any]] = {}

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        """Return the finite values between `start` and `end`, oldest first.

        Several series or an empty answer give an empty tuple.
        """
        try:
            async with asyncio.timeout(self._deadline):
                while (running := self._busy.get(endpoint)) is not None:
                    await asyncio.wait({asyncio.wrap_future(running)})
                return await self._ask(endpoint, promql, start, end, step)
        except TimeoutError:
            return QueryError(ErrorKind.TIMEOUT, f"no answer within {self._deadline:g} s")

    def close(self) -> None:
        """Begin nothing new. A thread that waits for a server ends when its own timeout passes."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        deadline = time.monotonic() + self._deadline
        future = self._threads.submit(self._collect, endpoint, promql, start, end, step, deadline)
        # Kept until the thread is free, not until we lose patience with it.
        self._busy[endpoint] = future
        future.add_done_callback(lambda _: self._busy.pop(endpoint, None))
        return await asyncio.wrap_future(future)

    def _collect(
        self,
        endpoint: Endpoint,
        promql: str,
        start: float,
        end: float,
        step: float,
        deadline: float,
    ) -> tuple[Sample, ...] | QueryError:
        samples: list[Sample] = []
        with _BoundedSession(deadline, self._max_bytes) as session:
            client = PrometheusConnect(
                url=endpoint.url.rstrip("/"),
                session=session,
                method="POST",
                retry=Retry(0, connect=1),
            )
            for first, last in parts(start, end, step):
                part = _ask_part(client, promql, first, last, step)
                if isinstance(part, QueryError):
                    return part
                samples += [s for s in part if not samples or s.time > samples[-1].time]
        return tuple(samples)


def parts(start: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Cut a range into parts that Prometheus accepts; the points lie as without the cuts."""
    if step <= 0:
        raise ValueError("the step of a range query must be positive")
    width = (MAX_POINTS - 1) * step
    while start <= end:
        yield start, min(start + width, end)
        start += width + step


def _ask_part(
    client: PrometheusConnect, promql: str, start: float, end: float, step: float
) -> tuple[Sample, ...] | QueryError:
    first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    try:
        return parse_matrix(client.custom_query_range(promql, first, last, f"{step:g}"))
    except _RefusedError as refused:
        return refused.error
    except requests.RequestException as error:
        return QueryError(_kind(error), type(error).__name__)
    except HTTPError as error:
        kind = ErrorKind.TIMEOUT if isinstance(error, ReadTimeoutError) else ErrorKind.MALFORMED
        return QueryError(kind, type(error).__name__)
    except (KeyError, TypeError, ValueError) as error:  # the library found another shape
        return QueryError(ErrorKind.MALFORMED, type(error).__name__)


def _kind(error: requests.RequestException) -> ErrorKind:
    if isinstance(error, requests.Timeout):
        return ErrorKind.TIMEOUT
    if isinstance(error, requests.exceptions.SSLError):
        return ErrorKind.TLS
    if isinstance(error, requests.ConnectionError):
        cause = getattr(error.args[0] if error.args else None, "reason", None)
        return ErrorKind.DNS if isinstance(cause, NameResolutionError) else ErrorKind.REFUSED
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return ErrorKind.CLIENT
    return ErrorKind.MALFORMED


class _RefusedError(Exception):
    """Takes a typed error through the library, whose own exceptions hold the body of the answer."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(error.kind)
        self.error = error


class _BoundedSession(requests.Session):
    """Adds what the library leaves out: deadline, size limit, form body, no redirects."""

    def __init__(self, deadline: float, max_bytes: int) -> None:
        super().__init__()
        self.trust_env = False  # else credentials of a .netrc go to any host that is named there
        self.headers["Accept-Encoding"] = "identity"
        self._deadline = deadline
        self._max_bytes = max_bytes

    def request(self, method: Any, url: Any, *_: Any, **kwargs: Any) -> requests.Response:
        """Send what PrometheusConnect asks for. It puts the query into the URL even for POST."""
        left = self._left()
        response = super().request(
            method,
            url,
            data=kwargs.get("params"),
            timeout=(min(_CONNECT_TIMEOUT, left), left),
            allow_redirects=False,
            stream=True,
        )
        try:
            body = self._read(response)
        finally:
            response.close()
        if response.status_code != 200:
            raise _RefusedError(refusal(response.status_code, body))
        response.raw = io.BytesIO(body)
        return response

    def _read(self, response: requests.Response) -> bytes:
        """`read1`, because `read` waits for a whole chunk: one byte a minute would never end."""
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                error = QueryError(ErrorKind.TOO_LARGE, f"more than {self._max_bytes} bytes")
                raise _RefusedError(error)
            self._left()
        return bytes(body)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _RefusedError(QueryError(ErrorKind.TIMEOUT, "the answer came too slowly"))
        return left
