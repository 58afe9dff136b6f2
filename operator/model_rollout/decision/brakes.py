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
        return Reason.BUDGET_EXHAUSTED, budget_text(facts)
    return None


def budget_text(facts: Facts) -> str:
    """Return the budget as people read it."""
    budget = facts.spec.rollback.budget
    plural = "" if budget.max_rollbacks == 1 else "s"
    window = duration_text(budget.per)
    return f"the budget of {budget.max_rollbacks} rollback{plural} within {window} is used up"


def budget_exhausted(facts: Facts) -> bool:
    """Tell whether the window holds as many rollbacks as the budget allows."""
    budget = facts.spec.rollback.budget
    recent = [start for start in facts.status.rollbacks if start > facts.now - budget.per]
    return len(recent) >= budget.max_rollbacks
