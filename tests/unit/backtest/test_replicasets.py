"""What is read of kube-state-metrics; that the expressions are right is an integration test's matter."""

from collections.abc import Mapping

import pytest

from model_rollout.analysis.measurement import ErrorKind, Labels, QueryError, SeriesResult
from model_rollout.backtest.clock import Grid
from model_rollout.backtest.history import History, HistoryError
from model_rollout.backtest.replicasets import Rollouts, read_rollouts
from model_rollout.ports.prometheus import Endpoint
from unit.backtest.made_up import ENDPOINT, MadeUpHistory, Vector, labels

OLD, NEW = "model-5c8f6bd7d4", "model-6d4f5b7c9d"
PERIOD = Grid(0.0, 30.0, 101)


class KubeStateMetrics(MadeUpHistory):
    """Answers by the name of the metric that an expression has in it."""

    def __init__(self, metrics: Mapping[str, Vector]) -> None:
        super().__init__()
        self.metrics = metrics

    async def vectors(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> SeriesResult:
        name = next((name for name in self.metrics if name in promql), "")
        self.expressions = {promql: self.metrics.get(name, lambda time: {})}
        return await super().vectors(endpoint, promql, start, end, step)


def of(name: str) -> Labels:
    return labels(replicaset=name)


def replaced_at(moment: float, lag: float = 0.0) -> Vector:
    def vector(time: float) -> dict[Labels, float]:
        return {of(OLD) if time < moment + lag else of(NEW): 2.0}

    return vector


OWNERS: Vector = lambda time: {of(OLD): 1.0, of(NEW): 1.0}  # noqa: E731
CREATED: Vector = lambda time: {of(OLD): -500.0, of(NEW): 600.0, of("model-bbbbb"): -9e3}  # noqa: E731
IMAGES: Vector = lambda time: {  # noqa: E731
    labels(replicaset=OLD, container="server", image="model:1"): 1.0,
    labels(replicaset=NEW, container="server", image="model:2"): 1.0,
}
ALL = {
    "kube_replicaset_owner": OWNERS,
    "kube_replicaset_created": CREATED,
    "kube_replicaset_spec_replicas": replaced_at(600.0),
    "kube_replicaset_status_ready_replicas": replaced_at(600.0, lag=60.0),
    "kube_deployment_spec_replicas": lambda time: {(): 2.0},
    "kube_pod_container_info": IMAGES,
}


async def read(metrics: Mapping[str, Vector]) -> Rollouts:
    history = History(KubeStateMetrics(metrics), ENDPOINT)
    return await read_rollouts(history, "ml", "model", PERIOD)


async def test_revisions_are_the_replica_sets_of_the_deployment() -> None:
    found = await read(ALL)
    assert {name: dict(rs.images) for name, rs in found.replica_sets.items()} == {
        OLD: {"server": "model:1"},
        NEW: {"server": "model:2"},
    }
    told = [(s.time, s.newest, s.rolled_out) for s in found.states]
    assert told == [(0.0, OLD, True), (600.0, NEW, False), (660.0, NEW, True)]
    assert found.unknown == ()


async def test_those_of_another_deployment_are_left_out() -> None:
    found = await read(ALL)
    assert "model-bbbbb" not in found.replica_sets


async def test_without_owners_names_decide() -> None:
    found = await read(ALL | {"kube_replicaset_owner": lambda time: {}})
    assert "model-bbbbb" in found.replica_sets


async def test_without_readiness_a_pod_that_exists_is_ready() -> None:
    without = {n: m for n, m in ALL.items() if n != "kube_replicaset_status_ready_replicas"}
    found = await read(without)
    assert [(s.time, s.newest, s.rolled_out) for s in found.states] == [
        (0.0, OLD, True),
        (600.0, NEW, True),
    ]
    assert "a pod that existed counts as ready" in found.unknown[0]


async def test_pods_alone_tell_revisions_apart() -> None:
    # Both the numbers of pods and the images come from it.
    def pods(time: float) -> dict[Labels, float]:
        name = OLD if time < 600.0 else NEW
        return {labels(replicaset=name, container="server", image=f"model:{name[-1]}"): 1.0}

    found = await read({"kube_pod_container_info": pods})
    assert [(s.time, s.newest) for s in found.states] == [(0.0, OLD), (600.0, NEW)]
    assert "a pod that existed counts as ready" in found.unknown[0]


async def test_images_that_are_not_known_are_said() -> None:
    found = await read(ALL | {"kube_pod_container_info": lambda time: {}})
    assert f"the images of {OLD}, {NEW}" in found.unknown[0]


async def test_nothing_known_is_said() -> None:
    found = await read({})
    assert found.states == ()
    assert "the whole period counts as one revision" in found.unknown[0]
    assert "Deployment model" in found.unknown[0]


async def test_a_server_that_refuses_such_long_questions_is_asked_for_less() -> None:
    class Bounded(KubeStateMetrics):
        async def vectors(self, endpoint: Endpoint, promql: str, *args: float) -> SeriesResult:
            if "last_over_time" in promql:
                return QueryError(ErrorKind.CLIENT, "HTTP 400")
            return await super().vectors(endpoint, promql, *args)

    found = await read_rollouts(History(Bounded(ALL), ENDPOINT), "ml", "model", PERIOD)
    assert [(s.time, s.newest) for s in found.states][-1] == (660.0, NEW)
    assert "the images of" in found.unknown[0]


async def test_a_server_that_is_not_there_is_an_error() -> None:
    server = KubeStateMetrics(ALL)
    server.failures = [QueryError(ErrorKind.TLS, "")]
    with pytest.raises(HistoryError):
        await read_rollouts(History(server, ENDPOINT), "ml", "model", PERIOD)
