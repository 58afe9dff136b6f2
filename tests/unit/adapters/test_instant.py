"""`PrometheusClient` against real servers that behave badly."""

import asyncio
import gzip
import json
import socket
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.analysis.measurement import Ambiguous, ErrorKind, QueryError, Sample, Series
from model_rollout.ports.prometheus import Endpoint

Serve = Callable[[Any], Awaitable[str]]
GOOD = {"status": "success", "data": {"resultType": "scalar", "result": [5, "0.5"]}}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PrometheusClient]:
    client = PrometheusClient(deadline=5)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def hasty() -> AsyncIterator[PrometheusClient]:
    """With a deadline that a slow server misses for sure and a fast one meets."""
    client = PrometheusClient(deadline=1)
    yield client
    await client.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def kind_of(client: PrometheusClient, url: str) -> ErrorKind:
    result = await client.query(Endpoint(url), "up")
    assert isinstance(result, QueryError)
    return result.kind


async def test_asks_as_the_api_wants_it(client: PrometheusClient, serve: Serve) -> None:
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(path=request.path, method=request.method, query=request.query_string)
        seen.update(form=dict(await request.post()), headers=request.headers)
        response = web.json_response(GOOD)
        response.set_cookie("session", "stolen")
        return response

    url = await serve(answer)
    for _ in range(2):
        assert await client.query(Endpoint(f"{url}/tenant/"), 'a{b="ä+ c"}') == Sample(5, 0.5)
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/tenant/api/v1/query", "")
    assert seen["form"] == {"query": 'a{b="ä+ c"}', "timeout": "5s"}
    assert not {"Authorization", "Cookie"} & set(seen["headers"])


async def test_identical_queries_share_one_request(client: PrometheusClient, serve: Serve) -> None:
    requests: list[str] = []
    gate, both_asked = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        requests.append(str((await request.post())["query"]))
        if len(requests) == 2:
            both_asked.set()
        await gate.wait()
        return web.json_response(GOOD)

    url = await serve(answer)
    asked = [asyncio.create_task(client.query(Endpoint(url), q)) for q in ["a", "a", "a", "b"]]
    await both_asked.wait()
    asked[0].cancel()  # must not take the answer from the others
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*asked[1:]) == [Sample(5, 0.5)] * 3
    assert sorted(requests) == ["a", "b"]
    await client.query(Endpoint(url), "a")
    assert sorted(requests) == ["a", "a", "b"]


async def test_endless_answer_is_cut(client: PrometheusClient, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    assert await kind_of(client, await serve(answer)) is ErrorKind.TOO_LARGE


async def test_a_million_series_are_cut(client: PrometheusClient, serve: Serve) -> None:
    series = json.dumps({"metric": {"pod": "x" * 50}, "value": [1, "1"]}).encode()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"[" + b",".join([series] * 100_000))

    assert await kind_of(client, await serve(answer)) is ErrorKind.TOO_LARGE


async def test_compression_bomb_is_bounded(client: PrometheusClient, serve: Serve) -> None:
    bomb = gzip.compress(b" " * 500_000_000, compresslevel=1)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    url = await serve(answer)
    tracemalloc.start()
    try:
        assert await kind_of(client, url) is ErrorKind.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < len(bomb) * 2 + 16_000_000
    finally:
        tracemalloc.stop()


async def test_compressed_answer_is_read(client: PrometheusClient, serve: Serve) -> None:
    body = gzip.compress(json.dumps(GOOD).encode())

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    assert await client.query(Endpoint(await serve(answer)), "up") == Sample(5, 0.5)


async def test_slow_loris_meets_the_total_deadline_and_holds_up_nobody(
    hasty: PrometheusClient, serve: Serve, serve_raw: Serve
) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:  # always a little, so that no timeout for one read ever passes
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(GOOD)

    slow, fast = await serve_raw(drip), await serve(answer)
    began = time.monotonic()
    waiting = [asyncio.create_task(hasty.query(Endpoint(slow), f"q{n}")) for n in range(50)]
    for n in range(20):
        assert await hasty.query(Endpoint(fast), f"q{n}") == Sample(5, 0.5)
    assert time.monotonic() - began < 1
    results = await asyncio.gather(*waiting)
    assert time.monotonic() - began < 3
    assert {getattr(result, "kind", None) for result in results} == {ErrorKind.TIMEOUT}


async def test_no_more_requests_at_once_than_allowed(serve: Serve) -> None:
    client, now, most = PrometheusClient(concurrency=3), 0, 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response(GOOD)

    url = await serve(answer)
    await asyncio.gather(*(client.query(Endpoint(url), f"q{n}") for n in range(20)))
    await client.close()
    assert most == 3


async def test_redirect_is_not_followed(client: PrometheusClient, serve: Serve) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    assert await kind_of(client, await serve(answer)) is ErrorKind.REDIRECT
    assert asked == ["/api/v1/query"]


async def test_breaker_stops_asking_and_recovers(serve: Serve) -> None:
    now, asked, broken = 0.0, 0, True
    client = PrometheusClient(clock=lambda: now)

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=503) if broken else web.json_response(GOOD)

    url = await serve(answer)
    expected = QueryError(ErrorKind.SERVER, "HTTP 503")
    assert [await client.query(Endpoint(url), "up") for _ in range(20)] == [expected] * 20
    assert asked == 5
    broken, now = False, 1.0
    assert await client.query(Endpoint(url), "up") == Sample(5, 0.5)
    await client.close()


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_breaker_ignores_answers_about_the_query(
    client: PrometheusClient, serve: Serve, status: int
) -> None:
    """Else one user's bad query would blind everybody who asks the same server."""
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=status)

    url = await serve(answer)
    for _ in range(10):
        await client.query(Endpoint(url), "up")
    assert asked == 10


