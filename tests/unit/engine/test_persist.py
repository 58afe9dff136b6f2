"""What is written, in which order, and what a write that fails leaves behind."""

import pytest

from model_rollout.engine.persist import NotLeading
from model_rollout.ports.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    Json,
    NotFound,
    Unavailable,
)
from unit.engine.fakes import KEY, Engine


@pytest.fixture
def engine() -> Engine:
    """A guard that was never checked."""
    return Engine()


async def stable(engine: Engine) -> Engine:
    """Revision 1 is proven; nothing is noted of how it became so."""
    await engine.checks(20)
    assert engine.status["reason"] == "Watching"
    engine.cluster.calls.clear()
    engine.cluster.events.clear()
    return engine


def reasons(engine: Engine) -> list[str]:
    return [event["reason"] for event in engine.cluster.events]


async def test_revision_is_created_before_the_status_that_names_it(engine: Engine) -> None:
    await engine.checks(2)
    engine.cluster.calls.clear()
    await engine.check()
    assert engine.cluster.writes[:3] == ["create_revision", "write_rollout_status", "create_event"]


async def test_status_is_written_before_the_phases_that_are_derived_from_it(
    engine: Engine,
) -> None:
    await engine.checks(20)
    writes = engine.cluster.writes
    proven = len(writes) - writes[::-1].index("write_revision_status") - 1
    assert writes[proven - 1] == "write_rollout_status"
    assert reasons(engine)[-1] == "Proven"


async def test_steady_state_writes_nothing(engine: Engine) -> None:
    await stable(engine)
    await engine.checks(60)
    assert engine.cluster.writes == []


async def test_other_values_are_not_written(engine: Engine) -> None:
    await stable(engine)
    for step in range(10):
        engine.prometheus.answer = 0.9 + step / 1000
        await engine.check()
    assert engine.cluster.writes == []


async def test_restart_writes_nothing(engine: Engine) -> None:
    await stable(engine)
    engine.clock.now += 3600.0
    again = Engine(engine.cluster)
    again.clock.now = engine.clock.now
    await again.checks(5)
    assert engine.cluster.writes == []


async def test_without_the_lease_nothing_is_written(engine: Engine) -> None:
    engine.leading = False
    with pytest.raises(NotLeading):
        await engine.check()
    assert engine.cluster.writes == []


async def test_after_a_conflict_the_newest_object_decides(engine: Engine) -> None:
    await stable(engine)
    engine.deploy("m:2")
    engine.edit_rollout(killSwitch="Pause")  # the watch has not said so
    engine.clock.now += 20.0
    delay = await engine.checker.check(KEY)
    assert (engine.counted.ended[-1], delay) == ("Conflict", 0.05)
    await engine.checker.check(KEY)
    assert engine.status["killSwitch"]["value"] == "Pause"
    assert engine.status["phase"] == "Paused"


async def test_rollout_that_is_gone_is_forgotten(engine: Engine) -> None:
    await stable(engine)
    del engine.cluster.rollouts_[KEY]
    engine.deploy("m:2")
    engine.clock.now += 20.0
    await engine.checker.check(KEY)
    assert engine.store.rollout(KEY) is None


async def test_revision_that_a_predecessor_created_is_used(engine: Engine) -> None:
    """It died between the revision and the status that names it."""
    create = engine.cluster.create_revision

    async def late(body: Json) -> Json:
        engine.cluster.create_revision = create  # type: ignore[method-assign]
        await create(body)
        raise Conflict(body["metadata"]["name"])

    engine.cluster.create_revision = late  # type: ignore[method-assign]
    await engine.checks(3)
    assert engine.counted.ended[-1] == "Conflict"
    await engine.check()
    assert [engine.status["current"]["name"]] == list(engine.cluster.revisions_)


async def test_phase_that_could_not_be_written_is_written_by_the_next_check(
    engine: Engine,
) -> None:
    engine.cluster.fail["write_revision_status"] = [Conflict("stale")]
    await engine.checks(20)
    phases = [body["status"]["phase"] for body in engine.cluster.revisions_.values()]
    assert phases == ["Stable"]


