"""What keeps a proven breach from being acted on, and what does not."""

from typing import Any

import pytest

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import LastTransaction, SwitchStatus, TransactionKind
from model_rollout.decision.decide import decide
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    current,
    deployment,
    entry,
    facts,
    revision,
    spec,
)
from unit.decision.world import QUICK, World

SECOND = candidate(2)


def breach(rollback: dict[str, Any] | None = None, **status: Any) -> Decision:
    return decide(facts(reports=(bad(),), spec=spec(rollback=rollback or {}), status=status))


@pytest.mark.parametrize(
    ("rollback", "starts", "reason"),
    [
        ({}, (), Reason.METRIC_BREACHED),
        ({"mode": "DryRun"}, (), Reason.DRY_RUN),
        ({}, (-599.0,), Reason.COOLDOWN),
        ({}, (-600.0,), Reason.METRIC_BREACHED),
        ({"cooldown": "0s"}, (0.0,), Reason.METRIC_BREACHED),
        ({}, (-80000.0, -50000.0, -601.0), Reason.BUDGET_EXHAUSTED),
        ({}, (-86400.0, -50000.0, -601.0), Reason.METRIC_BREACHED),
        ({"budget": {"maxRollbacks": 1}}, (-601.0,), Reason.BUDGET_EXHAUSTED),
        ({"mode": "DryRun"}, (-1.0,), Reason.DRY_RUN),
        ({"window": "10m"}, (), Reason.METRIC_BREACHED),
        ({"window": "599s"}, (), Reason.OUTSIDE_WINDOW),
        ({"window": "599s"}, (-1.0,), Reason.OUTSIDE_WINDOW),
    ],
    ids=[
        "no brake",
        "dry run",
        "in the cooldown",
        "at its end",
        "without one",
        "budget used up",
        "the oldest left the window",
        "small budget",
        "mode before cooldown",
        "at the end of the window",
        "outside of it",
        "window before cooldown",
    ],
)
def test_brake(rollback: dict[str, Any], starts: tuple[float, ...], reason: Reason) -> None:
    decision = breach(rollback, rollbacks=tuple(NOW + start for start in starts))
    assert decision.reason is reason
    assert decision.writes_workload is (reason is Reason.METRIC_BREACHED)


def test_braked_decision_says_what_it_would_have_done_and_changes_nothing() -> None:
    decision = breach({"mode": "DryRun"})
    assert "Without it: Rolling back revision 2 to revision 1: accuracy is 0.5" in decision.message
    assert (decision.from_, decision.to) == (2, 1)
    known, after = facts().status, decision.status
    assert after.model_copy(update={"current": known.current}) == known
    assert after.current is not None
    assert after.current.breached_since == NOW


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"breached_since": NOW - 590.0}, Reason.METRIC_BREACHED),
        ({"breached_since": NOW - 30.0}, Reason.OUTSIDE_WINDOW),
        ({"held_seconds": 590.0}, Reason.METRIC_BREACHED),
    ],
    ids=["a brake held it since", "found later", "it served ten seconds of ten minutes"],
)
def test_window_counts_until_it_was_found_bad(found: dict[str, float], reason: Reason) -> None:
    serves = current(SECOND, serving_since=NOW - 600.0, **found)
    used = spec(rollback={"window": "1m"}, analysis={"warmUp": "0s"})
    status = {"current": serves}
    assert decide(facts(reports=(bad(),), spec=used, status=status)).reason is reason


def test_window_does_not_keep_a_revision_from_being_rolled_back_that_never_came_up() -> None:
    late = current(SECOND, since=NOW - 7200.0, serving_since=None)
    used = spec(rollback={"window": "1m"})
    live = deployment("m:2", ready=0)
    assert decide(facts(spec=used, status={"current": late}, live=live)).reason is (
        Reason.ROLLOUT_FAILED
    )


def ended(outcome: str, kind: str = "Rollback") -> dict[str, Any]:
    """A transaction that began 20 minutes ago and ended a minute ago."""
    last = LastTransaction(
        id="a1",
        kind=TransactionKind(kind),
        from_=2,
        to=1,
        started_at=NOW - 1200.0,
        ended_at=NOW - 60.0,
        outcome=outcome,
        message="it ended",
    )
    return {"last_transaction": last, "rollbacks": (NOW - 1200.0,)}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (ended("Refused"), Reason.COOLDOWN),
        (ended("ConcurrentEdit"), Reason.METRIC_BREACHED),
        (ended("Refused", "Revert"), Reason.METRIC_BREACHED),
        (ended("Refused", "Switch"), Reason.METRIC_BREACHED),
    ],
    ids=["refused", "ended otherwise", "a revert", "the switch"],
)
def test_cooldown_counts_from_a_refusal(status: dict[str, Any], reason: Reason) -> None:
    assert breach(**status).reason is reason


