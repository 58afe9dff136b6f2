"""What keeps a proven breach from being acted on: mode, cooldown, budget."""

from model_rollout.api.rollout import RollbackMode
from model_rollout.api.types import duration_text, time_text
from model_rollout.decision.facts import Facts
from model_rollout.decision.reasons import Reason


def brake(facts: Facts) -> tuple[Reason, str] | None:
    """Return the brake that is on and a sentence about it, or None."""
    rollback = facts.spec.rollback
    if rollback.mode is RollbackMode.DRY_RUN:
        return Reason.DRY_RUN, "rollback.mode is DryRun"
    starts = facts.status.rollbacks
    if starts and facts.now < starts[-1] + rollback.cooldown:
        until = time_text(starts[-1] + rollback.cooldown)
        return Reason.COOLDOWN, f"the cooldown after the last rollback ends at {until}"
    if budget_exhausted(facts):
        budget = rollback.budget
        return (
            Reason.BUDGET_EXHAUSTED,
            f"{budget.max_rollbacks} rollbacks within {duration_text(budget.per)} are the budget",
        )
    return None


def budget_exhausted(facts: Facts) -> bool:
    """Tell whether the window holds as many rollbacks as the budget allows."""
    budget = facts.spec.rollback.budget
    recent = [start for start in facts.status.rollbacks if start > facts.now - budget.per]
    return len(recent) >= budget.max_rollbacks
