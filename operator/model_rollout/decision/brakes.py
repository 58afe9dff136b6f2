"""What keeps a proven breach from being acted on: mode, fleet, window, cooldown, budget.

All of them stand in for a person who looks first. One who approves exactly this transaction has
looked: that overrides every brake but `DryRun`, in which nothing is ever written.
"""

from collections.abc import Iterator

from model_rollout.api.rollout import RollbackMode
from model_rollout.api.status import CurrentRevision, Transaction, TransactionKind
from model_rollout.api.types import duration_text, time_text
from model_rollout.decision.facts import APPROVE_ANNOTATION, Facts
from model_rollout.decision.reasons import Reason

Brake = tuple[Reason, str]
"""The brake that is on, and a sentence about it."""


def brake(facts: Facts, begun: Transaction) -> Brake | None:
    """Return the brake that is on for a transaction that would begin, or None."""
    mode = facts.spec.rollback.mode
    if mode is RollbackMode.DRY_RUN:
        return Reason.DRY_RUN, "rollback.mode is DryRun"
    if approved(facts, begun):
        return None
    on = list(_automatic(facts, begun.kind))
    if mode is RollbackMode.MANUAL:
        return Reason.AWAITING_APPROVAL, _awaiting(facts, begun, [sentence for _, sentence in on])
    return on[0] if on else None


def approved(facts: Facts, begun: Transaction) -> bool:
    """Tell whether a person lets exactly this transaction begin."""
    return facts.approve is not None and facts.approve.strip() == begun.id


def _automatic(facts: Facts, kind: TransactionKind) -> Iterator[Brake]:
    """Yield the brakes that are on, the one that says most first; of a revert, only the fleet's."""
    allow = f"to let it begin all the same: {approve_command(facts)}"
    if facts.fleet:
        yield Reason.FLEET_FROZEN, f"{facts.fleet} ({allow})"
    if kind is not TransactionKind.ROLLBACK:
        return
    if outside := _outside_window(facts):
        yield Reason.OUTSIDE_WINDOW, f"{outside} ({allow})"
    ends = cooldown_ends(facts)
    if facts.now < ends:
        until = time_text(ends)
        yield Reason.COOLDOWN, f"the cooldown after the last rollback ends at {until}"
    if budget_exhausted(facts):
        yield Reason.BUDGET_EXHAUSTED, budget_text(facts)


def approve_command(facts: Facts) -> str:
    """Return the command that approves what waits."""
    return f"kubectl modelrollout approve {facts.ref.name} -n {facts.namespace}"


def _awaiting(facts: Facts, begun: Transaction, others: list[str]) -> str:
    annotate = (
        f"kubectl annotate modelrollout {facts.ref.name} -n {facts.namespace} "
        f"{APPROVE_ANNOTATION}={begun.id}"
    )
    besides = f"; an approval also overrides this: {'; '.join(others)}" if others else ""
    return (
        f"rollback.mode is Manual: until a person approves transaction {begun.id} "
        f"({approve_command(facts)}, or {annotate}{besides})"
    )


def _outside_window(facts: Facts) -> str:
    window, current = facts.spec.rollback.window, facts.current
    if window is None or current is None or current.serving_since is None:
        return ""
    served = _served(facts, current, current.serving_since)
    if served <= window:
        return ""
    return (
        f"revision {current.revision} had served for {duration_text(round(served))}, longer than "
        f"rollback.window ({duration_text(window)}): the world has changed, not the model"
    )


def _served(facts: Facts, current: CurrentRevision, since: float) -> float:
    """How long it had served when it was found bad: another brake may have held it since."""
    found = (current.breached_since, current.failing_since)
    moment = min((at for at in found if at is not None), default=facts.now)
    return min(facts.age(current), moment - since)


def cooldown_ends(facts: Facts) -> float:
    """Return when the next automatic rollback may begin, in seconds since the epoch.

    It counts from every intent and from every refusal: of a chain, too, whose start is long ago.
    """
    starts = list(facts.status.rollbacks[-1:])
    last = facts.status.last_transaction
    if last is not None and last.kind is TransactionKind.ROLLBACK:
        starts.append(last.ended_at if last.outcome == Reason.REFUSED else last.started_at)
    return max(starts, default=float("-inf")) + facts.spec.rollback.cooldown


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
