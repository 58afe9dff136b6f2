"""A transaction in flight: try it, write it step by step, undo it where somebody interfered."""

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import CurrentRevision, Phase, Stage, Transaction
from model_rollout.decision.chain import go_on
from model_rollout.decision.conclude import conclude, condemned_by_intent, refused
from model_rollout.decision.facts import Facts
from model_rollout.decision.goals import Goal, resulting
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.plan import (
    Progress,
    merged,
    progress,
    restarted_by,
    restarts,
    writes,
    written_by,
)
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold
from model_rollout.decision.sentences import listed
from model_rollout.decision.verify import verifying
from model_rollout.revisions.history import Revision
from model_rollout.revisions.objects import HttpWrite, Write
from model_rollout.revisions.places import ComponentProblem, Unrestorable


def in_flight(facts: Facts) -> Decision | None:
    """Finish, undo, verify or abandon the transaction in flight."""
    transaction = facts.status.transaction
    if transaction is None or facts.workload is None:
        return None
    if facts.workload.uid != transaction.workload_uid:
        message = "the workload was deleted and created again; the rollback was for the one before"
        return conclude(facts, transaction, Reason.WORKLOAD_REPLACED, message)
    if isinstance(facts.content, ComponentProblem) and facts.content.temporary:
        return hold(facts, Reason.COMPONENT_UNREADABLE, facts.content.message)
    if transaction.stage is Stage.VERIFYING:
        return verifying(facts, transaction)
    source, wanted = (facts.by_number.get(n) for n in (transaction.from_, transaction.result))
    if source is None or wanted is None:
        lost = transaction.from_ if source is None else transaction.result
        message = f"revision {lost} was deleted before the rollback to it, or from it, was finished"
        return refused(facts, transaction, message)
    if transaction.stage is Stage.COMPENSATING:
        return _compensating(facts, transaction, source, wanted)
    return _applying(facts, transaction, source, wanted)


def _applying(
    facts: Facts, transaction: Transaction, source: Revision, wanted: Revision
) -> Decision:
    before, after = source.spec.components, wanted.spec.components
    done = progress(facts, before, after)
    if done.foreign:
        return _edited(facts, transaction, done)
    if facts.refused:
        message = (
            f"the API server refuses the rollback to revision {transaction.to}: {facts.refused}"
        )
        return _refused(facts, transaction, done, message)
    restart = restarts(facts, before, after)
    try:
        left = writes(facts, after, transaction.id, restart=restart)
    except Unrestorable as error:
        message = f"revision {transaction.to} cannot be restored: {error}"
        return _refused(facts, transaction, done, message)
    if not left:
        return _applied(facts, transaction, wanted)
    return _write(facts, transaction, left)


def _write(facts: Facts, transaction: Transaction, left: tuple[Write | HttpWrite, ...]) -> Decision:
    """All writes as a dry run before the first one; then one after the other."""
    return Decision(
        Action.APPLY if facts.preflighted else Action.PREFLIGHT,
        Reason(transaction.reason),
        transaction.message,
        Phase.ROLLING_BACK,
        facts.status.model_copy(
            update={"transaction": transaction.model_copy(update={"interrupted": False})}
        ),
        writes=left[:1] if facts.preflighted else left,
        again=True,
        from_=transaction.from_,
        to=transaction.to,
    )


def _edited(facts: Facts, transaction: Transaction, done: Progress) -> Decision:
    """The human wins: what was written until now is put back, and nothing else is written."""
    if isinstance(facts.content, ComponentProblem):
        message = f"the rollback cannot go on: {facts.content.message}"
    else:
        who = (facts.workload.manager if facts.workload else "") or "somebody"
        message = (
            f"{who} changed {listed(list(done.foreign))} while revision {transaction.from_} was to "
            "be rolled back; that change stands"
        )
    if ours := written_by(facts, done.applied, transaction.id):
        return _undo(facts, transaction, ours, Reason.CONCURRENT_EDIT, message)
    message += " and nothing was written"
    return conclude(facts, transaction, Reason.CONCURRENT_EDIT, message)


