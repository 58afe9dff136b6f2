"""What an endpoint says of us goes to its server and nowhere else, now and for the past alike."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.analysis.measurement import ErrorKind, QueryError, Sample, Series
from model_rollout.ports.prometheus import Endpoint
from support.certificates import Authority, Pair

Serve = Callable[..., Awaitable[str]]
Ask = Callable[[Endpoint], Awaitable[Any]]
CANARY = "canary-7f3a"
ASKS = ["query", "series", "query_range", "vectors", "raw"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("server")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Pair:
    return authority.issue("client")


@pytest_asyncio.fixture(params=ASKS)
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """Every way to ask a server something."""
    instant, history = PrometheusClient(deadline=5), PrometheusHistory(deadline=5)
    yield {
        "query": lambda endpoint: instant.query(endpoint, "up"),
        "series": lambda endpoint: instant.series(endpoint, "up[1m]"),
        "query_range": lambda endpoint: history.query_range(endpoint, "up", 0, 60, 30),
        "vectors": lambda endpoint: history.vectors(endpoint, "up", 0, 60, 30),
        "raw": lambda endpoint: history.raw(endpoint, "up", 0, 60),
    }[request.param]
    await instant.close()
    history.close()


@dataclass
class Server:
    """Answers any question with one value; keeps the headers that came with it."""

    status: int = 200
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        if self.status != 200:
            body = f'{{"status": "error", "errorType": "{CANARY}", "error": "{CANARY}"}}'
            headers = {"WWW-Authenticate": CANARY, "Location": f"/{CANARY}", "X-Canary": CANARY}
            return web.Response(status=self.status, text=body, reason=CANARY, headers=headers)
        range_vector = "[" in str((await request.post())["query"])
        if range_vector or request.path.endswith("query_range"):
            kind, value = "matrix", {"values": [[30, "1"]]}
        else:
            kind, value = "vector", {"value": [30, "1"]}
        data = {"resultType": kind, "result": [{"metric": {}, **value}]}
        return web.json_response({"status": "success", "data": data})


VALUE = (Sample(30, 1), (Sample(30, 1),), (Series((), (Sample(30, 1),)),))


def accepting(pair: Pair, clients: Authority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate_file, pair.key_file)
    if clients is not None:
        context.load_verify_locations(cadata=clients.bundle)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_headers(ask: Ask, serve: Serve) -> None:
    answer = Server()
    endpoint = Endpoint(await serve(answer), tenant="team-a", authorization="Bearer abc")
    assert await ask(endpoint) in VALUE
    assert answer.headers[0]["Authorization"] == "Bearer abc"
    assert answer.headers[0]["X-Scope-OrgID"] == "team-a"


async def test_nothing_is_sent_that_the_endpoint_does_not_name(ask: Ask, serve: Serve) -> None:
    answer = Server()
    url = await serve(answer)
    assert await ask(Endpoint(url, tenant="team-a", authorization="Bearer abc")) in VALUE
    assert await ask(Endpoint(url)) in VALUE
    assert not {"Authorization", "X-Scope-OrgID", "Cookie"} & set(answer.headers[1])


@pytest.mark.parametrize("status", [401, 403])
async def test_credentials_that_are_not_accepted(ask: Ask, serve: Serve, status: int) -> None:
    url = await serve(Server(status))
    result = await ask(Endpoint(url, authorization=f"Bearer {CANARY}"))
    assert result == QueryError(ErrorKind.UNAUTHORIZED, f"HTTP {status}")


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 404, 422, 429, 500, 503])
async def test_no_text_of_an_answer_is_kept(ask: Ask, serve: Serve, status: int) -> None:
    result = await ask(Endpoint(await serve(Server(status)), authorization="Bearer abc"))
    assert isinstance(result, QueryError)
    assert CANARY not in repr(result)
    assert "abc" not in repr(result)
    assert (result.kind is ErrorKind.UNAUTHORIZED) == (status in (401, 403))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_credentials_do_not_follow_a_redirect(ask: Ask, serve: Serve, status: int) -> None:
    elsewhere = Server()
    url = await serve(elsewhere)

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{url}/api/v1/query"})

    result = await ask(Endpoint(await serve(redirect), authorization="Bearer abc"))
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.REDIRECT
    assert elsewhere.headers == []


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b"])
async def test_a_header_of_several_lines_is_not_sent(ask: Ask, serve: Serve, value: str) -> None:
    answer = Server()
    url = await serve(answer)
    for endpoint in (Endpoint(url, authorization=value), Endpoint(url, tenant=value)):
        result = await ask(endpoint)
        assert isinstance(result, QueryError)
        assert result.kind is ErrorKind.CLIENT
        assert "X-Evil" not in repr(result)
    assert answer.headers == []


async def test_a_certificate_of_an_authority_in_the_bundle(
    ask: Ask, serve: Serve, authority: Authority, server: Pair
) -> None:
    url = await serve(Server(), accepting(server))
    assert await ask(Endpoint(url, ca_bundle=authority.bundle)) in VALUE


async def test_a_certificate_of_another_authority(
    ask: Ask, serve: Serve, server: Pair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answer = Server()
    url = await serve(answer, accepting(server))
    other = Authority(tmp_path_factory.mktemp("other"), "other")
    for bundle in ("", other.bundle):
        result = await ask(Endpoint(url, authorization="Bearer abc", ca_bundle=bundle))
        assert isinstance(result, QueryError)
        assert result.kind is ErrorKind.TLS
    assert answer.headers == []


async def test_a_certificate_for_another_host(
    ask: Ask, serve: Serve, authority: Authority, server: Pair
) -> None:
    url = (await serve(Server(), accepting(server))).replace("127.0.0.1", "localhost")
    result = await ask(Endpoint(url, ca_bundle=authority.bundle))
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.TLS


async def test_a_bundle_takes_the_place_of_the_authorities_of_the_system(
    ask: Ask,
    serve: Serve,
    authority: Authority,
    server: Pair,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Else whoever has a certificate of any public authority could pose as the server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.pair.certificate_file))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", authority.pair.certificate_file)
    other = Authority(tmp_path_factory.mktemp("other"), "other")
    url = await serve(Server(), accepting(server))
    result = await ask(Endpoint(url, ca_bundle=other.bundle))
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.TLS


async def test_our_certificate(
    ask: Ask, serve: Serve, authority: Authority, server: Pair, client: Pair
) -> None:
    url = await serve(Server(), accepting(server, authority))
    known = Endpoint(
        url,
        ca_bundle=authority.bundle,
        client_certificate=client.certificate,
        client_key=client.key,
    )
    assert await ask(known) in VALUE
    # A connection that the server accepted for one certificate is not used without it.
    unknown = replace(known, client_certificate="", client_key="")
    result = await ask(unknown)
    assert isinstance(result, QueryError)
    # Servers refuse after the handshake, and some only hang up.
    assert result.kind in (ErrorKind.TLS, ErrorKind.SERVER)


async def test_certificates_that_cannot_be_read(ask: Ask, serve: Serve, client: Pair) -> None:
    answer = Server()
    url = await serve(answer)
    for endpoint in (
        Endpoint(url, ca_bundle=CANARY),
        Endpoint(url, client_certificate=client.certificate, client_key=CANARY),
    ):
        result = await ask(endpoint)
        assert isinstance(result, QueryError)
        assert result.kind is ErrorKind.TLS
        assert CANARY not in repr(result)
    assert answer.headers == []
