import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.walk import MAX_POINTS
from model_rollout.analysis.measurement import Ambiguous, ErrorKind, QueryError, Sample
from model_rollout.ports.prometheus import Endpoint

Serve = Callable[[Any], Awaitable[str]]


@pytest_asyncio.fixture
async def history() -> AsyncIterator[PrometheusHistory]:
    history = PrometheusHistory(deadline=5, max_bytes=2_000_000)
    yield history
    history.close()


def matrix(values: list[list[Any]]) -> dict[str, Any]:
    data = {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}
    return {"status": "success", "data": data}


async def ask(history: PrometheusHistory, url: str) -> tuple[Sample, ...] | QueryError:
    return await history.query_range(Endpoint(url), "up", 100, 160, 30)


async def test_asks_with_a_form_in_the_body(history: PrometheusHistory, serve: Serve) -> None:
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(path=request.path, method=request.method, query=request.query_string)
        seen.update(form=dict(await request.post()))
        return web.json_response(matrix([[100, "1"], [130, "NaN"], [160, "2"]]))

    result = await ask(history, await serve(answer) + "/")
    assert result == (Sample(100, 1), Sample(160, 2))
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/api/v1/query_range", "")
    assert seen["form"] == {"query": "up", "start": "100", "end": "160", "step": "30"}


async def test_long_ranges_are_asked_in_parts(history: PrometheusHistory, serve: Serve) -> None:
    """The server refuses more points, as Prometheus does, and none is lost or doubled."""

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        start, end, step = (int(str(form[name])) for name in ("start", "end", "step"))
        times = range(start, end + 1, step)
        if len(times) > MAX_POINTS:
            return web.Response(status=400)
        return web.json_response(matrix([[t, "1"] for t in times]))

    samples = await history.query_range(Endpoint(await serve(answer)), "up", 0, 1_000_000, 30)
    assert not isinstance(samples, QueryError)
    assert [sample.time for sample in samples] == list(range(0, 1_000_001, 30))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"status": "success", "data": {"result": []}}, ()),
        (200, {"status": "success", "data": {"result": [{"values": []}] * 2}}, ()),
        (200, {"status": "success", "data": {"result": "canary"}}, ErrorKind.MALFORMED),
        (200, {"status": "error", "errorType": "canary"}, ErrorKind.MALFORMED),
        (200, ["canary"], ErrorKind.MALFORMED),
        (400, {"errorType": "bad_data", "error": "canary"}, ErrorKind.BAD_QUERY),
        (401, {}, ErrorKind.UNAUTHORIZED),
        (302, {}, ErrorKind.REDIRECT),
        (503, {"errorType": "timeout", "error": "canary"}, ErrorKind.TIMEOUT),
        (503, "canary", ErrorKind.SERVER),
    ],
    ids=[
        "empty",
        "several",
        "text",
        "error",
        "list",
        "bad query",
        "401",
        "redirect",
        "timeout",
        "503",
    ],
)
async def test_answers(
    history: PrometheusHistory, serve: Serve, status: int, body: Any, expected: object
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={"Location": "/"})

    result = await ask(history, await serve(answer))
    assert "canary" not in repr(result)
    assert (result.kind if isinstance(result, QueryError) else result) == expected


async def test_truncated(history: PrometheusHistory, serve_raw: Serve) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
        await writer.drain()
        writer.close()

    result = await ask(history, await serve_raw(cut))
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.MALFORMED


async def test_too_large(history: PrometheusHistory, serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=json.dumps("x" * 3_000_000))

    result = await ask(history, await serve(answer))
    assert result == QueryError(ErrorKind.TOO_LARGE, "more than 2000000 bytes")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1", ErrorKind.REFUSED),
        ("http://prometheus.invalid", ErrorKind.DNS),
        ("http://", ErrorKind.CLIENT),
        ("ftp://a", ErrorKind.CLIENT),
    ],
)
async def test_no_answer(history: PrometheusHistory, url: str, kind: ErrorKind) -> None:
    result = await ask(history, url)
    assert isinstance(result, QueryError)
    assert result.kind is kind


