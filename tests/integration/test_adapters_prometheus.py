"""The adapters against a real Prometheus, whose two targets are down."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from localcluster.controlplane import ControlPlane
from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
)
from model_rollout.ports.prometheus import Endpoint, InstantQueries, RangeQueries


@pytest.fixture(scope="module")
def server() -> Iterator[Prometheus]:
    with Prometheus(
        static_targets={"dead": ["127.0.0.1:1"], "gone": ["127.0.0.1:2"]}
    ) as prometheus:
        wait_until(lambda: len(prometheus.query("up")) == 2, 30, "both targets were scraped")
        yield prometheus


@pytest_asyncio.fixture
async def client() -> AsyncIterator[InstantQueries]:
    client = PrometheusClient()
    yield client
    await client.close()


@pytest_asyncio.fixture
async def history() -> AsyncIterator[RangeQueries]:
    history = PrometheusHistory()
    yield history
    history.close()


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        ("up", Ambiguous("2 series")),
        ("nothing_here", NoData("empty")),
        ("vector(0) / 0", NoData("NaN")),
        ("vector(0/0)", NoData("NaN")),
        ("1/0", NoData("infinite")),
        ('"text"', Ambiguous("a string")),
        ("up[1m]", Ambiguous("a range of values")),
        ("sum(", QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")),
        ("up * on() up", QueryError(ErrorKind.SERVER, "HTTP 422, execution")),
    ],
)
async def test_answers(
    client: InstantQueries, server: Prometheus, promql: str, expected: QueryResult
) -> None:
    assert await client.query(Endpoint(server.url), promql) == expected


@pytest.mark.parametrize(
    ("promql", "value"), [("sum(up)", 0.0), ("count(up)", 2.0), ("1e-3", 0.001), ("vector(-2)", -2)]
)
async def test_one_value(
    client: InstantQueries, server: Prometheus, promql: str, value: float
) -> None:
    result = await client.query(Endpoint(server.url), promql)
    assert isinstance(result, Sample)
    assert result.value == value
    assert abs(result.time - time.time()) < 60


async def test_wrong_path(client: InstantQueries, server: Prometheus) -> None:
    expected = QueryError(ErrorKind.CLIENT, "HTTP 404")
    assert await client.query(Endpoint(f"{server.url}/prometheus"), "up") == expected


async def test_certificate_of_an_unknown_authority(
    client: InstantQueries, control_plane: ControlPlane
) -> None:
    result = await client.query(Endpoint(control_plane.server), "up")
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.TLS


async def test_history(history: RangeQueries, server: Prometheus) -> None:
    now = int(time.time())
    result = await history.query_range(Endpoint(server.url), "vector(time())", now - 120, now, 30)
    assert result == tuple(Sample(t, t) for t in range(now - 120, now + 1, 30))


async def test_long_history(history: RangeQueries, server: Prometheus) -> None:
    now = int(time.time())
    result = await history.query_range(Endpoint(server.url), "vector(1)", now - 30_000, now, 1)
    assert isinstance(result, tuple)
    assert [sample.time for sample in result] == list(range(now - 30_000, now + 1))


_TWO_SERIES = " or ".join(f'label_replace(vector({n}), "n", "{n}", "", "")' for n in (1, 2))


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        (_TWO_SERIES, ()),
        ("nothing_here", ()),
        ("vector(0/0)", ()),
        ("sum(", QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")),
    ],
    ids=["several", "empty", "NaN", "bad query"],
)
async def test_history_without_values(
    history: RangeQueries, server: Prometheus, promql: str, expected: object
) -> None:
    now = time.time()
    assert await history.query_range(Endpoint(server.url), promql, now - 60, now, 1) == expected
