"""The status that people read, written from the decision and the facts."""

import re
from typing import Any

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import (
    Condition,
    LastDecision,
    MetricStatus,
    ModelRolloutStatus,
    RevisionRef,
)
from model_rollout.decision.brakes import budget_exhausted, budget_text
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.phases import transition
from model_rollout.decision.reasons import Reason
from model_rollout.decision.recorded import records_after
from model_rollout.decision.sentences import of_unavailable
from model_rollout.decision.targets import find_target

_NUMBERS = re.compile(r"\d+")

_NOT_READY = frozenset(
    {
        Reason.TARGET_TAKEN,
        Reason.WORKLOAD_MISSING,
        Reason.COMPONENT_UNREADABLE,
        Reason.PROMETHEUS_UNKNOWN,
        Reason.SPEC_INVALID,
        Reason.UNRECORDED,
    }
)


def complete(facts: Facts, decision: Decision) -> ModelRolloutStatus:
    """Return the whole status after a decision; raises IllegalTransition for a defect of the core."""
    before = facts.status
    last = _last_decision(facts, decision)
    return decision.status.model_copy(
        update={
            "observed_generation": facts.generation,
            "phase": transition(before.phase, decision.phase),
            "reason": decision.reason.value,
            "message": clipped(decision.message),
            "conditions": _conditions(facts, decision),
            "stable": _stable(facts, decision),
            "breached": ", ".join(
                r.name for r in facts.reports if r.metric_class is MetricClass.BREACHED
            ),
            "metrics": tuple(_metric(report) for report in facts.reports),
            "last_decision": last,
            "records": records_after(facts, decision, last),
        }
    )


def material(status: ModelRolloutStatus) -> dict[str, Any]:
    """Return the status without what changes at every check although nothing happened.

    Two statuses with the same material part need no write: the steady state writes nothing. Where a
    person has to correct something the words are material: who corrected a part is told the rest.
    """
    data = status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"records"})
    data["records"] = [record.digest for record in status.records]  # it covers all of a record
    told = data.pop("message", "")
    if data.get("reason") in _NOT_READY:
        data["words"] = _words(told)
    for metric in data.get("metrics", ()):
        told = metric.pop("message", "")
        if metric["state"] == State.AMBIGUOUS:
            metric["words"] = _words(told)
        metric.pop("value", None)
        metric.pop("evidence", None)
    for condition in data.get("conditions", ()):
        # One outage has many faces: refused, timed out, 503. Their order is no news.
        condition.pop("reason", None)
        condition.pop("message", None)
    return data


def _words(message: str) -> str:
    """A sentence without its numbers: twelve series instead of eleven are no news."""
    return _NUMBERS.sub("", message)


def _metric(report: MetricReport) -> MetricStatus:
    return MetricStatus(
        name=report.name,
        state=report.state.value,
        class_=report.metric_class.value,
        value=report.value,
        limit=report.limit,
        message=clipped(report.message),
    )


def _stable(facts: Facts, decision: Decision) -> RevisionRef | None:
    if decision.action is Action.PROMOTE and facts.current is not None:
        return RevisionRef(revision=facts.current.revision, name=facts.current.name)
    condemned = {entry.revision for entry in decision.status.quarantine}
    stable = [
        r for r in facts.revisions if r.phase is RevisionPhase.STABLE and r.number not in condemned
    ]
    newest = max(stable, key=lambda r: (r.last_served, r.number), default=None)
    return RevisionRef(revision=newest.number, name=newest.name) if newest else None


def _last_decision(facts: Facts, decision: Decision) -> LastDecision | None:
    last = facts.status.last_decision
    if not decision.remembered:
        return last
    transaction = decision.begins or decision.pending or None
    same = last is not None and (
        (last.action, last.reason, last.from_, last.to, last.transaction)
        == (decision.action.value, decision.reason.value, decision.from_, decision.to, transaction)
    )
    # The same hold at the next check is not another decision, whatever it measured meanwhile; the
    # same one after a change is, and so are two flips of the switch in a row.
    if same and _repeats(decision, last) and facts.status.reason == decision.reason.value:
        return last
    return LastDecision(
        action=decision.action.value,
        reason=decision.reason.value,
        message=clipped(decision.message),
        time=facts.now,
        from_=decision.from_,
        to=decision.to,
        transaction=transaction,
    )


