"""What is recorded of a decision: everything that an auditor needs, and nothing of the steady state."""

from itertools import pairwise

import pytest

from model_rollout.api.record import ActorKind, RecordStage, RolloutRecordSpec
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import Stage, SwitchStatus
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.decision.status import complete, material
from model_rollout.records.chain import as_json, content_digest
from model_rollout.revisions.content import components_digest
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    content,
    current,
    deployment,
    entry,
    facts,
    revision,
    spec,
    transaction,
)
from unit.decision.world import World


def recorded(found: Facts) -> tuple[RolloutRecordSpec, ...]:
    """The records that the decision on these facts makes."""
    after = complete(found, decide(found))
    return after.records if after.records != found.status.records else ()


def breach(**changes: object) -> Facts:
    return facts(reports=(bad(query="avg(accuracy)", sampled=NOW - 5.0),), **changes)


def test_intent_says_from_where_to_where_and_by_which_evidence() -> None:
    (record,) = recorded(breach())
    assert record.stage is RecordStage.INTENT
    assert (record.sequence, record.previous) == (1, None)
    assert record.actor.kind is ActorKind.OPERATOR
    assert record.from_ is not None
    assert record.to is not None
    assert (record.from_.revision, record.to.revision) == (2, 1)
    assert record.to.digest == revision(1).spec.digest
    (component,) = record.components
    assert component.before == components_digest(content("m:2").components)
    assert component.after == components_digest(content("m:1").components)
    (metric,) = record.evidence
    assert (metric.value, metric.class_, metric.query) == ("0.5", "Breached", "avg(accuracy)")
    assert metric.sample_time == NOW - 5.0
    assert content_digest(as_json(record)) == record.digest


def test_numbers_are_text_without_noise() -> None:
    (record,) = recorded(facts(reports=(bad(value=0.1 + 0.2, bad=60.0, total=1e6),)))
    (metric,) = record.evidence
    assert (metric.value, metric.bad, metric.total) == ("0.3", "60", "1000000")


def test_long_query_is_cut() -> None:
    (record,) = recorded(facts(reports=(bad(query="x" * 2000),)))
    assert len(record.evidence[0].query) == 512


def test_intent_of_a_part_says_what_is_restored_and_what_is_not() -> None:
    """`blames`: the target has another value of the component that is left as it is."""
    two = spec(
        components=[
            {"name": "model", "image": {"container": "server"}},
            {"name": "level", "env": {"container": "server", "name": "LOG_LEVEL"}},
        ],
        metrics=[{"name": "accuracy", "query": "a", "min": 0.85, "blames": ["model"]}],
    )
    good, poor = revision(1, rest="info", of=two), revision(2, rest="debug", of=two)
    (record,) = recorded(
        breach(
            spec=two,
            revisions=(good, poor),
            live=deployment("m:2", "debug"),
            status={"current": current(poor)},
        )
    )
    changed = {c.name: c.before != c.after for c in record.components}
    assert changed == {"model": True, "level": False}


def test_outcome_says_what_is_live_at_the_end() -> None:
    """A person deployed something else meanwhile: neither before nor after."""
    first, second = revision(1), candidate(2)
    flight = transaction(second, first, stage=Stage.APPLYING)
    (record,) = recorded(
        facts(status={"transaction": flight, "current": current(second)}, live=deployment("m:9"))
    )
    assert (record.stage, record.outcome) == (RecordStage.OUTCOME, "ConcurrentEdit")
    assert record.transaction == flight.id
    assert record.components[0].after == components_digest(content("m:9").components)


def test_transaction_that_follows_another_one_ends_it_in_the_same_write() -> None:
    world = World()
    world.run(20)
    world.deploy("good:2")
    world.run(20)
    world.broken.add("good:2")
    world.deploy("bad:3")
    world.run(60)
    stages = [(r.stage.value, r.reason, r.outcome) for r in world.records.values()]
    assert stages == [
        ("Intent", "MetricBreached", ""),
        ("Outcome", "TargetUnusable", "TargetUnusable"),
        ("Intent", "TargetUnusable", ""),
        ("Outcome", "Succeeded", "Succeeded"),
    ]
    records = list(world.records.values())
    assert [record.sequence for record in records] == [1, 2, 3, 4]
    for before, after in pairwise(records):
        assert after.previous is not None
        assert after.previous.digest == before.digest


