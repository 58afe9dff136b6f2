"""Mode Manual: what waits, what lets it begin, and what an approval does not override."""

import copy
from typing import Any

import pytest

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import (
    Failure,
    LastTransaction,
    Phase,
    Stage,
    SwitchStatus,
    TransactionKind,
)
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.decision.status import complete
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
from unit.decision.world import Killed, World

FIRST, SECOND = revision(1), candidate(2)
DROPPED = ("modelrollout.dev/approve",)
OTHER = "0123456789abcdef"


def breached(rollback: dict[str, Any] | None = None, switch: str = "None", **changes: Any) -> Facts:
    """A proven breach of revision 2, in mode Manual."""
    used = spec(rollback={"mode": "Manual"} | (rollback or {}), killSwitch=switch)
    return facts(**{"spec": used, "reports": (bad(),)} | changes)


def waiting(found: Facts) -> str:
    """The id of what waits."""
    return decide(found).pending


ID = waiting(breached())


def test_manual_waits_and_says_which_command_approves_which_transaction() -> None:
    decision = decide(breached())
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.AWAITING_APPROVAL)
    assert f"approves transaction {ID} (kubectl modelrollout approve sentiment -n ml, or" in (
        decision.message
    )
    annotate = f"kubectl annotate modelrollout sentiment -n ml modelrollout.dev/approve={ID})"
    assert annotate in decision.message
    assert "Without it: Rolling back revision 2 to revision 1" in decision.message
    last = complete(breached(), decision).last_decision
    assert last is not None
    assert (last.transaction, last.from_, last.to) == (ID, 2, 1)


def test_approval_lets_exactly_this_transaction_begin_and_is_removed() -> None:
    decision = decide(breached(approve=f" {ID}\n"))
    assert (decision.action, decision.reason) == (Action.ROLL_BACK, Reason.METRIC_BREACHED)
    assert decision.status.transaction is not None
    assert decision.status.transaction.id == ID
    assert decision.drop == DROPPED
    assert decision.message.startswith("A person approved this. Rolling back revision 2")
    assert decision.status.transaction.message == decision.message
    assert decision.status.quarantine[0].message.startswith("accuracy is 0.5")


@pytest.mark.parametrize(
    ("changes", "brake"),
    [
        ({"status": {"rollbacks": (NOW - 5.0,)}}, "the cooldown after the last rollback"),
        ({"status": {"rollbacks": (NOW - 700.0,) * 3}}, "the budget of 3 rollbacks"),
        ({"rollback": {"window": "1m"}}, "longer than rollback.window (1m)"),
        ({"fleet": "9 of 9 models roll back"}, "9 of 9 models roll back"),
    ],
    ids=["cooldown", "budget", "window", "fleet"],
)
@pytest.mark.parametrize("mode", ["Manual", "Automatic"])
def test_approval_overrides_what_stands_in_for_a_person(
    mode: str, changes: dict[str, Any], brake: str
) -> None:
    data = dict(changes)
    rollback = data.pop("rollback", {}) | {"mode": mode}
    held = decide(breached(rollback, **data))
    assert held.action is Action.HOLD
    assert brake in held.message
    assert ("an approval also overrides this: " in held.message) is (mode == "Manual")
    begun = decide(breached(rollback, approve=held.pending, **data))
    assert begun.action is Action.ROLL_BACK
    assert begun.status.rollbacks[-1] == NOW, "it counts as any other"


def refusal(found: Facts) -> str:
    decision = decide(found)
    assert (decision.action, decision.reason) == (Action.NOTE, Reason.APPROVAL_REFUSED)
    assert decision.drop == DROPPED
    assert decision.again
    assert decision.status.transaction == found.status.transaction
    return decision.message


def test_wrong_id_is_answered_with_the_one_to_write() -> None:
    message = refusal(breached(approve=OTHER))
    assert f"names '{OTHER}'; what waits is transaction {ID}, from revision 2 to revision 1" in (
        message
    )
    assert f"write modelrollout.dev/approve={ID}" in message


def test_id_of_an_earlier_attempt_is_refused() -> None:
    assert waiting(breached(status={"attempts": 2})) in refusal(
        breached(status={"attempts": 2}, approve=ID)
    )


def test_very_long_approval_is_cut() -> None:
    assert len(refusal(breached(approve="x" * 5000))) < 250


def test_nothing_waits_when_the_metrics_are_fine() -> None:
    assert "no transaction waits for approval now (Baking)" in refusal(facts(approve=ID))


def test_approval_does_not_override_dry_run() -> None:
    dry = {"mode": "DryRun"}
    assert "DryRun, which no approval overrides" in refusal(breached(dry, approve=ID))


def test_approval_does_not_override_pause() -> None:
    seen = SwitchStatus(value=KillSwitch.PAUSE, since=NOW)
    found = breached(switch="Pause", status={"kill_switch": seen}, approve=ID)
    assert "the kill switch is Pause, which no approval overrides" in refusal(found)
    assert decide(found).phase is Phase.PAUSED


