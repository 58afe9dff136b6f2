"""A transaction in flight: apply, see it come up, verify, conclude."""

from model_rollout.analysis.report import MetricReport
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import (
    CurrentRevision,
    Failure,
    LastTransaction,
    Phase,
    Stage,
    Transaction,
    TransactionKind,
)
from model_rollout.api.types import duration_text
from model_rollout.decision.begin import Cause, begin, resulting, without_entry
from model_rollout.decision.facts import Facts
from model_rollout.decision.lifecycle import serve
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold, wait
from model_rollout.decision.targets import find_target
from model_rollout.revisions.content import components_digest
from model_rollout.revisions.history import Revision
from model_rollout.revisions.places import Unrestorable
from model_rollout.revisions.restore import restore_operations

_BY_METRIC = (Reason.METRIC_BREACHED, Reason.METRIC_SILENT, Reason.TARGET_UNUSABLE)


def in_flight(facts: Facts) -> Decision | None:
    """Finish, verify or abandon the transaction in flight."""
    transaction = facts.status.transaction
    if transaction is None or facts.workload is None:
        return None
    if facts.workload.uid != transaction.workload_uid:
        message = "the workload was deleted and created again; the rollback was for the one before"
        return conclude(facts, transaction, Reason.WORKLOAD_REPLACED, message)
    if transaction.stage is Stage.APPLYING:
        return _applying(facts, transaction)
    return _verifying(facts, transaction)


def conclude(
    facts: Facts,
    transaction: Transaction,
    outcome: Reason,
    message: str,
    *,
    phase: Phase = Phase.PROGRESSING,
    failure: Failure | None = None,
    lift: int | None = None,
) -> Decision:
    """Return the decision that ends the transaction; `lift` names a quarantine that falls with it."""
    message = clipped(message)
    quarantine = facts.status.quarantine
    last = LastTransaction(
        id=transaction.id,
        kind=transaction.kind,
        from_=transaction.from_,
        to=transaction.to,
        started_at=transaction.started_at,
        ended_at=facts.now,
        outcome=outcome,
        message=message,
    )
    changes = {
        "transaction": None,
        "last_transaction": last,
        "failure": failure,
        "quarantine": quarantine if lift is None else without_entry(facts.status, lift),
    }
    return Decision(
        Action.CONCLUDE,
        outcome,
        message,
        phase,
        facts.status.model_copy(update=changes),
        again=True,
        from_=transaction.from_,
        to=transaction.to,
    )


def _live_components(facts: Facts) -> str:
    return facts.live.components_digest if facts.live else ""


def _digest_of(facts: Facts, number: int) -> str | None:
    revision = facts.by_number.get(number)
    return components_digest(revision.spec.components) if revision else None


def _applying(facts: Facts, transaction: Transaction) -> Decision:
    assert facts.workload is not None
    target = facts.by_number.get(transaction.to)
    if target is None or transaction.result not in facts.by_number:
        message = f"revision {transaction.to} was deleted before it could be restored"
        return conclude(facts, transaction, Reason.REFUSED, message, lift=_lifted(transaction))
    live = _live_components(facts)
    if live == target.components_digest:
        return _applied(facts, transaction, target)
    if live != _digest_of(facts, transaction.from_):
        message = (
            f"{facts.workload.manager or 'somebody'} changed the components while revision "
            f"{transaction.from_} was to be rolled back; that change stands and nothing was written"
        )
        return conclude(facts, transaction, Reason.CONCURRENT_EDIT, message)
    if facts.refused:
        message = (
            f"the API server refuses the rollback to revision {transaction.to}: {facts.refused}"
        )
        return conclude(
            facts,
            transaction,
            Reason.REFUSED,
            message,
            phase=Phase.FAILED,
            lift=_lifted(transaction),
        )
    try:
        patch = restore_operations(
            facts.workload.body, facts.spec.components, target.spec.components, transaction.id
        )
    except Unrestorable as error:
        message = f"revision {transaction.to} cannot be restored: {error}"
        return conclude(
            facts,
            transaction,
            Reason.REFUSED,
            message,
            phase=Phase.FAILED,
            lift=_lifted(transaction),
        )
    return Decision(
        Action.APPLY,
        Reason(transaction.reason),
        transaction.message,
        Phase.ROLLING_BACK,
        facts.status.model_copy(
            update={"transaction": transaction.model_copy(update={"interrupted": False})}
        ),
        patch=patch,
        again=True,
        from_=transaction.from_,
        to=transaction.to,
    )


def _lifted(transaction: Transaction) -> int | None:
    """Nothing was written: what the intent condemned is not, unless it was condemned before."""
    return None if transaction.kind is TransactionKind.REVERT else transaction.from_


def _applied(facts: Facts, transaction: Transaction, target: Revision) -> Decision:
    assert facts.live is not None
    # Not what the intent expected when the rest of the template was edited meanwhile.
    number, create = resulting(facts, target, facts.live)
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


def _verifying(facts: Facts, transaction: Transaction) -> Decision:
    live, current = _live_components(facts), facts.current
    assert current is not None
    if live == _digest_of(facts, transaction.from_):
        message = f"revision {transaction.from_} was applied again while its rollback was verified"
        return conclude(facts, transaction, Reason.REAPPLIED, message)
    if live != _digest_of(facts, transaction.to):
        message = "something else was deployed while the rollback was verified; it is left alone"
        return conclude(facts, transaction, Reason.OVERTAKEN, message)
    if current.serving_since is None:
        return _coming_up(facts, transaction, current)
    return _measuring(facts, transaction, current)