def approval(**changes: object) -> Facts:
    """A breach in mode Manual, whose transaction a person approved."""
    manual = {"spec": spec(rollback={"mode": "Manual"})}
    held = decide(breach(**manual))
    assert held.reason is Reason.AWAITING_APPROVAL
    return breach(**manual, approve=held.pending, stated="looked at it", **changes)


def test_approval_is_recorded_as_that_of_a_person_before_the_intent() -> None:
    decision, intent = recorded(approval())
    assert [decision.stage, intent.stage] == [RecordStage.DECISION, RecordStage.INTENT]
    assert (decision.action, decision.actor.kind) == ("Approve", ActorKind.PERSON)
    assert decision.actor.stated == "looked at it"
    assert decision.transaction == intent.transaction
    assert intent.previous is not None
    assert intent.previous.digest == decision.digest


def test_what_waits_for_an_approval_is_recorded_once() -> None:
    world = World(rollback={"mode": "Manual"})
    world.run(20)
    world.deploy("bad:2")
    world.run(30)
    assert [r.reason for r in world.records.values()] == ["AwaitingApproval"]


def test_approval_is_kept_while_a_record_is_not_written() -> None:
    decision = decide(approval(unrecorded="no"))
    assert decision.reason is Reason.UNRECORDED
    assert decision.drop == (), "the annotation stays until the transaction begins"


@pytest.mark.parametrize("mode", ["flip", "unquarantine"])
def test_what_a_person_does_is_recorded_with_what_they_say_of_it(mode: str) -> None:
    switch = spec(killSwitch="Pause") if mode == "flip" else spec()
    status = {"quarantine": (entry(revision(1)),)} if mode == "unquarantine" else {}
    number = "1" if mode == "unquarantine" else None
    (record,) = recorded(facts(spec=switch, status=status, unquarantine=number, stated="because"))
    assert record.stage is RecordStage.DECISION
    assert (record.actor.kind, record.actor.name) == (ActorKind.PERSON, "")
    assert (record.actor.known_by, record.actor.stated) == ("Unknown", "because")


def test_what_dry_run_would_have_done_is_recorded_once() -> None:
    world = World(rollback={"mode": "DryRun"})
    world.run(20)
    world.deploy("bad:2")
    world.run(30)
    (record,) = world.records.values()
    assert (record.stage, record.reason) == (RecordStage.DECISION, "DryRun")
    assert "Rolling back revision 2 to revision 1" in record.message
    assert (record.from_ is not None, record.to is not None) == (True, True)
    assert record.components == ()


def test_what_is_not_done_because_of_a_pause_is_recorded_once() -> None:
    world = World()
    world.run(20)
    world.switch("Pause")
    world.deploy("bad:2")
    world.run(30)
    assert [r.reason for r in world.records.values()] == ["SwitchFlipped", "Paused"]


def test_deploys_and_the_steady_state_are_not_recorded() -> None:
    world = World()
    world.run(20)
    world.deploy("good:2")
    world.run(60)
    assert world.records == {}


def test_records_stay_in_the_status_until_the_next_one() -> None:
    before = complete(breach(), decide(breach()))
    calm = facts(status={"records": before.records})
    assert complete(calm, decide(calm)).records is before.records


def test_record_is_material() -> None:
    """A status with another record is written, whatever else is the same."""
    status = complete(breach(), decide(breach()))
    assert material(status) != material(status.model_copy(update={"records": ()}))


@pytest.mark.parametrize("stage", [None, Stage.APPLYING], ids=["intent", "patch"])
def test_nothing_touches_the_workload_while_a_record_is_not_written(stage: Stage | None) -> None:
    flight = transaction(candidate(2), revision(1), stage=stage) if stage else None
    found = breach(
        status={"transaction": flight, "current": current(candidate(2))}, unrecorded="no"
    )
    decision = decide(found)
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.UNRECORDED)
    assert decision.writes == ()
    assert decision.status.transaction == flight
    assert decision.message.startswith("no; ")
    assert "the rollback of revision 2 to revision 1 waits" in decision.message


def test_pause_is_said_first_while_a_record_is_not_written() -> None:
    decision = decide(breach(spec=spec(killSwitch="Pause"), status=_paused(), unrecorded="no"))
    assert decision.reason is Reason.PAUSED


def _paused() -> dict[str, object]:
    return {"kill_switch": SwitchStatus(value=KillSwitch.PAUSE, since=NOW)}


def test_what_writes_no_workload_goes_on_while_a_record_is_not_written() -> None:
    found = facts(unrecorded="no")
    assert decide(found) == decide(facts())
