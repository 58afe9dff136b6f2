"""Verification: do the restored pods come up, and does it help? What follows where not."""

from model_rollout.analysis.report import MetricReport
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import CurrentRevision, Failure, Phase, Transaction
from model_rollout.api.types import duration_text
from model_rollout.decision.chain import go_on, whole_instead
from model_rollout.decision.conclude import conclude, condemned_by_chain
from model_rollout.decision.facts import Facts
from model_rollout.decision.lifecycle import serve
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold, wait
from model_rollout.decision.sentences import listed
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.objects import ObjectRef, Write

_BY_METRIC = (Reason.METRIC_BREACHED, Reason.METRIC_SILENT, Reason.TARGET_UNUSABLE)


def _live_components(facts: Facts) -> str:
    return facts.live.components_digest if facts.live else ""


def _digest_of(facts: Facts, number: int) -> str | None:
    revision = facts.by_number.get(number)
    return revision.components_digest if revision else None


def verifying(facts: Facts, transaction: Transaction) -> Decision:
    """See the restored pods come up, then whether the metrics recover."""
    live, current = _live_components(facts), facts.current
    assert current is not None
    if live == _digest_of(facts, transaction.from_):
        message = f"revision {transaction.from_} was applied again while its rollback was verified"
        return conclude(facts, transaction, Reason.REAPPLIED, message)
    if live != _digest_of(facts, transaction.result):
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
    if facts.workload.waits:
        message = f"{facts.workload.waits}: the rollback, and its deadline, wait"
        return hold(facts, Reason.WORKLOAD_PAUSED, message)
    if pods is not None and pods.blocking and not facts.refused:
        return _unblock(facts, transaction, pods.blocking[0])
    if facts.refused:
        waiting += f"; {facts.refused}"
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


def _unblock(facts: Facts, transaction: Transaction, pod: Json) -> Decision:
    """Delete one pod: its controller makes another one of the restored template."""
    name = pod["metadata"]["name"]
    message = (
        f"Pod {name} of revision {transaction.from_} is not Ready, and a StatefulSet never replaces "
        f"such a pod by itself (kubernetes#67250): it is deleted so that revision {transaction.to} "
        "comes up"
    )
    return Decision(
        Action.UNBLOCK,
        Reason.ROLLING_OUT,
        message,
        Phase.VERIFYING,
        facts.status,
        writes=(Write(ObjectRef("v1", "Pod", facts.namespace, name), read=pod, delete=True),),
        from_=transaction.from_,
        to=transaction.to,
    )


def _next_candidate(facts: Facts, transaction: Transaction, why: str) -> Decision:
    """The target itself cannot come up: condemn it for a day and go on in the same chain."""
    sentence = f"revision {transaction.to} does not come up ({why}); {_cause(transaction)}"
    unusable = RevisionPhase.UNUSABLE
    further = go_on(facts, transaction, Reason.TARGET_UNUSABLE, sentence, unusable)
    if further is not None:
        return further
    message = f"{sentence}; no other revision is left to go back to"
    return conclude(facts, transaction, Reason.NO_TARGET, message, phase=Phase.FAILED)


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
    """A part did not suffice: all of it. All of it neither: the version was not the cause."""
    measured = "; ".join(report.message for report in breached)
    part = f"{listed(list(transaction.components))} alone did not help: {measured}"
    whole = whole_instead(facts, transaction, part)
    if whole is not None:
        return whole
    if facts.spec.rollback.escalate:
        sentence = f"revision {transaction.to} did not help: {measured}"
        reason, condemn = Reason(transaction.reason), RevisionPhase.QUARANTINED
        further = go_on(facts, transaction, reason, sentence, condemn)
        if further is not None:
            return further
    return _not_the_cause(facts, transaction, breached, measured)


def _not_the_cause(
    facts: Facts, transaction: Transaction, breached: tuple[MetricReport, ...], measured: str
) -> Decision:
    """The revisions that were left are not to blame."""
    by_metric = transaction.reason in _BY_METRIC and transaction.metrics
    lift = condemned_by_chain(facts, transaction) if by_metric else ()
    names = listed([str(number) for number in lift])
    lifted = f"; the quarantine of revision {names} is lifted" if lift else ""
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
