"""Kill switch and unquarantine."""

from typing import Any

import pytest

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import LastDecision, LastTransaction, Phase, Stage, SwitchStatus
from model_rollout.api.status import TransactionKind as Kind
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    current,
    deployment,
    entry,
    facts,
    report,
    revision,
    spec,
    transaction,
)

FIRST, SECOND = revision(1), candidate(2)
DROPPED = ("modelrollout.dev/unquarantine",)


def flipped(value: str, to_revision: int | None = None, **changes: Any) -> Facts:
    """The operator has seen the switch at this value."""
    seen = SwitchStatus(value=KillSwitch(value), since=NOW - 10.0)
    seen = seen.model_copy(update=changes.pop("seen", {}))
    rollback = {} if to_revision is None else {"toRevision": to_revision}
    status = {"kill_switch": seen} | changes.pop("status", {})
    return facts(spec=spec(killSwitch=value, rollback=rollback), status=status, **changes)


@pytest.mark.parametrize(
    ("before", "after", "noted"),
    [
        (None, "None", False),
        (None, "Pause", True),
        ("None", "None", False),
        ("Pause", "Pause", False),
        ("Pause", "None", True),
        ("Rollback", "Pause", True),
    ],
)
def test_every_flip_is_noted(before: str | None, after: str, noted: bool) -> None:
    seen = None if before is None else SwitchStatus(value=KillSwitch(before), since=NOW - 10.0)
    decision = decide(facts(spec=spec(killSwitch=after), status={"kill_switch": seen}))
    assert (decision.reason is Reason.SWITCH_FLIPPED) is noted
    if noted:
        assert decision.message.endswith(f"from {before} to {after}")


@pytest.mark.parametrize(
    "found",
    [
        flipped("Pause", reports=(bad(),)),
        flipped("Pause", status={"transaction": transaction(SECOND, FIRST)}),
        flipped("Pause", status={"quarantine": (entry(SECOND),)}),
    ],
    ids=["breach", "transaction", "quarantined"],
)
def test_pause_masks_the_write_and_says_what_it_would_be(found: Facts) -> None:
    decision = decide(found)
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.PAUSED)
    assert (decision.phase, decision.writes, decision.create) == (Phase.PAUSED, (), ())
    assert "Without it: R" in decision.message
    assert decision.status.attempts == found.status.attempts
    assert decision.status.quarantine == found.status.quarantine


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (flipped("Pause"), Reason.BAKING),
        (flipped("Pause", live=deployment("m:3")), Reason.NEW_REVISION),
        (
            flipped("Pause", status={"current": current(SECOND, serving_since=NOW - 3600.0)}),
            Reason.PROVEN,
        ),
    ],
    ids=["measuring", "recording", "promoting"],
)
def test_pause_keeps_watching(found: Facts, reason: Reason) -> None:
    decision = decide(found)
    assert (decision.reason, decision.phase) == (reason, Phase.PAUSED)


def test_interrupted_transaction_says_so() -> None:
    decision = decide(flipped("Pause", status={"transaction": transaction(SECOND, FIRST)}))
    assert decision.status.transaction is not None
    assert decision.status.transaction.interrupted


def test_rollback_goes_on_after_the_pause() -> None:
    flight = transaction(SECOND, FIRST, interrupted=True)
    decision = decide(flipped("None", status={"transaction": flight}))
    assert decision.writes
    assert decision.status.transaction is not None
    assert not decision.status.transaction.interrupted


@pytest.mark.parametrize(
    ("to_revision", "target"), [(None, 1), (1, 1), (3, 3)], ids=["default", "same", "explicit"]
)
def test_switch_rolls_back_without_a_breach(to_revision: int | None, target: int) -> None:
    third = revision(3, served=1.0)
    decision = decide(flipped("Rollback", to_revision, revisions=(FIRST, SECOND, third)))
    assert (decision.action, decision.reason) == (Action.ROLL_BACK, Reason.SWITCH_ROLLBACK)
    assert decision.to == target
    flight, seen = decision.status.transaction, decision.status.kill_switch
    assert flight is not None
    assert seen is not None
    assert (flight.kind, seen.transaction) == (Kind.SWITCH, flight.id)
    assert [e.revision for e in decision.status.quarantine] == [2]


def test_switch_does_not_wait_for_a_change_to_settle() -> None:
    found = flipped("Rollback", live=deployment("m:3", ready=0), unchanged_for=0.0)
    assert decide(found).reason is Reason.NEW_REVISION