def _repeats(decision: Decision, last: LastDecision | None) -> bool:
    message = clipped(decision.message)
    if decision.action is Action.HOLD and decision.reason not in _NOT_READY:
        return True
    if last is None:
        return False
    if decision.action is Action.HOLD:
        return _words(last.message) == _words(message)
    return last.message == message


def _conditions(facts: Facts, decision: Decision) -> tuple[Condition, ...]:
    wanted = (
        _ready(decision),
        _metrics_available(facts),
        _target_available(facts),
        ("KillSwitchEngaged", facts.switch is not KillSwitch.NONE, facts.switch.value, ""),
        _contested(decision),
        _shared(facts),
        _budget(facts),
        _fleet(facts, decision),
    )
    before = {condition.type: condition for condition in facts.status.conditions}
    return tuple(_condition(facts, before, *item) for item in wanted)


def _condition(
    facts: Facts,
    before: dict[str, Condition],
    type_: str,
    holds: bool | None,
    reason: str,
    message: str,
) -> Condition:
    old = before.get(type_)
    if holds is None and old is not None:
        return old
    status = "Unknown" if holds is None else str(holds)
    changed = old is None or old.status != status
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=clipped(message),
        last_transition_time=facts.now if changed or old is None else old.last_transition_time,
    )


_Item = tuple[str, bool | None, str, str]


def _ready(decision: Decision) -> _Item:
    if decision.reason in _NOT_READY:
        return "Ready", False, decision.reason.value, decision.message
    return "Ready", True, "Guarding", "the workload is watched and its metrics are asked for"


def _metrics_available(facts: Facts) -> _Item:
    if facts.prometheus_problem:
        reason = Reason.PROMETHEUS_UNKNOWN
        return "MetricsAvailable", False, reason.value, facts.prometheus_problem
    missing = [report for report in facts.reports if report.unavailable]
    if missing:
        return "MetricsAvailable", False, missing[0].unavailable, of_unavailable(missing)
    if facts.reports and all(report.answered for report in facts.reports):
        return "MetricsAvailable", True, "Measured", "every metric gave a value"
    # Silence within its patience changes nothing: neither available nor missing.
    return "MetricsAvailable", None, "NotMeasuredYet", "waiting for the first values"


def _target_available(facts: Facts) -> _Item:
    target = find_target(facts)
    if facts.live is None:
        return "RollbackTargetAvailable", None, "NotReadYet", "the workload is not read yet"
    if target is None:
        message = "no earlier revision is good enough to go back to"
        return "RollbackTargetAvailable", False, Reason.NO_TARGET.value, message
    proven = "Proven" if target.phase is RevisionPhase.STABLE else "Unproven"
    message = f"a rollback would go to revision {target.number}"
    return "RollbackTargetAvailable", True, proven, message


def _contested(decision: Decision) -> _Item:
    if decision.reason is Reason.CONTESTED:
        return "Contested", True, Reason.QUARANTINED_APPLIED.value, decision.message
    return "Contested", False, "NotContested", ""


def _shared(facts: Facts) -> _Item:
    if facts.shared:
        message = "; ".join(facts.shared.values())
        return "SharedComponent", True, Reason.SHARED_COMPONENT.value, message
    return "SharedComponent", False, "NotShared", ""


def _budget(facts: Facts) -> _Item:
    exhausted = budget_exhausted(facts)
    reason = "Exhausted" if exhausted else "Available"
    return "BudgetExhausted", exhausted, reason, budget_text(facts) if exhausted else ""


def _fleet(facts: Facts, decision: Decision) -> _Item:
    if decision.pending and facts.fleet:
        return "FleetFrozen", True, Reason.FLEET_FROZEN.value, facts.fleet
    return "FleetFrozen", False, "NotFrozen", ""