@dataclass
class Stored:
    """Answers questions for raw samples as a version of Prometheus does."""

    series: dict[str, list[float]]
    """Times by pod, in milliseconds; the value of a sample is its time."""
    left_closed: bool = False
    """Prometheus 2 includes the sample at the left end of a range."""
    truncates: int = 0
    """Milliseconds by which the time of evaluation is off."""
    most: int = 10**9
    """More samples are refused, as with `--query.max-samples`."""
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response:
        form = await request.post()
        found = re.fullmatch(r"up # all\n\[(\d+)s\]", str(form["query"]))
        assert found, form
        width, end = int(found[1]), int(str(form["time"]))
        self.asked.append((end - width, end))
        last = end * 1000 - self.truncates
        first = last - width * 1000 + (0 if self.left_closed else 1)
        result = []
        for pod, times in self.series.items():
            values = [[ms / 1000, str(ms)] for ms in times if first <= ms <= last]
            if values:
                result.append({"metric": {"__name__": "up", "pod": pod}, "values": values})
        if sum(len(series["values"]) for series in result) > self.most:
            error = {"status": "error", "errorType": "execution", "error": "too many samples"}
            return web.json_response(error, status=422)
        data = {"resultType": "matrix", "result": result}
        return web.json_response({"status": "success", "data": data})

    def between(self, start: float, end: float) -> dict[str, list[float]]:
        found = {
            pod: [ms for ms in times if start < ms / 1000 <= end]
            for pod, times in self.series.items()
        }
        return {pod: times for pod, times in found.items() if times}


async def raw(
    history: PrometheusHistory, url: str, start: float, end: float
) -> dict[str, list[float]] | Ambiguous | QueryError:
    """Return times in milliseconds by pod."""
    result = await history.raw(Endpoint(url), "up # all", start, end)
    if not isinstance(result, tuple):
        return result
    for series in result:
        assert [s.time for s in series.samples] == [s.value / 1000 for s in series.samples]
    return {series.labels[0][1]: [s.value for s in series.samples] for series in result}


PODS: dict[str, list[float]] = {
    "whole seconds": list(range(0, 30_000_001, 1000)),
    "odd": list(range(781, 30_000_001, 15_000)),
    "late": list(range(21_000_999, 30_000_001, 1000)),
    "early": list(range(0, 9_000_001, 1000)),
}


@pytest.mark.parametrize(("start", "end"), [(0, 30_000), (100.781, 29_000.781), (50, 50), (60, 50)])
@pytest.mark.parametrize("truncates", [0, 1])
@pytest.mark.parametrize("left_closed", [True, False], ids=["Prometheus 2", "Prometheus 3"])
async def test_raw_samples_come_exactly_once(
    history: PrometheusHistory,
    serve: Serve,
    left_closed: bool,
    truncates: int,
    start: float,
    end: float,
) -> None:
    stored = Stored(PODS, left_closed, truncates)
    found = await raw(history, await serve(stored), start, end)
    assert found == stored.between(start, end)
    assert all(last - first <= MAX_POINTS for first, last in stored.asked)
    assert len(stored.asked) == math.ceil(max(0, math.ceil(end) - math.floor(start)) / 10_998)


async def test_an_answer_that_is_too_large_is_asked_for_in_halves(serve: Serve) -> None:
    history = PrometheusHistory(deadline=10, max_bytes=100_000)
    stored = Stored(PODS)
    assert await raw(history, await serve(stored), 0, 30_000) == stored.between(0, 30_000)
    assert max(last - first for first, last in stored.asked[5:]) < 3000
    history.close()


async def test_a_server_that_loads_fewer_samples_is_asked_for_less(
    history: PrometheusHistory, serve: Serve
) -> None:
    stored = Stored(PODS, most=5000)
    assert await raw(history, await serve(stored), 0, 30_000) == stored.between(0, 30_000)