@pytest.mark.parametrize(
    ("to_revision", "changes"),
    [
        (9, {}),
        (2, {}),
        (1, {"status": {"quarantine": (entry(FIRST),)}}),
        (None, {"revisions": (SECOND,)}),
    ],
    ids=["missing", "deployed", "quarantined", "none at all"],
)
def test_switch_without_a_target_changes_nothing(
    to_revision: int | None, changes: dict[str, Any]
) -> None:
    found = flipped("Rollback", to_revision, **changes)
    decision = decide(found)
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.NO_TARGET)
    assert decision.status == found.status


def test_one_transaction_per_flip() -> None:
    decision = decide(flipped("Rollback", seen={"transaction": "done"}, reports=(bad(),)))
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.SWITCHED_BACK)


def test_it_is_said_how_the_rollback_of_the_switch_ended() -> None:
    last = LastTransaction(
        id="done",
        kind=Kind.SWITCH,
        from_=3,
        to=2,
        started_at=NOW - 60.0,
        ended_at=NOW - 50.0,
        outcome="Refused",
        message="denied",
    )
    found = flipped("Rollback", seen={"transaction": "done"}, status={"last_transaction": last})
    assert "has ended (Refused)" in decide(found).message


def test_bounded_reverts_stay_active_while_the_switch_is_on() -> None:
    found = flipped(
        "Rollback", seen={"transaction": "done"}, status={"quarantine": (entry(SECOND),)}
    )
    assert decide(found).reason is Reason.QUARANTINED_APPLIED


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("to_revision", [None, 1])
def test_rollback_under_way_is_adopted(stage: Stage, to_revision: int | None) -> None:
    flight = transaction(SECOND, FIRST, stage=stage)
    decision = decide(flipped("Rollback", to_revision, status={"transaction": flight}))
    assert decision.action is Action.NOTE
    assert decision.status.transaction == flight
    assert decision.status.kill_switch is not None
    assert decision.status.kill_switch.transaction == flight.id


def test_rollback_to_another_revision_is_given_up() -> None:
    third = revision(3, served=1.0)
    flight = transaction(SECOND, FIRST)
    found = flipped("Rollback", 3, revisions=(FIRST, SECOND, third), status={"transaction": flight})
    decision = decide(found)
    assert (decision.action, decision.reason) == (Action.CONCLUDE, Reason.SUPERSEDED)


@pytest.mark.parametrize("to_revision", [9, 2])
def test_rollback_under_way_is_not_given_up_for_a_target_that_cannot_be(to_revision: int) -> None:
    flight = transaction(SECOND, FIRST)
    decision = decide(flipped("Rollback", to_revision, status={"transaction": flight}))
    assert decision.status.transaction is not None


def test_back_to_none_writes_nothing() -> None:
    seen = {"value": KillSwitch.ROLLBACK, "transaction": "done"}
    noted = decide(flipped("None", seen=seen))
    assert (noted.reason, noted.writes) == (Reason.SWITCH_FLIPPED, ())
    assert decide(flipped("None")).reason is Reason.BAKING


def unquarantine(text: str, **status: Any) -> Facts:
    return facts(unquarantine=text, status={"quarantine": (entry(FIRST), entry(SECOND))} | status)


@pytest.mark.parametrize("text", ["2", " 2\n"])
def test_person_clears_a_quarantine(text: str) -> None:
    decision = decide(unquarantine(text))
    assert (decision.reason, decision.drop) == (Reason.UNQUARANTINED, DROPPED)
    assert [e.revision for e in decision.status.quarantine] == [1]


@pytest.mark.parametrize("text", ["", "3", "all", "2,1"])
def test_what_names_no_quarantined_revision_is_refused_with_a_list(text: str) -> None:
    decision = decide(unquarantine(text))
    assert (decision.reason, decision.drop) == (Reason.UNQUARANTINE_REFUSED, DROPPED)
    assert decision.message.endswith("quarantined revision: 1, 2")
    assert len(decision.status.quarantine) == 2


def test_long_annotation_is_not_repeated_as_a_whole() -> None:
    assert len(decide(unquarantine("x" * 5000)).message) < 200


@pytest.mark.parametrize(
    ("of", "reason"), [(7, Reason.UNQUARANTINED), (6, Reason.UNQUARANTINE_REFUSED)]
)
def test_annotation_that_outlived_a_crash_is_only_removed(of: int, reason: Reason) -> None:
    last = LastDecision(
        action="Note", reason="Unquarantined", message="cleared", time=NOW - 5.0, from_=of
    )
    decision = decide(unquarantine("7", last_decision=last, reason="Unquarantined"))
    assert (decision.reason, decision.drop) == (reason, DROPPED)


def test_switch_holds_promotion_back() -> None:
    served = current(SECOND, serving_since=NOW - 7200.0)
    found = flipped(
        "Rollback", seen={"transaction": "done"}, status={"current": served}, reports=(report(),)
    )
    assert decide(found).action is Action.HOLD
