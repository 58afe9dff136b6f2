"""The adapters against a real Prometheus, whose two targets are down."""

import time
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import pytest
import pytest_asyncio

from localcluster.controlplane import ControlPlane
from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from model_rollout.adapters.prometheus import history as history_module
from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    Series,
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


async def test_all_series_of_a_vector(client: InstantQueries, server: Prometheus) -> None:
    found = await client.series(Endpoint(server.url), "up")
    assert isinstance(found, tuple)
    assert sorted(series.labels for series in found) == [
        (("instance", "127.0.0.1:1"), ("job", "dead")),
        (("instance", "127.0.0.1:2"), ("job", "gone")),
    ]
    assert [[sample.value for sample in series.samples] for series in found] == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        ("nothing_here", ()),
        ("nothing_here[1m]", ()),
        ("1", Ambiguous("a scalar")),
        ('"text"', Ambiguous("a string")),
        ('{job=~"dead|gone",__name__=~"up|scrape_samples_scraped"}',
         Ambiguous("series that differ only in the name of the metric")),
        ("sum(", QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")),
        ("sum(up)[1m]", QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")),
    ],
)  # fmt: skip
async def test_no_series(
    client: InstantQueries, server: Prometheus, promql: str, expected: object
) -> None:
    assert await client.series(Endpoint(server.url), promql) == expected


async def test_a_value_that_is_not_finite_leaves_an_empty_series(
    client: InstantQueries, server: Prometheus
) -> None:
    found = await client.series(Endpoint(server.url), "up / 0")
    assert isinstance(found, tuple)
    assert [series.samples for series in found] == [(), ()]


async def test_raw_samples_are_those_that_were_scraped(
    client: InstantQueries,
    history: RangeQueries,
    server: Prometheus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The past in parts of three seconds is what one question for all of it gives."""
    monkeypatch.setattr(history_module, "_RAW_WIDTH", 3)
    endpoint = Endpoint(server.url)
    wait_until(lambda: len(server.query("up[1h]")[0]["values"]) >= 8, 30, "enough scrapes")
    whole = await client.series(endpoint, "up[1h]")
    assert isinstance(whole, tuple)
    times = [sample.time for sample in whole[0].samples]
    assert all(0.5 < later - earlier < 5 for earlier, later in pairwise(times))
    # Both ends at a sample: the one at the start is not part of it, the one at the end is.
    for start, end in [(times[0] - 60.5, times[-1]), (times[1], times[-2])]:
        found = await history.raw(endpoint, "up # a comment", start, end)
        assert isinstance(found, tuple)
        assert {series.labels: series.samples for series in found} == {
            series.labels: tuple(s for s in series.samples if start < s.time <= end)
            for series in whole
        }


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("nothing_here", ()),
        ("sum(up)", QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")),
    ],
)
async def test_no_raw_samples(
    history: RangeQueries, server: Prometheus, selector: str, expected: object
) -> None:
    now = time.time()
    assert await history.raw(Endpoint(server.url), selector, now - 60, now) == expected


async def test_a_server_that_loads_fewer_samples_is_asked_for_less(
    history: RangeQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "_RAW_LEAST", 1)
    targets = {"dead": [f"127.0.0.1:{port}" for port in range(1, 21)]}
    with Prometheus(static_targets=targets, flags=["--query.max-samples=100"]) as server:
        endpoint = Endpoint(server.url)
        wait_until(
            lambda: server.query("count(count_over_time(up[1h]) >= 8) == 20"), 30, "8 scrapes"
        )
        now = time.time()
        found = await history.raw(endpoint, "up", now - 3600, now)
        client = PrometheusClient()
        whole = await client.series(endpoint, "up[1h]")
        await client.close()
    assert whole == QueryError(ErrorKind.SERVER, "HTTP 422, execution")
    assert isinstance(found, tuple)
    assert len(found) == 20
    assert all(len(series.samples) >= 8 for series in found)


async def test_vectors_of_the_past(history: RangeQueries, server: Prometheus) -> None:
    now = int(time.time())
    found = await history.vectors(Endpoint(server.url), _TWO_SERIES, now - 60.5, now, 0.5)
    assert found == tuple(
        Series((("n", f"{n}"),), tuple(Sample(now - 60.5 + k / 2, n) for k in range(122)))
        for n in (1, 2)
    )


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
