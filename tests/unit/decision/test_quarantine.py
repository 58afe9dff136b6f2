"""A quarantined revision is applied again: reverted so many times, contested, or allowed."""

from typing import Any

import pytest

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import TransactionKind
from model_rollout.decision.decide import decide
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.projection import revision_changes
from model_rollout.decision.reasons import Reason
from unit.decision.builders import NOW, candidate, deployment, entry, facts, revision, spec
from unit.decision.world import World

SECOND = candidate(2)


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


def test_window_does_not_apply_to_a_revert() -> None:
    assert reverted(window="1s").action is Action.ROLL_BACK


def test_allowed_revision_is_a_candidate_again_and_names_who_applied_it() -> None:
    used = spec(quarantine={"policy": "Allow"})
    other = entry(revision(7))
    found = facts(
        spec=used,
        live=deployment("m:2", manager="argocd"),
        status={"quarantine": (other, entry(SECOND))},
        revisions=(revision(1), revision(2, phase=RevisionPhase.QUARANTINED, reason="Metric")),
    )
    decision = decide(found)
    assert (decision.action, decision.reason) == (Action.NOTE, Reason.QUARANTINE_ALLOWED)
    assert decision.status.quarantine == (other,)
    assert "was applied again by argocd; quarantine.policy is Allow" in decision.message
    ((name, status),) = revision_changes(found, decision)
    assert (name, status.phase) == (SECOND.name, RevisionPhase.CANDIDATE)


def test_allowed_revision_that_is_still_bad_is_rolled_back_until_the_budget_is_used_up() -> None:
    world = World(quarantine={"policy": "Allow"})
    world.run(20)
    for _ in range(5):
        world.deploy("bad:2")
        world.run(20)
    assert world.stored["reason"] == "BudgetExhausted"
    assert world.stored["attempts"] == 3


@pytest.mark.parametrize(
    ("reverts", "times"),
    [(0, "was not reverted"), (1, "was reverted once"), (2, "reverted 2 times")],
)
def test_contested_names_who_and_the_fix(reverts: int, times: str) -> None:
    status = {"quarantine": (entry(SECOND, reverts=reverts),)}
    used = spec(quarantine={"maxReverts": reverts})
    live = deployment("m:2", manager="argocd")
    message = decide(facts(spec=used, status=status, live=live)).message
    assert times in message
    assert "deployed again by argocd" in message
    assert "git revert the commit in the repository that argocd deploys" in message
    assert "--force-conflicts" in message