@pytest.mark.parametrize("error", [Unavailable("503"), Forbidden("403"), Conflict("409")])
async def test_event_that_cannot_be_written_stops_nothing(engine: Engine, error: ApiError) -> None:
    engine.cluster.fail["create_event"] = [error] * 100
    await engine.checks(20)
    assert engine.status["reason"] == "Watching"
    assert set(engine.counted.ended) == {"ok"}


@pytest.mark.parametrize("error", [Unavailable("503"), Conflict("409"), NotFound("404")])
async def test_event_is_not_lost_when_a_write_before_it_fails(
    engine: Engine, error: ApiError
) -> None:
    await engine.checks(3)
    engine.cluster.fail["write_revision_status"] = [error]
    await engine.checks(17)
    assert engine.status["reason"] == "Watching"
    assert reasons(engine).count("Proven") == 1
    assert reasons(engine).count("Serves") == 1


async def test_every_flip_is_an_event(engine: Engine) -> None:
    await stable(engine)
    for value in ("Pause", "None", "Pause", "None"):
        engine.edit_rollout(killSwitch=value)
        await engine.check()
    assert reasons(engine) == ["SwitchFlipped"] * 4
    names = {event["metadata"]["name"] for event in engine.cluster.events}
    assert len(names) == 4


async def test_event_is_one_that_the_api_server_takes(engine: Engine) -> None:
    await engine.checks(3)
    (event, *_) = engine.cluster.events
    assert event["eventTime"] == "2026-01-01T10:00:30.000000Z"
    assert event["regarding"]["uid"] == "sentiment-uid"
    assert event["type"] == "Normal"
    assert len(event["note"]) <= 1000
    assert event["reportingController"] == "model-rollout-operator"


@pytest.mark.parametrize(
    ("away", "expected"),
    [(5.0, ["Warning SwitchRollback"]), (601.0, [])],
    ids=["caught up", "too old"],
)
async def test_event_of_a_decision_whose_process_died_is_caught_up_on(
    engine: Engine, away: float, expected: list[str]
) -> None:
    """With the same name and the same type as it would have had."""
    await stable(engine)
    engine.deploy("good:2")
    await engine.checks(20)
    engine.edit_rollout(killSwitch="Rollback")
    engine.cluster.fail["write"] = [Unavailable("503")] * 5
    await engine.check()
    last = engine.status["lastDecision"]["reason"]
    assert last == "SwitchRollback"
    told = engine.cluster.events[-1]
    engine.cluster.events.clear()
    again = Engine(engine.cluster)
    again.clock.now = engine.clock.now
    await again.check(away)
    found = [e for e in again.cluster.events if e["reason"] == last]
    assert [f"{e['type']} {e['reason']}" for e in found] == expected
    assert all(e["metadata"]["name"] == told["metadata"]["name"] for e in found)


async def test_annotation_is_removed_once_it_is_applied(engine: Engine) -> None:
    await stable(engine)
    engine.annotate("7")
    await engine.check()
    assert engine.cluster.rollouts_[KEY]["metadata"]["annotations"] == {}
    assert engine.status["lastDecision"]["reason"] == "UnquarantineRefused"
    assert engine.cluster.writes.count("patch_rollout") == 1


async def test_quarantine_is_cleared_once_where_the_annotation_could_not_be_removed(
    engine: Engine,
) -> None:
    await stable(engine)
    engine.deploy("bad:2")
    engine.prometheus.answer = 0.5
    await engine.checks(9)
    engine.annotate("2")
    engine.cluster.fail["patch_rollout"] = [Unavailable("503")]
    await engine.checks(2)
    assert engine.cluster.rollouts_[KEY]["metadata"]["annotations"] == {}
    assert engine.status["lastDecision"]["reason"] != "UnquarantineRefused"
    assert reasons(engine).count("Unquarantined") == 1
    assert "UnquarantineRefused" not in reasons(engine)


async def test_history_is_bounded() -> None:
    engine = Engine(history={"limit": 2})
    for number in range(1, 7):
        engine.deploy(f"good:{number}")
        await engine.checks(6)
    numbers = sorted(body["spec"]["number"] for body in engine.cluster.revisions_.values())
    assert len(numbers) == 2
    assert numbers[-1] == 6
