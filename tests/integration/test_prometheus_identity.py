"""Passwords, tokens and certificates of an endpoint, against a real Prometheus."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from localcluster.prometheus import Prometheus
from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.analysis.measurement import (
    ErrorKind,
    QueryError,
    Question,
    Sample,
    Series,
    Shape,
)
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.ports.prometheus import Endpoint
from support.certificates import Authority
from support.prometheus_proxy import CANARY, Fault, PrometheusProxy
from support.secure_prometheus import PASSWORD, USER, SecurePrometheus

Ask = Callable[[Endpoint], Awaitable[Any]]


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def with_password(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    with SecurePrometheus(authority, tmp_path_factory.mktemp("password")) as server:
        yield Endpoint(server.url, authorization=basic(USER, PASSWORD), ca_bundle=authority.bundle)


@pytest.fixture(scope="module")
def with_certificate(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("certificate")
    ours = authority.issue("client")
    with SecurePrometheus(authority, folder, clients=True) as server:
        yield Endpoint(
            server.url,
            ca_bundle=authority.bundle,
            client_certificate=ours.certificate,
            client_key=ours.key,
        )


@pytest.fixture(scope="module")
def plain() -> Iterator[Prometheus]:
    with Prometheus() as prometheus:
        yield prometheus


@pytest.fixture
def proxy(plain: Prometheus) -> Iterator[PrometheusProxy]:
    with PrometheusProxy(plain.url) as proxy:
        yield proxy


@pytest_asyncio.fixture(params=["query", "series", "query_range", "vectors", "raw"])
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """Every way to ask; there is always one value, but for raw samples, of which there are none."""
    instant = PrometheusClient(deadline=3)
    history = PrometheusHistory(deadline=3, max_bytes=1024 * 1024)
    yield {
        "query": lambda endpoint: instant.query(endpoint, "vector(1)"),
        "series": lambda endpoint: instant.series(endpoint, "vector(1)"),
        "query_range": lambda endpoint: history.query_range(endpoint, "vector(1)", 60, 60, 1),
        "vectors": lambda endpoint: history.vectors(endpoint, "vector(1)", 60, 60, 1),
        "raw": lambda endpoint: history.raw(endpoint, "up", 0, 60),
    }[request.param]
    await instant.close()
    history.close()


def answered(result: Any) -> bool:
    return isinstance(result, Sample | tuple)


async def test_a_password_over_tls(ask: Ask, with_password: Endpoint) -> None:
    assert answered(await ask(with_password))


@pytest.mark.parametrize("authorization", ["", basic(USER, "wrong"), "Bearer abc"])
async def test_a_wrong_password(ask: Ask, with_password: Endpoint, authorization: str) -> None:
    result = await ask(replace(with_password, authorization=authorization))
    assert result == QueryError(ErrorKind.UNAUTHORIZED, "HTTP 401")


async def test_a_server_that_is_not_trusted_gets_no_password(
    ask: Ask, with_password: Endpoint
) -> None:
    result = await ask(replace(with_password, ca_bundle=""))
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.TLS


async def test_our_certificate(ask: Ask, with_certificate: Endpoint) -> None:
    assert answered(await ask(with_certificate))


async def test_without_our_certificate(ask: Ask, with_certificate: Endpoint) -> None:
    result = await ask(replace(with_certificate, client_certificate="", client_key=""))
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.TLS


async def test_a_token_and_a_tenant(ask: Ask, proxy: PrometheusProxy) -> None:
    endpoint = Endpoint(proxy.url, tenant="team-a", authorization="Bearer abc")
    assert answered(await ask(endpoint))
    headers = proxy.questions()[0].headers
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer abc", "team-a")


# What a proxy that hangs, drips or sends a bomb does is tested once, in the tests of the operator.
FAULTS = sorted(set(Fault) - {Fault.HANGS, Fault.DRIPS, Fault.BOMB})


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_leave_no_text_and_show_no_token(
    ask: Ask, proxy: PrometheusProxy, fault: Fault
) -> None:
    proxy.inject(fault)
    result = await ask(Endpoint(proxy.url, authorization="Bearer abc"))
    assert CANARY not in repr(result)
    assert "abc" not in repr(result)


async def test_a_thousand_guards_of_one_template_cost_one_query(proxy: PrometheusProxy) -> None:
    client = PrometheusClient()
    grouped = GroupedQueries(client)
    endpoint = Endpoint(proxy.url)
    promql = " or ".join(
        f'label_replace(vector({n}), "model", "m{n}", "", "")' for n in range(1000)
    )

    async def guard(number: int) -> object:
        question = Question(promql, Shape.VALUE, group=(("model", f"m{number}"),))
        return await grouped.ask(endpoint, question, promql, 28.5)

    results = await asyncio.gather(*(guard(n) for n in range(1000)))
    assert [getattr(result, "value", None) for result in results] == [float(n) for n in range(1000)]
    assert len(proxy.questions("/api/v1/query")) == 1
    await client.close()


async def test_series_have_their_labels(plain: Prometheus) -> None:
    client = PrometheusClient()
    promql = 'label_replace(vector(2), "model", "a", "", "")'
    found = await client.series(Endpoint(plain.url), promql)
    assert isinstance(found, tuple)
    assert [(series.labels, series.samples[0].value) for series in found] == [
        ((("model", "a"),), 2.0)
    ]
    assert isinstance(found[0], Series)
    await client.close()