def _refused(facts: Facts, transaction: Transaction, done: Progress, message: str) -> Decision:
    """Nothing was written yet: the next candidate. Something was: put it back."""
    if ours := written_by(facts, done.applied, transaction.id):
        return _undo(facts, transaction, ours, Reason.REFUSED, message)
    further = go_on(facts, transaction, Reason.TARGET_REFUSED, message, None)
    return further or refused(facts, transaction, message)


def _undo(
    facts: Facts, transaction: Transaction, ours: tuple[str, ...], outcome: Reason, message: str
) -> Decision:
    message = clipped(f"{message}; {listed(list(ours))} is put back to where it was")
    undone = transaction.model_copy(
        update={
            "stage": Stage.COMPENSATING,
            "interrupted": False,
            "outcome": outcome,
            "outcome_message": message,
        }
    )
    return Decision(
        Action.UNDO,
        outcome,
        message,
        Phase.ROLLING_BACK,
        facts.status.model_copy(update={"transaction": undone}),
        again=True,
        from_=transaction.from_,
        to=transaction.to,
    )


def _compensating(
    facts: Facts, transaction: Transaction, source: Revision, wanted: Revision
) -> Decision:
    """Put back what was written, and nothing that somebody else wrote since."""
    before, after = source.spec.components, wanted.spec.components
    ours = written_by(facts, progress(facts, before, after).applied, transaction.id)
    # Pods that have read what is taken back have to read again.
    restart = restarted_by(facts, transaction.id) and restarts(facts, before, after)
    if facts.live is None or not (ours or restart):
        return _undone(facts, transaction, "")
    if facts.refused:
        return _undone(facts, transaction, facts.refused)
    back = merged(facts.live.components, before, frozenset(ours))
    try:
        left = writes(facts, back, f"{transaction.id}-undo", restart=restart)
    except Unrestorable as error:
        return _undone(facts, transaction, str(error))
    return _write(facts, transaction, left) if left else _undone(facts, transaction, "")


def _undone(facts: Facts, transaction: Transaction, why: str) -> Decision:
    outcome = Reason(transaction.outcome or Reason.CONCURRENT_EDIT)
    message = transaction.outcome_message or ""
    if why:
        message += f"; that failed, so the components are of two revisions now: {why}"
    was_refused = outcome is Reason.REFUSED
    return conclude(
        facts,
        transaction,
        outcome,
        message,
        phase=Phase.FAILED if was_refused or why else Phase.PROGRESSING,
        lift=condemned_by_intent(facts, transaction) if was_refused else (),
    )


def _applied(facts: Facts, transaction: Transaction, wanted: Revision) -> Decision:
    assert facts.live is not None
    # Not what the intent expected when the rest of the template was edited meanwhile.
    origin = facts.by_number.get(transaction.to)
    goal = Goal(wanted.spec.components, origin)
    number, create = resulting(facts, goal, facts.live)
    current = CurrentRevision(
        revision=number,
        name=create[0].name if create else facts.by_number[number].name,
        digest=facts.live.digest,
        workload_uid=transaction.workload_uid,
        template_digest=facts.live.template_digest,
        since=facts.now,
    )
    verifying = transaction.model_copy(
        update={"stage": Stage.VERIFYING, "interrupted": False, "result": number}
    )
    message = (
        f"Revision {transaction.to} is restored; waiting for its pods, then verifying that the "
        "metrics recover"
    )
    return Decision(
        Action.APPLY,
        Reason.APPLIED,
        message,
        Phase.VERIFYING,
        facts.status.model_copy(update={"transaction": verifying, "current": current}),
        create=create,
        again=True,
        from_=transaction.from_,
        to=transaction.to,
    )


def interrupted(facts: Facts, decision: Decision) -> Decision:
    """Return what is decided instead of a write while `killSwitch: Pause` is on."""
    assert facts.switch is KillSwitch.PAUSE
    status = facts.status
    if status.transaction is not None:
        stopped = status.transaction.model_copy(update={"interrupted": True})
        status = status.model_copy(update={"transaction": stopped})
    message = f"Paused by the kill switch, nothing is written. Without it: {decision.message}"
    return Decision(
        Action.HOLD,
        Reason.PAUSED,
        message,
        Phase.PAUSED,
        status,
        pending=decision.begins,
        from_=decision.from_,
        to=decision.to,
    )