def test_cooldown_counts_from_the_last_intent_of_a_chain() -> None:
    """The chain counts once, an hour ago; its last candidate was begun a minute ago."""
    last = ended("Unverified")["last_transaction"]
    again = last.model_copy(update={"started_at": NOW - 60.0, "ended_at": NOW - 1.0})
    assert breach(last_transaction=again, rollbacks=(NOW - 3600.0,)).reason is Reason.COOLDOWN


def test_refused_rollback_is_not_begun_again_before_the_cooldown_ends() -> None:
    world = World(rollback=QUICK["rollback"] | {"cooldown": "5m"})
    world.run(20)
    world.deploy("bad:2")
    while not world.stored.get("transaction"):
        world.now += 10.0
        world._roll_out()
        world.refuses = "admission says no"
        world.check()
        if world.stored.get("lastTransaction"):
            break
    assert world.stored["lastTransaction"]["outcome"] == "Refused"
    refused = world.now
    world.refuses = ""
    while world.stored["attempts"] == 1:
        world.tick()
    assert world.now - refused == pytest.approx(300.0, abs=10.0)
    world.run(10)
    assert world.image == "good:1"


def test_automatic_rollback_counts_once() -> None:
    assert breach(rollbacks=(NOW - 700.0,)).status.rollbacks == (NOW - 700.0, NOW)


def test_switch_counts_nothing_and_knows_no_brake() -> None:
    seen = SwitchStatus(value=KillSwitch.ROLLBACK, since=NOW)
    used = spec(killSwitch="Rollback", rollback={"mode": "DryRun"})
    starts = (NOW - 1.0,) * 3
    decision = decide(facts(spec=used, status={"kill_switch": seen, "rollbacks": starts}))
    assert decision.action is Action.ROLL_BACK
    assert decision.status.rollbacks == starts


def test_intent_names_everything_that_the_next_process_needs() -> None:
    decision = breach(attempts=4)
    transaction = decision.status.transaction
    assert transaction is not None
    assert (transaction.from_, transaction.to, transaction.result) == (2, 1, 1)
    assert (transaction.attempt, decision.status.attempts) == (5, 5)
    assert transaction.tried == (2, 1)
    assert transaction.metrics == ("accuracy",)
    (condemned,) = decision.status.quarantine
    assert (condemned.revision, condemned.phase) == (2, RevisionPhase.QUARANTINED)


def test_id_is_the_same_for_the_same_decision_and_another_at_the_next_attempt() -> None:
    ids = [breach(attempts=n).status.transaction for n in (1, 1, 2)]
    assert ids[0] == ids[1]
    assert ids[0] is not None
    assert ids[2] is not None
    assert ids[0].id != ids[2].id


def test_twenty_metrics_that_breach_at_once_are_rolled_back() -> None:
    names = [f"{'m' * 61}{index:02}" for index in range(20)]
    said = "outside in all 11 samples since 10:00:00 UTC, 5m of 5m"
    reports = tuple(bad(n, message=f"{n} is 0.5 (limit >= 0.85): {said}") for n in names)
    decision = decide(facts(reports=reports))
    assert decision.action is Action.ROLL_BACK
    assert decision.status.transaction is not None
    assert len(decision.status.transaction.message) <= 2048
    assert len(decision.status.transaction.metrics) == 20


def test_quarantine_is_bounded_and_forgets_the_oldest() -> None:
    old = tuple(entry(revision(n)) for n in range(100, 200))
    found = breach(quarantine=old).status.quarantine
    assert len(found) == 100
    assert [e.revision for e in (found[0], found[-1])] == [101, 2]


def test_condemned_again_replaces_the_entry() -> None:
    expired = entry(SECOND, phase=RevisionPhase.UNUSABLE, expires=NOW)
    (found,) = breach(quarantine=(expired,)).status.quarantine
    assert found.phase is RevisionPhase.QUARANTINED


def test_switch_keeps_the_quarantine_that_is_there_with_its_count_of_reverts() -> None:
    seen = SwitchStatus(value=KillSwitch.ROLLBACK, since=NOW)
    known = entry(SECOND, reverts=1)
    decision = decide(
        facts(
            spec=spec(killSwitch="Rollback"),
            status={"kill_switch": seen, "quarantine": (known,)},
        )
    )
    assert decision.reason is Reason.SWITCH_ROLLBACK
    assert decision.status.quarantine == (known,)


def test_only_components_can_be_restored() -> None:
    other_rest = candidate(2, "m:1")
    first = revision(1, rest="debug")
    decision = decide(
        facts(
            revisions=(first, other_rest),
            status={"current": current(other_rest)},
            live=deployment("m:1"),
            reports=(bad(),),
        )
    )
    assert decision.reason is Reason.NOTHING_TO_RESTORE
    assert "containers[server].env" in decision.message
