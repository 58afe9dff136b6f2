"""What becomes of an approval: it lets one transaction begin, or it is refused with what to write."""

from dataclasses import replace

from model_rollout.api.rollout import KillSwitch, RollbackMode
from model_rollout.decision.facts import APPROVE_ANNOTATION, Facts
from model_rollout.decision.outcome import Decision
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import note

_OBEYED = (APPROVE_ANNOTATION,)


def answered(facts: Facts, decision: Decision) -> Decision:
    """Return the decision with the answer to an approval, if there is one to give.

    An id is used once: the transaction that it let begin holds it, and the next one has another. So
    it does not matter how often the annotation is read before it is removed.
    """
    if facts.approve is None:
        return decision
    wanted, status = facts.approve.strip(), decision.status
    if wanted in {t.id for t in (status.transaction, status.last_transaction) if t is not None}:
        return replace(decision, drop=(*decision.drop, *_OBEYED))
    if decision.again:
        return decision  # something is written down first; the next round sees more
    message = f"the approve annotation names {wanted[:40]!r}; {_instead(facts, decision)}"
    return note(facts, Reason.APPROVAL_REFUSED, message, drop=_OBEYED)


def _instead(facts: Facts, held: Decision) -> str:
    if facts.switch is KillSwitch.PAUSE:
        return "the kill switch is Pause, which no approval overrides: set it to None, then approve"
    if facts.spec.rollback.mode is RollbackMode.DRY_RUN:
        return (
            "rollback.mode is DryRun, which no approval overrides: set it to Manual, then approve"
        )
    if held.pending:
        return (
            f"what waits is transaction {held.pending}, from revision {held.from_} to revision "
            f"{held.to}: write {APPROVE_ANNOTATION}={held.pending}"
        )
    if facts.status.transaction is not None:
        return (
            f"transaction {facts.status.transaction.id} is under way, and none waits: write nothing"
        )
    return f"no transaction waits for approval now ({held.reason}): write nothing"
