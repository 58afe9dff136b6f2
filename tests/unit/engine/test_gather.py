"""All reads of a check: which are made, and which are spared."""

import pytest

from model_rollout.api.status import CurrentRevision, ModelRolloutStatus
from model_rollout.engine.gather import counts_for
from model_rollout.ports.kubernetes import ApiError, Forbidden, Json, Key, NotFound
from model_rollout.revisions.content import Content
from model_rollout.revisions.places import ComponentProblem
from unit.decision.builders import content, entry, revision, transaction
from unit.engine.fakes import KEY, TARGET, Engine, rollout_body

READS = ("rollout", "read", "pods", "replica_sets", "revisions")


@pytest.fixture
def engine() -> Engine:
    """A guard that was never checked."""
    return Engine()


async def reads(engine: Engine, seconds: float = 10.0) -> list[str]:
    """The reads of one check."""
    engine.cluster.calls.clear()
    await engine.check(seconds)
    return [call for call in engine.cluster.calls if call in READS]


async def test_first_check_reads_what_was_there_before(engine: Engine) -> None:
    found = await reads(engine)
    assert found.count("revisions") == 1
    assert "replica_sets" in found


async def test_calm_guard_reads_nothing(engine: Engine) -> None:
    await engine.checks(3)
    assert await reads(engine) == []


async def test_pods_are_read_while_something_comes_up(engine: Engine) -> None:
    await engine.checks(3)
    engine.deploy("m:2")
    await engine.check(20.0)
    engine.cluster.deployments[TARGET]["status"]["updatedReplicas"] = 1
    engine.cluster.deployments[TARGET] = engine.cluster.changed(engine.cluster.deployments[TARGET])
    assert "pods" in await reads(engine)


async def test_workload_that_the_watch_did_not_bring_is_read(engine: Engine) -> None:
    engine.watch = lambda: None  # type: ignore[method-assign]
    assert "read" in await reads(engine)
    assert "read" not in await reads(engine)


async def test_workload_that_does_not_exist_is_asked_for_again(engine: Engine) -> None:
    del engine.cluster.deployments[TARGET]
    for _ in range(2):
        assert "read" in await reads(engine)
    assert engine.status["reason"] == "WorkloadMissing"


@pytest.mark.parametrize(
    ("meta", "taken"),
    [
        ({"creationTimestamp": "2026-01-01T08:00:00Z"}, True),
        ({"creationTimestamp": "2026-01-01T09:30:00Z"}, False),
        ({"uid": "aaa"}, True),
        ({"uid": "zzz"}, False),
    ],
    ids=["older", "younger", "same second, first by uid", "same second, last by uid"],
)
async def test_oldest_of_several_guards_keeps_the_target(
    engine: Engine, meta: Json, taken: bool
) -> None:
    rival = rollout_body("rival", metadata={"uid": "rival"} | meta)
    engine.cluster.rollouts_[Key("ml", "rival")] = engine.cluster.changed(rival)
    await engine.check()
    assert (engine.status["reason"] == "TargetTaken") is taken


async def test_guard_of_another_namespace_is_no_rival(engine: Engine) -> None:
    rival = rollout_body("rival", metadata={"namespace": "a", "creationTimestamp": "2020"})
    engine.cluster.rollouts_[Key("a", "rival")] = engine.cluster.changed(rival)
    await engine.check()
    assert engine.status["reason"] != "TargetTaken"


async def test_metrics_are_measured_once_per_interval(engine: Engine) -> None:
    await engine.check()
    assert len(engine.prometheus.asked) == 1
    await engine.check(8.0)
    assert len(engine.prometheus.asked) == 1
    await engine.check(1.5)
    assert len(engine.prometheus.asked) == 2


async def test_nothing_is_measured_at_zero(engine: Engine) -> None:
    body = engine.cluster.deployments[TARGET]
    body["spec"]["replicas"] = 0
    await engine.checks(3)
    assert engine.prometheus.asked == []
    assert engine.status["reason"] == "ScaledToZero"


@pytest.mark.parametrize("url", [None, "http://own:9090"])
async def test_own_prometheus_goes_first(url: str | None) -> None:
    engine = Engine(prometheus={"url": url} if url else {})
    engine.metrics._prometheus_url = "http://of-the-operator:9090"
    await engine.check()
    assert engine.prometheus.asked[0][0] == (url or "http://of-the-operator:9090")


async def test_without_a_prometheus_it_is_said() -> None:
    engine = Engine(prometheus={})
    await engine.checks(5)
    assert engine.prometheus.asked == []
    assert engine.status["reason"] == "PrometheusUnknown"


FIRST, SECOND = revision(1), revision(2)
ON_FIRST = ModelRolloutStatus(
    current=CurrentRevision(revision=1, name="x", digest=FIRST.spec.digest, since=1.0)
)
IN_FLIGHT = ON_FIRST.model_copy(update={"transaction": transaction(SECOND, FIRST)})


@pytest.mark.parametrize(
    ("status", "live", "counts"),
    [
        (ON_FIRST, content("m:1"), True),
        (ON_FIRST, content("m:2"), False),
        (ON_FIRST, content("m:1", "debug"), False),
        (IN_FLIGHT, content("m:1", "debug"), True),
        (ON_FIRST, ComponentProblem("FlagMissing", "no flag"), False),
        (ON_FIRST, None, False),
        (ModelRolloutStatus(quarantine=(entry(FIRST),)), content("m:1"), False),
    ],
    ids=[
        "the current one",
        "something else",
        "another rest",
        "another rest in a rollback",
        "unreadable",
        "no workload",
        "nothing recorded",
    ],
)
def test_measurement_counts(
    status: ModelRolloutStatus, live: Content | ComponentProblem | None, counts: bool
) -> None:
    assert counts_for(status, live) is counts


async def test_refusal_is_only_told_to_its_own_transaction(engine: Engine) -> None:
    await engine.check()
    memory = engine.checker._memories[KEY]
    memory.refused = ("another", "denied")
    await engine.checks(3)
    assert engine.status["reason"] != "Refused"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFound("no such group"), "this cluster has no kind InferenceService of serving.kserve"),
        (Forbidden("no rule"), "may not read InferenceService ml/sentiment: apply a ClusterRole"),
    ],
    ids=["no such kind", "no right"],
)
async def test_target_of_a_kind_that_cannot_be_read_is_told(error: ApiError, said: str) -> None:
    target = {"kind": "InferenceService", "apiVersion": "serving.kserve.io/v1beta1"}
    engine = Engine(targetRef=target | {"name": "sentiment"})
    engine.cluster.fail["read"] = [error]
    await engine.check()
    assert engine.status["reason"] == "WorkloadMissing"
    assert said in engine.status["message"]
