"""What keeps a proven breach from being acted on, and what does not."""

from typing import Any

import pytest

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import SwitchStatus, TransactionKind
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


def reverted(**rollback: Any) -> Decision:
    applied = entry(SECOND)
    status = {"quarantine": (applied,), "rollbacks": (NOW - 1.0,) * 3}
    return decide(facts(spec=spec(rollback=rollback), status=status))


def test_revert_does_not_wait_for_the_cooldown_and_does_not_count() -> None:
    decision = reverted()
    assert decision.action is Action.ROLL_BACK
    assert decision.status.transaction is not None
    assert decision.status.transaction.kind is TransactionKind.REVERT
    assert decision.status.rollbacks == (NOW - 1.0,) * 3
    assert decision.status.quarantine[0].reverts == 1


def test_mode_applies_to_a_revert() -> None:
    assert reverted(mode="DryRun").reason is Reason.DRY_RUN


@pytest.mark.parametrize(
    ("allowed", "done", "reason"),
    [
        (0, 0, Reason.CONTESTED),
        (1, 0, Reason.QUARANTINED_APPLIED),
        (1, 1, Reason.CONTESTED),
        (2, 1, Reason.QUARANTINED_APPLIED),
    ],
)
def test_reverts_are_bounded(allowed: int, done: int, reason: Reason) -> None:
    status = {"quarantine": (entry(SECOND, reverts=done),)}
    used = spec(quarantine={"maxReverts": allowed})
    assert decide(facts(spec=used, status=status)).reason is reason


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
