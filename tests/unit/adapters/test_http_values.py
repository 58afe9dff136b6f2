"""The client for values that servers hold, against real servers: the contract, and what breaks it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from model_rollout.adapters.http_values import MAX_VALUE, HttpValueClient
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
from support.certificates import Authority

Serve = Callable[..., Awaitable[str]]
CANARY = "canary-7f3a"
BEFORE, TARGET = HttpReading("kb-v2", "7"), "kb-v1"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[HttpValueClient]:
    client = HttpValueClient(deadline=5)
    yield client
    await client.close()


class Server:
    """Holds a value as the contract says; keeps what it was asked."""

    def __init__(self, value: str = BEFORE.value, version: int = 7, **answers: Any) -> None:
        self.value, self.version = value, version
        self.answers = answers
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.body_exists else None
        self.requests.append((request.method, request.path, dict(request.headers), body))
        if request.method in self.answers:
            answer = self.answers[request.method]
            return await answer(request) if callable(answer) else answer
        if request.method == "PUT":
            self.value, self.version = body["value"], self.version + 1
            return web.Response(status=204)
        if request.method == "POST":
            return web.Response(status=204)
        return web.json_response({"value": self.value, "version": str(self.version), "more": [1]})


def at(url: str, **parts: str) -> HttpEndpoint:
    return HttpEndpoint(f"{url}/alias", f"{url}/alias/check", **parts)


async def write(client: HttpValueClient, endpoint: HttpEndpoint) -> HttpReading:
    return await client.write(endpoint, TARGET, BEFORE, "t-1")


async def read(client: HttpValueClient, endpoint: HttpEndpoint) -> HttpReading:
    return await client.read(endpoint)


async def check(client: HttpValueClient, endpoint: HttpEndpoint) -> None:
    await client.check(endpoint, TARGET)


ASKS = {"GET": read, "POST": check, "PUT": write}
by_method = pytest.mark.parametrize("method", ASKS)


async def failure(client: HttpValueClient, method: str, endpoint: HttpEndpoint) -> HttpError:
    with pytest.raises(HttpError) as caught:
        await ASKS[method](client, endpoint)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 600
    return caught.value


async def test_value_is_read_with_its_version(client: HttpValueClient, serve: Serve) -> None:
    server = Server()
    assert await client.read(at(await serve(server))) == BEFORE
    assert [(method, path) for method, path, _, _ in server.requests] == [("GET", "/alias")]


async def test_value_without_a_version_is_read(client: HttpValueClient, serve: Serve) -> None:
    for body in ({"value": "a"}, {"value": "a", "version": None}):
        url = await serve(Server(GET=web.json_response(body)))
        assert await client.read(at(url)) == HttpReading("a")


async def test_value_is_checked_before_it_is_written(client: HttpValueClient, serve: Serve) -> None:
    server = Server()
    await client.check(at(await serve(server)), TARGET)
    [(method, path, headers, body)] = server.requests
    assert (method, path, body) == ("POST", "/alias/check", {"value": TARGET})
    assert headers["Content-Type"] == "application/json"
    assert server.value == BEFORE.value


async def test_value_is_written_over_what_was_read_and_read_back(
    client: HttpValueClient, serve: Serve
) -> None:
    server = Server()
    assert await write(client, at(await serve(server))) == HttpReading(TARGET, "8")
    (put, _, _, body), (get, *_) = server.requests
    assert (put, get) == ("PUT", "GET")
    assert body == {"value": TARGET, "previous": "kb-v2", "version": "7", "transaction": "t-1"}


async def test_no_version_is_given_back_where_none_was_read(
    client: HttpValueClient, serve: Serve
) -> None:
    server = Server()
    await client.write(at(await serve(server)), TARGET, HttpReading("kb-v2"), "t-1")
    assert server.requests[0][3] == {"value": TARGET, "previous": "kb-v2", "transaction": "t-1"}


@pytest.mark.parametrize("status", [200, 204])
async def test_both_codes_mean_done(client: HttpValueClient, serve: Serve, status: int) -> None:
    done = web.Response(status=status)
    url = await serve(Server(TARGET, POST=done))
    await check(client, at(url))
    url = await serve(Server(TARGET, PUT=web.Response(status=status)))
    assert (await write(client, at(url))).value == TARGET


async def test_value_that_is_not_there_afterwards_is_an_error(
    client: HttpValueClient, serve: Serve
) -> None:
    error = await failure(client, "PUT", at(await serve(Server(PUT=web.Response(status=204)))))
    assert isinstance(error, BadAnswer)
    assert "the value is still the one before" in str(error)


async def test_another_value_afterwards_is_a_concurrent_change(
    client: HttpValueClient, serve: Serve
) -> None:
    url = await serve(Server("kb-v3", PUT=web.Response(status=204)))
    assert isinstance(await failure(client, "PUT", at(url)), ConcurrentChange)


@pytest.mark.parametrize("status", [409, 412])
async def test_change_of_somebody_else_is_told(
    client: HttpValueClient, serve: Serve, status: int
) -> None:
    server = Server(PUT=web.json_response({"message": CANARY}, status=status))
    error = await failure(client, "PUT", at(await serve(server)))
    assert isinstance(error, ConcurrentChange)
    assert CANARY not in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"message": "the collection kb-v1 is gone"}, "the collection kb-v1 is gone"),
        ({"message": " gone\r\nX-Evil: 1\x1b[31m\u2028 "}, "gone  X-Evil: 1 [31m"),
        ({"message": 1000 * "a"}, 499 * "a" + "…"),
        ({"message": ["a"]}, "the server says no reason"),
        ({"message": " "}, "the server says no reason"),
        ({"error": CANARY}, "the server says no reason"),
        ([CANARY], "the server says no reason"),
    ],
    ids=["plain", "control", "long", "list", "blank", "none", "array"],
)
async def test_refusal_is_told_in_the_words_of_the_server(
    client: HttpValueClient, serve: Serve, method: str, body: Any, told: str
) -> None:
    answer = web.json_response(body, status=422)
    error = await failure(client, method, at(await serve(Server(**{method: answer}))))
    assert isinstance(error, Refused)
    assert str(error).removeprefix(f"{method}: HTTP 422: ") == told


@by_method
@pytest.mark.parametrize("status", [401, 403])
async def test_token_that_is_not_accepted_is_told(
    client: HttpValueClient, serve: Serve, method: str, status: int
) -> None:
    url = await serve(Server(**{method: web.Response(status=status, text=CANARY)}))
    assert isinstance(await failure(client, method, at(url)), Unauthorized)


@by_method
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_trouble_of_the_server_is_temporary(
    client: HttpValueClient, serve: Serve, method: str, status: int
) -> None:
    url = await serve(Server(**{method: web.Response(status=status, text=CANARY)}))
    error = await failure(client, method, at(url))
    assert isinstance(error, Unreachable)
    assert str(error) == f"{method}: HTTP {status}"


@by_method
@pytest.mark.parametrize("status", [201, 202, 206, 400, 404, 405, 410, 418])
async def test_code_without_a_meaning_is_a_bad_answer(
    client: HttpValueClient, serve: Serve, method: str, status: int
) -> None:
    url = await serve(Server(**{method: web.Response(status=status, text=CANARY, reason=CANARY)}))
    error = await failure(client, method, at(url))
    assert isinstance(error, BadAnswer)
    assert str(error) == f"{method}: HTTP {status}"


@pytest.mark.parametrize("status", [204, 409, 412, 422])
async def test_code_of_a_write_is_a_bad_answer_to_a_read(
    client: HttpValueClient, serve: Serve, status: int
) -> None:
    url = await serve(Server(GET=web.Response(status=status)))
    assert isinstance(await failure(client, "GET", at(url)), BadAnswer)


@by_method
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(
    client: HttpValueClient, serve: Serve, method: str, status: int
) -> None:
    elsewhere = Server()
    there = await serve(elsewhere)
    answer = web.Response(status=status, headers={"Location": f"{there}/alias"})
    url = await serve(Server(**{method: answer}))
    error = await failure(client, method, at(url, authorization=f"Bearer {CANARY}"))
    assert isinstance(error, BadAnswer)
    assert "redirects are not followed" in str(error)
    assert not elsewhere.requests


def text(body: str | bytes, content_type: str = "application/json") -> web.Response:
    return web.Response(
        body=body.encode() if isinstance(body, str) else body, content_type=content_type
    )


NO_JSON, NO_VALUE = "the answer is no JSON object", "the answer holds no value"
NO_VERSION = "the version is no text"
ANSWERS = {
    "html": (text("<html>sign in</html>", "text/html"), NO_JSON),
    "json-as-text": (text('{"value": "a"}', "text/plain"), NO_JSON),
    "html-as-json": (text("<html></html>"), NO_JSON),
    "empty": (text(""), NO_JSON),
    "cut": (text('{"value": "a'), NO_JSON),
    "bytes": (text(b"\xff\xfe"), NO_JSON),
    "array": (text('["a"]'), NO_JSON),
    "string": (text('"a"'), NO_JSON),
    "null": (text("null"), NO_JSON),
    "deep": (text(30000 * "["), NO_JSON),
    "without-value": (text("{}"), NO_VALUE),
    "null-value": (text('{"value": null}'), NO_VALUE),
    "empty-value": (text('{"value": ""}'), NO_VALUE),
    "number": (text('{"value": 1}'), NO_VALUE),
    "object": (text('{"value": {"value": "a"}}'), NO_VALUE),
    "line-break": (text('{"value": "a\\r\\nb"}'), "the value holds a line break"),
    "nul": (text('{"value": "\\u0000"}'), "the value holds a line break"),
    "half-a-character": (text('{"value": "\\ud800"}'), "the value holds a line break"),
    "long": (text(json.dumps({"value": (MAX_VALUE + 1) * "a"})), "longer than 4096 bytes"),
    "long-in-bytes": (text(json.dumps({"value": 2049 * "ä"})), "longer than 4096 bytes"),
    "number-as-version": (text('{"value": "a", "version": 1}'), NO_VERSION),
    "version-of-lines": (text('{"value": "a", "version": "1\\n2"}'), NO_VERSION),
    "long-version": (text(json.dumps({"value": "a", "version": 257 * "1"})), NO_VERSION),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_answer_that_is_no_value_is_refused(
    client: HttpValueClient, serve: Serve, case: str
) -> None:
    answer, told = ANSWERS[case]
    error = await failure(client, "GET", at(await serve(Server(GET=answer))))
    assert isinstance(error, BadAnswer)
    assert told in str(error)


@pytest.mark.parametrize("value", ["a", "ä €/🙂", MAX_VALUE * "a", 2048 * "ä"])
async def test_value_of_any_printable_text_comes_and_goes_unchanged(
    client: HttpValueClient, serve: Serve, value: str
) -> None:
    server = Server()
    endpoint = at(await serve(server))
    assert (await client.write(endpoint, value, BEFORE, "t-1")).value == value
    assert server.value == value


@by_method
async def test_answer_that_does_not_end_is_cut(
    client: HttpValueClient, serve: Serve, method: str
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/json"
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    error = await failure(client, method, at(await serve(Server(**{method: endless}))))
    assert isinstance(error, BadAnswer)
    assert "longer than 65536 bytes" in str(error)


@by_method
@pytest.mark.parametrize("kind", ["silent", "headers", "body"])
async def test_answer_that_trickles_ends_at_the_deadline(
    serve_raw: Serve, method: str, kind: str
) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n"
        writer.write(
            {"silent": b"", "headers": b"HTTP/1.1 200 OK\r\n", "body": head + b"\r\n"}[kind]
        )
        while kind != "silent":
            writer.write(b"X-A: b\r\n" if kind == "headers" else b" ")
            await asyncio.sleep(0.01)
        await asyncio.Event().wait()

    client = HttpValueClient(deadline=0.3)
    error = await failure(client, method, at(await serve_raw(trickle)))
    await client.close()
    assert isinstance(error, Unreachable)
    assert str(error) == f"{method}: no complete answer within 0.3 s"


@by_method
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", "the connection broke"),
        (b"hello\r\n\r\n", "the answer was cut off or is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "the answer was cut off or is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nX-A: " + 20000 * b"a" + b"\r\n\r\n",
            "the answer was cut off or is not HTTP",
        ),
    ],
    ids=["closed", "no HTTP", "cut", "long header"],
)
async def test_answer_that_is_not_complete_is_temporary(
    client: HttpValueClient, serve_raw: Serve, method: str, sent: bytes, told: str
) -> None:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    error = await failure(client, method, at(await serve_raw(connection)))
    assert isinstance(error, Unreachable)
    assert str(error) == f"{method}: {told}"


@by_method
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:1", "nothing accepts connections at its address"),
        ("http://no-such-host.invalid", "the name of its host is not known"),
        ("http://127.0.0.1:99999", "its URL cannot be used"),
        ("http://[::1", "its URL cannot be used"),
    ],
)
async def test_server_that_is_not_there_is_told(
    client: HttpValueClient, method: str, url: str, told: str
) -> None:
    error = await failure(client, method, at(url))
    assert isinstance(error, Unreachable)
    assert str(error) == f"{method}: {told}"


async def test_nothing_is_sent_that_the_endpoint_does_not_name(
    client: HttpValueClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def with_cookie(_: web.Request) -> web.Response:
        answer = web.json_response({"value": "kb-v1"})
        answer.set_cookie("session", CANARY)
        return answer

    proxy, server = Server(), Server(GET=with_cookie)
    monkeypatch.setenv("http_proxy", await serve(proxy))
    url = await serve(server)
    await client.read(at(url, authorization=f"Bearer {CANARY}"))
    await client.read(at(url))
    first, second = (headers for _, _, headers, _ in server.requests)
    assert first["Authorization"] == f"Bearer {CANARY}"
    assert not {"Authorization", "Cookie"} & set(second)
    assert not proxy.requests


@by_method
async def test_token_goes_along_with_every_request(
    client: HttpValueClient, serve: Serve, method: str
) -> None:
    server = Server(TARGET)
    await ASKS[method](client, at(await serve(server), authorization="Bearer abc"))
    assert {headers["Authorization"] for _, _, headers, _ in server.requests} == {"Bearer abc"}


async def test_secret_parts_are_not_shown() -> None:
    assert CANARY not in repr(at("http://kb", authorization=CANARY, ca_bundle=CANARY))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def accepting(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    return context


async def test_server_of_the_bundle_is_trusted(
    client: HttpValueClient,
    serve: Serve,
    authority: Authority,
    accepting: ssl.SSLContext,
) -> None:
    endpoint = at(await serve(Server(), accepting), ca_bundle=authority.bundle)
    assert await client.read(endpoint) == BEFORE
    assert (await write(client, endpoint)).value == TARGET


@by_method
async def test_server_of_another_authority_is_sent_nothing(
    client: HttpValueClient,
    serve: Serve,
    authority: Authority,
    accepting: ssl.SSLContext,
    method: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = Server()
    url = await serve(server, accepting)
    other = Authority(tmp_path_factory.mktemp("other"))
    trusting = at(url, authorization=f"Bearer {CANARY}", ca_bundle=authority.bundle)
    for endpoint in (
        replace(trusting, ca_bundle=other.bundle),
        replace(trusting, ca_bundle=""),
    ):
        error = await failure(client, method, endpoint)
        assert isinstance(error, Unreachable)
        assert str(error) == f"{method}: its certificate is not accepted"
    assert not server.requests


async def test_bundle_without_certificates_is_told(client: HttpValueClient) -> None:
    error = await failure(client, "GET", at("https://127.0.0.1:1", ca_bundle=CANARY))
    assert str(error) == "the CA bundle holds no certificates in PEM"