async def test_what_is_too_large_in_a_minute_is_an_error(serve: Serve) -> None:
    history = PrometheusHistory(deadline=10, max_bytes=1000)
    found = await raw(history, await serve(Stored(PODS)), 0, 30_000)
    assert found == QueryError(ErrorKind.TOO_LARGE, "more than 1000 bytes")
    history.close()


async def test_no_more_samples_are_held_than_allowed(serve: Serve) -> None:
    history = PrometheusHistory(deadline=10, max_samples=40_000)
    found = await raw(history, await serve(Stored(PODS)), 0, 30_000)
    assert found == QueryError(ErrorKind.TOO_LARGE, "more than 40000 samples")
    history.close()


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([{"metric": {}, "histograms": [[1, {}]]}], Ambiguous("a native histogram")),
        ("canary", QueryError(ErrorKind.MALFORMED, "no list of series")),
        ([{"metric": {}, "values": [[1, "canary"]]}],
         QueryError(ErrorKind.MALFORMED, "a value that is no number")),
    ],
)  # fmt: skip
async def test_raw_samples_that_are_none(
    history: PrometheusHistory, serve: Serve, result: Any, expected: object
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": {"result": result}})

    endpoint = Endpoint(await serve(answer))
    assert await history.raw(endpoint, "up", 0, 60) == expected
    assert await history.vectors(endpoint, "up", 0, 60, 30) == expected


async def test_all_series_of_an_expression(history: PrometheusHistory, serve: Serve) -> None:
    """In parts: `a` is in all of them, `b` in the last one only."""

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        start, end, step = (float(str(form[name])) for name in ("start", "end", "step"))
        times = [start + n * step for n in range(round((end - start) / step) + 1)]
        assert len(times) <= MAX_POINTS
        late = [time for time in times if time >= 7000]
        series = [
            {"metric": {"pod": pod}, "values": [[time, "1"] for time in there]}
            for pod, there in [("a", times), ("b", late)]
        ]
        data = {"resultType": "matrix", "result": series}
        return web.json_response({"status": "success", "data": data})

    found = await history.vectors(Endpoint(await serve(answer)), "up", 0.5, 7500.5, 0.5)
    assert isinstance(found, tuple)
    times = {series.labels[0][1]: [s.time for s in series.samples] for series in found}
    assert times["a"] == [0.5 + n / 2 for n in range(15_001)]
    assert times["b"] == [time for time in times["a"] if time >= 7000]


async def test_a_slow_question_keeps_its_place_until_its_thread_is_free(serve: Serve) -> None:
    now, most = 0, 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.1)
        now -= 1
        return web.json_response(matrix([[100, "1"]]))

    history = PrometheusHistory(deadline=5)
    url = await serve(answer)
    asked = [asyncio.create_task(ask(history, url)) for _ in range(6)]
    await asyncio.sleep(0.05)
    asked[0].cancel()  # its thread goes on
    results = await asyncio.gather(*asked[1:])
    assert results == [(Sample(100, 1),)] * 5
    assert most == 2
    await asyncio.sleep(0)
    assert history._places == {}
    history.close()


async def test_slow_server_meets_the_deadline_and_keeps_two_threads_at_most(
    serve: Serve, serve_raw: Serve
) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(matrix([[100, "1"]]))

    history = PrometheusHistory(deadline=1)
    slow, fast = await serve_raw(drip), await serve(answer)
    began = time.monotonic()
    waiting = [asyncio.create_task(ask(history, slow)) for _ in range(10)]
    await asyncio.sleep(0)
    assert await ask(history, fast) == (Sample(100, 1),)
    results = await asyncio.gather(*waiting)
    assert {getattr(result, "kind", None) for result in results} == {ErrorKind.TIMEOUT}
    assert time.monotonic() - began < 3
    history.close()