async def test_nothing_is_kept_of_healthy_endpoints(client: PrometheusClient, serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(GOOD)

    url = await serve(answer)
    for n in range(10):
        await client.query(Endpoint(f"{url}/{n}"), "up")
    assert client._places == {}
    assert client._in_flight == {}


async def test_refused(client: PrometheusClient) -> None:
    assert await kind_of(client, f"http://127.0.0.1:{free_port()}") is ErrorKind.REFUSED


async def test_name_not_found(client: PrometheusClient) -> None:
    assert await kind_of(client, "http://prometheus.invalid:9090") is ErrorKind.DNS


async def test_bad_certificate(client: PrometheusClient, serve_raw: Serve) -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    url = (await serve_raw(no_tls)).replace("http:", "https:")
    assert await kind_of(client, url) is ErrorKind.TLS


@pytest.mark.parametrize("url", ["http://", "ftp://a/b", "no url", "http://a:99999", "http://[x"])
async def test_no_url(client: PrometheusClient, url: str) -> None:
    assert await kind_of(client, url) is ErrorKind.CLIENT


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", ErrorKind.SERVER),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", ErrorKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
         ErrorKind.MALFORMED),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ErrorKind.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", ErrorKind.MALFORMED),
    ],
    ids=["hangs up", "truncated", "bad chunk", "bad gzip", "not HTTP", "long header"],
)  # fmt: skip
async def test_broken_answer(
    client: PrometheusClient, serve_raw: Serve, sent: bytes, kind: ErrorKind
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    assert await kind_of(client, await serve_raw(say)) is kind


async def test_details_hold_nothing_of_the_answer(client: PrometheusClient, serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        error = {"status": "error", "errorType": "canary", "error": "canary"}
        return web.json_response(error, status=500, reason="canary")

    assert "canary" not in repr(await client.query(Endpoint(await serve(answer)), "up"))


async def test_several_series(client: PrometheusClient, serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        series = {"metric": {}, "value": [1, "1"]}
        data = {"resultType": "vector", "result": [series] * 3}
        return web.json_response({"status": "success", "data": data})

    assert await client.query(Endpoint(await serve(answer)), "up") == Ambiguous("3 series")


def vector(count: int) -> bytes:
    series = [{"metric": {"model": f"m{n:06}"}, "value": [5, "0.5"]} for n in range(count)]
    data = {"resultType": "vector", "result": series}
    return json.dumps({"status": "success", "data": data}).encode()


async def test_series_of_any_number(client: PrometheusClient, serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=vector(2))

    assert await client.series(Endpoint(await serve(answer)), "up") == (
        Series((("model", "m000000"),), (Sample(5, 0.5),)),
        Series((("model", "m000001"),), (Sample(5, 0.5),)),
    )


async def test_an_answer_for_many_guards_may_be_larger(
    client: PrometheusClient, serve: Serve
) -> None:
    body = vector(30_000)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    endpoint = Endpoint(await serve(answer))
    own = await client.series(endpoint, "up")
    assert own == QueryError(ErrorKind.TOO_LARGE, "more than 1048576 bytes")
    shared = await client.series(endpoint, "up", shared=True)
    assert isinstance(shared, tuple)
    assert len(shared) == 30_000


async def test_an_answer_for_many_guards_is_bounded_too(
    client: PrometheusClient, serve: Serve
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    result = await client.series(Endpoint(await serve(answer)), "up", shared=True)
    assert result == QueryError(ErrorKind.TOO_LARGE, "more than 16777216 bytes")


async def test_questions_of_another_kind_or_identity_are_asked_for_themselves(
    client: PrometheusClient, serve: Serve
) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        return web.Response(body=vector(1))

    one, other = Endpoint(await serve(answer)), Endpoint(await serve(answer), tenant="b")
    results = await asyncio.gather(
        *(client.query(endpoint, "up") for endpoint in (one, one, other)),
        *(client.series(one, "up") for _ in range(3)),
        client.series(one, "up", shared=True),
    )
    assert not any(isinstance(result, QueryError) for result in results)
    assert asked == 4


async def test_a_breaker_is_of_one_identity(client: PrometheusClient, serve: Serve) -> None:
    """Else a tenant that is refused would blind the others."""

    async def answer(request: web.Request) -> web.Response:
        broken = request.headers.get("X-Scope-OrgID") == "broken"
        return web.Response(status=503) if broken else web.json_response(GOOD)

    url = await serve(answer)
    for _ in range(10):
        result = await client.query(Endpoint(url, tenant="broken"), "up")
        assert result == QueryError(ErrorKind.SERVER, "HTTP 503")
    assert await client.query(Endpoint(url, tenant="whole"), "up") == Sample(5, 0.5)


async def test_close_ends_what_is_under_way(serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = PrometheusClient()
    task = asyncio.create_task(client.query(Endpoint(await serve(answer)), "up"))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_ssl_errors_are_told_from_network_errors() -> None:
    client = PrometheusClient()
    assert client._failure(ssl.SSLError()).kind is ErrorKind.TLS
    assert client._failure(ConnectionResetError()).kind is ErrorKind.REFUSED