def _coming_up(facts: Facts, transaction: Transaction, current: CurrentRevision) -> Decision:
    served = serve(facts)
    if served is not None:
        return served
    assert facts.workload is not None
    late = facts.age(current) >= facts.spec.rollback.deadline and current.held_since is None
    pods = facts.pods
    if late and pods is not None and pods.stuck:
        return _next_candidate(facts, transaction, pods.why)
    waiting = f"revision {transaction.to} is coming up: {facts.workload.progress}"
    if late:
        why = f" ({pods.why})" if pods is not None and pods.why else ""
        return hold(
            facts,
            Reason.ROLLBACK_STALLED,
            f"the rollback does not come up within {duration_text(facts.spec.rollback.deadline)}: "
            f"{waiting}{why}; still waiting, nothing is condemned",
            phase=Phase.FAILED,
            from_=transaction.from_,
            to=transaction.to,
        )
    return wait(facts, Reason.ROLLING_OUT, waiting[0].upper() + waiting[1:])


def _next_candidate(facts: Facts, transaction: Transaction, why: str) -> Decision:
    """The target itself cannot come up: condemn it for a day and go on in the same chain."""
    sentence = f"revision {transaction.to} does not come up ({why}); {_cause(transaction)}"
    cause = Cause(
        kind=transaction.kind
        if transaction.kind is not TransactionKind.REVERT
        else TransactionKind.ROLLBACK,
        reason=Reason.TARGET_UNUSABLE,
        sentence=sentence,
        condemn=RevisionPhase.UNUSABLE,
        metrics=transaction.metrics,
        tried=transaction.tried,
    )
    # The same components over another rest would not come up either, and are there already.
    same = {r.number for r in facts.revisions if r.components_digest == _live_components(facts)}
    target = find_target(facts, frozenset(transaction.tried) | same)
    if target is None:
        message = f"{sentence}; no other revision is left to go back to"
        return conclude(facts, transaction, Reason.NO_TARGET, message, phase=Phase.FAILED)
    return begin(facts, cause, target)


def _cause(transaction: Transaction) -> str:
    return transaction.message.split(": ", 1)[-1]


def _measuring(facts: Facts, transaction: Transaction, current: CurrentRevision) -> Decision:
    reports = _verified_metrics(facts, transaction)
    breached = tuple(report for report in reports if report.breached)
    if breached:
        return _still_breached(facts, transaction, breached)
    wanted = facts.spec.rollback.verify_for
    age = facts.age(current)
    clear = all(_clear(report, wanted) for report in reports)
    if clear and (reports or age >= wanted):
        measured = "; ".join(report.message for report in reports) or "no metric to verify"
        message = (
            f"Rolled back revision {transaction.from_} to {transaction.to}: {_cause(transaction)}. "
            f"It helped: {measured}"
        )
        return conclude(facts, transaction, Reason.SUCCEEDED, message, phase=Phase.ROLLED_BACK)
    patience = 3 * max([wanted, *(report.patience for report in reports)])
    discarded = max([facts.spec.analysis.warm_up, *(report.discard for report in reports)])
    if age >= discarded + patience:
        undecided = "; ".join(r.message for r in reports if not _clear(r, wanted))
        message = (
            f"Rolled back revision {transaction.from_} to {transaction.to}, and within "
            f"{duration_text(patience)} it could not be shown that it helped: {undecided}"
        )
        return conclude(facts, transaction, Reason.UNVERIFIED, message, phase=Phase.ROLLED_BACK)
    return wait(
        facts,
        Reason.VERIFYING,
        f"Verifying the rollback to revision {transaction.to}: every metric must be clear for "
        f"{duration_text(wanted)}",
    )


def _clear(report: MetricReport, wanted: float) -> bool:
    """Enough samples must have said so, also where `verifyFor` is zero."""
    return report.clear and report.enough and report.clear_for >= wanted


def _verified_metrics(facts: Facts, transaction: Transaction) -> tuple[MetricReport, ...]:
    named = tuple(r for r in facts.guarding if r.name in transaction.metrics)
    return named or facts.guarding


def _still_breached(
    facts: Facts, transaction: Transaction, breached: tuple[MetricReport, ...]
) -> Decision:
    """The version was not the cause: the revision that was left is not to blame."""
    caused_by_metric = transaction.reason in _BY_METRIC
    origin = transaction.tried[0] if transaction.tried else transaction.from_
    lift = origin if caused_by_metric and transaction.metrics else None
    lifted = f"; the quarantine of revision {lift} is lifted" if lift else ""
    measured = "; ".join(report.message for report in breached)
    message = (
        f"The rollback to revision {transaction.to} did not help: {measured}{lifted}. The cause is "
        "outside of the revisions; no further rollback until the metric is clear or something new "
        "is deployed"
    )
    failure = Failure(
        reason=Reason.STILL_BREACHED,
        message=clipped(message),
        since=facts.now,
        metrics=tuple(report.name for report in breached),
        revisions=tuple(sorted({transaction.from_, transaction.result, *transaction.tried})),
    )
    return conclude(
        facts,
        transaction,
        Reason.STILL_BREACHED,
        message,
        phase=Phase.FAILED,
        failure=failure,
        lift=lift,
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
        from_=decision.from_,
        to=decision.to,
    )