def test_approval_does_not_override_a_rollback_that_did_not_help() -> None:
    failure = Failure(
        reason="StillBreached", message="no", since=NOW, metrics=("accuracy",), revisions=(2,)
    )
    found = breached(status={"failure": failure}, approve=ID)
    assert "no transaction waits for approval now (RollbackDidNotHelp)" in refusal(found)


def test_approval_beside_a_transaction_in_flight_is_refused_once_that_waits() -> None:
    flight = transaction(SECOND, FIRST, stage=Stage.VERIFYING)
    status = {"transaction": flight, "current": current(FIRST, serving_since=NOW - 60.0)}
    reports = (report(clear_for=10.0),)
    found = facts(live=deployment("m:1"), status=status, reports=reports, approve=ID)
    assert f"transaction {flight.id} is under way, and none waits" in refusal(found)


def test_flip_is_written_down_before_an_approval_is_answered() -> None:
    decision = decide(breached(switch="Pause", approve=ID))
    assert (decision.reason, decision.drop) == (Reason.SWITCH_FLIPPED, ())


@pytest.mark.parametrize("ended", [False, True])
def test_approval_that_could_not_be_removed_is_not_obeyed_twice(ended: bool) -> None:
    """The process died between the status and the annotation."""
    mine = transaction(SECOND, FIRST, id=ID)
    last = LastTransaction(
        id=ID,
        kind=TransactionKind.ROLLBACK,
        from_=2,
        to=1,
        started_at=NOW - 60.0,
        ended_at=NOW,
        outcome="Overtaken",
        message="x",
    )
    status = {"last_transaction": last} if ended else {"transaction": mine}
    decision = decide(breached(status=status | {"attempts": 2}, approve=ID))
    assert decision.drop == DROPPED
    assert decision.reason is (Reason.AWAITING_APPROVAL if ended else Reason.METRIC_BREACHED)
    assert decision.action is not Action.ROLL_BACK


def test_manual_applies_to_reverts_and_the_cooldown_does_not() -> None:
    status = {"quarantine": (entry(SECOND),), "rollbacks": (NOW - 1.0,) * 3}
    manual = spec(rollback={"mode": "Manual"})
    held = decide(facts(spec=manual, status=status))
    assert held.reason is Reason.AWAITING_APPROVAL
    assert "also overrides" not in held.message
    assert held.status.quarantine[0].reverts == 0
    begun = decide(facts(spec=manual, status=status, approve=held.pending))
    assert begun.status.transaction is not None
    assert begun.status.transaction.kind is TransactionKind.REVERT


def test_kill_switch_does_not_wait_for_an_approval() -> None:
    seen = SwitchStatus(value=KillSwitch.ROLLBACK, since=NOW)
    decision = decide(breached(switch="Rollback", status={"kill_switch": seen}))
    assert decision.action is Action.ROLL_BACK


def bad_revision() -> World:
    """A world in mode Manual that has found revision 2 bad."""
    world = World(rollback={"mode": "Manual", "verifyFor": "20s", "cooldown": "1m"})
    world.run(20)
    world.deploy("bad:2")
    world.run(10)
    assert world.stored["reason"] == "AwaitingApproval"
    return world


def test_approved_rollback_runs_to_its_end_and_begins_once() -> None:
    world = bad_revision()
    assert world.image == "bad:2"
    world.approve = world.stored["lastDecision"]["transaction"]
    world.run(10)
    assert world.image == "good:1"
    assert world.approve is None
    assert world.stored["lastTransaction"]["outcome"] == "Succeeded"
    assert (world.stored["attempts"], world.writes.count("patch")) == (1, 1)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_an_approval_is_obeyed_once(after: bool) -> None:
    waits = bad_revision()
    waits.approve, before = waits.stored["lastDecision"]["transaction"], len(waits.writes)
    calm = copy.deepcopy(waits)
    calm.run(10)
    writes = calm.writes[before:]
    assert writes.index("annotation approve") < writes.index("patch")
    # Before the intent nothing is remembered but the metrics; they are the engine's to read again.
    for number in range(0 if after else 1, len(writes)):
        world = copy.deepcopy(waits)
        world.killed_at, world.killed_after = len(world.writes) + number, after
        with pytest.raises(Killed):
            world.run(10)
        world.crash()
        world.killed_at = None
        world.run(20)
        assert (world.image, world.approve) == ("good:1", None), writes[number]
        assert (world.stored["attempts"], world.writes.count("patch")) in ((1, 1), (1, 2))
        assert "ApprovalRefused" not in [d.reason.value for d in world.decisions], writes[number]


def test_waiting_writes_nothing() -> None:
    world = bad_revision()
    written = len(world.writes)
    world.run(20)
    assert len(world.writes) == written


def test_breach_that_goes_away_does_not_wait_any_more() -> None:
    world = bad_revision()
    world.approve = world.stored["lastDecision"]["transaction"]
    world.serving = "good:2"
    world.body["spec"]["template"]["spec"]["containers"][0]["image"] = "good:2"
    world.run(10)
    assert world.approve is None
    assert world.stored["attempts"] == 0
