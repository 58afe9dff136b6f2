"""A record is written once, before anything else, from the status that was written before it."""

import pytest

from model_rollout.engine.persist import NotLeading
from model_rollout.ports.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    Json,
    NotFound,
    Rejected,
    Unavailable,
)
from unit.engine.fakes import KEY, Engine


@pytest.fixture
async def engine() -> Engine:
    """Revision 1 is proven, a bad one was deployed a moment ago."""
    found = Engine()
    await found.checks(20)
    found.deploy("bad:2")
    found.prometheus.answer = 0.5
    found.cluster.calls.clear()
    return found


def stages(engine: Engine) -> list[str]:
    found = sorted(engine.cluster.records_.values(), key=lambda body: body["spec"]["sequence"])
    return [body["spec"]["stage"] for body in found]


async def restarted(engine: Engine) -> Engine:
    again = Engine(engine.cluster)
    again.clock.now = engine.clock.now
    again.prometheus.answer = engine.prometheus.answer
    return again


async def test_record_is_written_between_the_status_and_the_patch(engine: Engine) -> None:
    await engine.checks(8)
    writes = engine.cluster.writes
    record = writes.index("create_record")
    assert writes[record - 1] == "write_rollout_status"
    assert "patch_deployment" not in writes[:record]
    assert stages(engine)[0] == "Intent"
    assert engine.image == "good:1"


@pytest.mark.parametrize(
    "error",
    [Unavailable("503"), Forbidden("403"), NotFound("404"), Rejected("400")],
    ids=lambda error: type(error).__name__,
)
async def test_intent_that_cannot_be_recorded_is_not_acted_on(
    engine: Engine, error: ApiError
) -> None:
    engine.cluster.fail["create_record"] = [error] * 1000
    await engine.checks(12)
    assert engine.image == "bad:2"
    assert "patch_deployment" not in engine.cluster.writes
    assert engine.status["reason"] == "Unrecorded"
    assert str(error) in engine.status["message"]
    assert engine.status["transaction"]["stage"] == "Applying"
    assert stages(engine) == []
    assert "Unrecorded" in [event["reason"] for event in engine.cluster.events]

    engine.cluster.fail.clear()
    await engine.check()
    assert engine.image == "good:1"
    assert stages(engine) == ["Intent"]


async def test_missing_definition_is_named(engine: Engine) -> None:
    engine.cluster.fail["create_record"] = [NotFound("POST rolloutrecords: 404")] * 1000
    await engine.checks(12)
    assert "modelrollout crds | kubectl apply" in engine.status["message"]


async def test_hold_is_written_once_and_the_record_is_tried_at_every_check(engine: Engine) -> None:
    engine.cluster.fail["create_record"] = [Forbidden("403")] * 1000
    await engine.checks(12)
    engine.cluster.calls.clear()
    await engine.checks(5)
    assert engine.cluster.writes == ["create_record"] * 5


async def test_record_that_a_predecessor_wrote_is_found(engine: Engine) -> None:
    await engine.checks(8)
    again = await restarted(engine)
    engine.cluster.calls.clear()
    await again.checks(2)
    assert "create_record" not in engine.cluster.writes
    assert engine.cluster.calls.count("record") == 1


async def test_record_that_a_predecessor_did_not_come_to_write_is_written(engine: Engine) -> None:
    engine.cluster.fail["create_record"] = [Unavailable("killed")] * 1000
    await engine.checks(8)
    engine.cluster.fail.clear()
    again = await restarted(engine)
    await again.check()
    assert stages(engine) == ["Intent"]
    assert engine.image == "good:1"


async def test_record_that_was_sent_twice_is_one(engine: Engine) -> None:
    create = engine.cluster.create_record

    async def twice(body: Json) -> Json:
        await create(body)
        return await create(body)

    engine.cluster.create_record = twice  # type: ignore[method-assign]
    await engine.checks(30)
    engine.prometheus.answer = 0.95
    assert stages(engine)[:2] == ["Intent", "Outcome"]
    assert "Conflict" not in engine.counted.ended


async def test_record_with_another_content_under_the_name_holds(engine: Engine) -> None:
    create = engine.cluster.create_record

    async def forged(body: Json) -> Json:
        await create(body | {"spec": body["spec"] | {"message": "nothing happened"}})
        raise Conflict("taken")

    engine.cluster.create_record = forged  # type: ignore[method-assign]
    await engine.checks(12)
    assert engine.image == "bad:2"
    assert "exists with another content" in engine.status["message"]
    (record,) = engine.cluster.records_.values()
    assert record["spec"]["message"] == "nothing happened"


async def test_status_whose_record_was_changed_holds(engine: Engine) -> None:
    engine.cluster.fail["create_record"] = [Unavailable("503")] * 1000
    await engine.checks(8)
    engine.cluster.fail.clear()
    body = engine.cluster.rollouts_[KEY]
    (record,) = body["status"]["records"]
    forged = body["status"] | {"records": [record | {"message": "nothing happened"}]}
    engine.cluster.rollouts_[KEY] = engine.cluster.changed(body | {"status": forged})
    await engine.checks(3)
    assert engine.cluster.records_ == {}
    assert engine.image == "bad:2"
    assert "status.records was changed" in engine.status["message"]


async def test_next_record_waits_for_the_one_before_it(engine: Engine) -> None:
    """The status holds the only copy of a record that is not written."""
    engine.cluster.fail["create_record"] = [Forbidden("403")] * 1000
    await engine.checks(8)
    (pending,) = engine.status["records"]
    engine.edit_rollout(killSwitch="Pause")
    await engine.checks(3)
    assert engine.status["records"] == [pending]
    assert engine.counted.ended[-1] == "Unrecorded"
    engine.cluster.fail.clear()
    await engine.checks(2)
    assert [r["reason"] for r in engine.status["records"]] == ["Paused"]
    reasons = [b["spec"]["reason"] for b in engine.cluster.records_.values()]
    assert reasons == ["MetricBreached", "SwitchFlipped", "Paused"]


async def test_steady_state_neither_reads_nor_writes_records() -> None:
    engine = Engine()
    await engine.checks(20)
    engine.cluster.calls.clear()
    await engine.checks(30)
    assert not {"record", "records", "create_record"} & set(engine.cluster.calls)


async def test_without_the_lease_no_record_is_written(engine: Engine) -> None:
    engine.cluster.fail["create_record"] = [Unavailable("503")] * 1000
    await engine.checks(8)
    engine.cluster.fail.clear()
    engine.cluster.calls.clear()
    engine.leading = False
    with pytest.raises(NotLeading):
        await engine.check()
    assert engine.cluster.writes == []
