import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.walk import MAX_POINTS
from model_rollout.analysis.measurement import ErrorKind, QueryError, Sample
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
        (200, {"status": "error", "errorType": "canary"}, ErrorKind.MALFORMED),
        (200, ["canary"], ErrorKind.MALFORMED),
        (400, {"errorType": "bad_data", "error": "canary"}, ErrorKind.BAD_QUERY),
        (401, {}, ErrorKind.CLIENT),
        (302, {}, ErrorKind.REDIRECT),
        (503, {"errorType": "timeout", "error": "canary"}, ErrorKind.TIMEOUT),
        (503, "canary", ErrorKind.SERVER),
    ],
    ids=["empty", "several", "error", "list", "bad query", "401", "redirect", "timeout", "503"],
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


async def test_slow_server_meets_the_deadline_and_keeps_one_thread_at_most(
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
