"""What is wrong with the deployed revision, and whether it may be acted on."""

from dataclasses import replace

from model_rollout.analysis.report import MetricReport
from model_rollout.analysis.when import Verdict
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import QuarantinePolicy
from model_rollout.api.status import Phase, QuarantineEntry, Transaction, TransactionKind
from model_rollout.api.types import duration_text
from model_rollout.decision.begin import Cause, begin, without_entries
from model_rollout.decision.brakes import approved, brake
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold, note


def quarantined_applied(facts: Facts) -> Decision | None:
    """A revision that must not serve was applied again: allow it, or revert it so many times."""
    current, live = facts.current, facts.live
    if current is None or live is None or current.digest != live.digest:
        return None
    entry = facts.quarantined(live.digest)
    if entry is None:
        return None
    if facts.spec.quarantine.policy is QuarantinePolicy.ALLOW:
        return _allowed(facts, entry)
    if entry.reverts >= facts.spec.quarantine.max_reverts:
        return _contested(facts, entry)
    condition = entry.phase.value.lower()
    cause = Cause(
        kind=TransactionKind.REVERT,
        reason=Reason.QUARANTINED_APPLIED,
        sentence=f"it is {condition} ({entry.reason}: {entry.message}) and was applied again by "
        f"{_manager(facts)}",
        condemn=None,
    )
    return _act(facts, cause)


def _manager(facts: Facts) -> str:
    """The program that deployed what is there; managedFields never name a person."""
    return (facts.workload.manager if facts.workload else "") or "somebody"


def _allowed(facts: Facts, entry: QuarantineEntry) -> Decision:
    message = (
        f"Revision {entry.revision} is {entry.phase.value.lower()} ({entry.reason}) and was applied "
        f"again by {_manager(facts)}; quarantine.policy is Allow, so its quarantine ends and it is "
        "measured again"
    )
    kept = {"quarantine": without_entries(facts.status, (entry.revision,))}
    return note(facts, Reason.QUARANTINE_ALLOWED, message, kept, of=entry.revision)


def _contested(facts: Facts, entry: QuarantineEntry) -> Decision:
    manager = _manager(facts)
    times = {0: "was not reverted", 1: "was reverted once"}.get(entry.reverts)
    message = (
        f"revision {entry.revision} is {entry.phase.value.lower()} ({entry.reason}), "
        f"{times or f'was reverted {entry.reverts} times'} and is deployed again by {manager}; it is left alone "
        f"now. Fix its source: git revert the commit in the repository that {manager} deploys; where "
        "that is a server-side apply, it takes --force-conflicts once, because what a rollback "
        "restored belongs to the operator. Or accept it with: "
        f"kubectl annotate modelrollout {facts.ref.name} -n {facts.namespace} "
        f"modelrollout.dev/unquarantine={entry.revision}"
    )
    return hold(facts, Reason.CONTESTED, message, phase=Phase.FAILED, from_=entry.revision)


def did_not_help(facts: Facts) -> Decision | None:
    """A rollback did not help: no other one, whatever the metrics say, until the latch falls."""
    if facts.status.failure is None:
        return None
    message = facts.status.failure.message
    return hold(facts, Reason.ROLLBACK_DID_NOT_HELP, message, phase=Phase.FAILED)


def rollout_failed(facts: Facts) -> Decision | None:
    """The current revision did not come up by the deadline, or crashes since it served."""
    current, workload = facts.current, facts.workload
    if current is None or workload is None or current.held_since is not None:
        return None
    deadline = facts.spec.rollback.deadline
    if current.serving_since is None:
        late = workload.caught_up and facts.age(current) >= deadline
        what = "was not completely rolled out within"
    else:
        since = current.failing_since
        late = since is not None and facts.now - since >= deadline
        what = "crashes since it served, for"
    if not late:
        return None
    pods = facts.pods
    only_unschedulable = pods is not None and bool(pods.unschedulable) and not pods.stuck
    why = f" ({pods.why})" if pods is not None and pods.why else ""
    cause = Cause(
        kind=TransactionKind.ROLLBACK,
        reason=Reason.ROLLOUT_FAILED,
        sentence=f"it {what} {duration_text(deadline)}: {workload.progress}{why}",
        # A full cluster says nothing about the revision.
        condemn=None if only_unschedulable else RevisionPhase.UNUSABLE,
    )
    return _act(facts, cause)


def metric_breached(facts: Facts) -> Decision | None:
    """The metrics are breached as `analysis.when` asks for: the evidence is there."""
    # Without a Prometheus to ask, the last measurement is of the past, whatever it said.
    if facts.current is None or not facts.culprits or facts.prometheus_problem:
        return None
    silent = all(report.silence_counts for report in facts.culprits)
    cause = Cause(
        kind=TransactionKind.ROLLBACK,
        reason=Reason.METRIC_SILENT if silent else Reason.METRIC_BREACHED,
        sentence="; ".join(_found(report) for report in facts.culprits),
        condemn=RevisionPhase.QUARANTINED,
        metrics=tuple(report.name for report in facts.culprits),
    )
    return _act(facts, cause)


def _found(report: MetricReport) -> str:
    return f"{report.message}; its onNoData is Rollback" if report.silent else report.message


def undecided(facts: Facts) -> Decision | None:
    """A metric is breached, and whether that suffices depends on a metric without data."""
    if facts.verdict is not Verdict.UNKNOWN or not facts.breaches or facts.prometheus_problem:
        return None
    breached = "; ".join(report.message for report in facts.breaches)
    missing = ", ".join(report.name for report in facts.reports if not report.has_data)
    message = (
        f"{breached}; analysis.when ({facts.spec.analysis.when}) cannot be decided without data of "
        f"{missing or 'its metrics'}, so nothing is changed"
    )
    return hold(facts, Reason.UNDECIDED, message)


def _act(facts: Facts, cause: Cause) -> Decision:
    decision = begin(facts, cause)
    begun = decision.status.transaction
    if decision.action is not Action.ROLL_BACK or begun is None:
        return decision
    on = brake(facts, begun)
    if on is not None:
        return _braked(facts, *on, decision, begun)
    return _approved(decision, begun) if approved(facts, begun) else decision


def _braked(
    facts: Facts, reason: Reason, which: str, decision: Decision, begun: Transaction
) -> Decision:
    message = f"{which}, nothing is written. Without it: {decision.message}"
    held = hold(facts, reason, message, from_=decision.from_, to=decision.to)
    return replace(held, pending=begun.id)


def _approved(decision: Decision, begun: Transaction) -> Decision:
    """The same, saying that a person let it begin."""
    message = clipped(f"A person approved this. {decision.message}")
    told = {"transaction": begun.model_copy(update={"message": message})}
    return replace(decision, message=message, status=decision.status.model_copy(update=told))
