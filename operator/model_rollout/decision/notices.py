"""Which Events a check emits, read off the difference between two statuses."""

from dataclasses import dataclass

from model_rollout.analysis.report import MetricClass
from model_rollout.api.metric import MetricAction
from model_rollout.api.status import LastDecision, ModelRolloutStatus
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason

_GOOD_ENDS = frozenset({Reason.SUCCEEDED, Reason.UNQUARANTINED, Reason.SWITCH_FLIPPED})
_REFUSED = (Reason.UNQUARANTINE_REFUSED, Reason.APPROVAL_REFUSED)
_CALM = frozenset({Action.RECORD, Action.SERVE, Action.PROMOTE, Action.APPLY, Action.NOTE})


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event to be: `warning` or not, a reason, what was done, and a sentence."""

    warning: bool
    reason: str
    action: str
    note: str
    time: float
    """When it was found out: what happens again later is another Event."""


def notices(facts: Facts, after: ModelRolloutStatus, decision: Decision) -> tuple[Notice, ...]:
    """Return the Events that tell people what changed."""
    before, found = facts.status, []
    if after.last_decision is not None and after.last_decision != before.last_decision:
        found.append(decided(after.last_decision))
    if decision.reason is not Reason.METRICS_UNAVAILABLE:
        found += _availability(before, after)
    return (*found, *_notified_breaches(facts, before, after))


def decided(last: LastDecision) -> Notice:
    """Return the Event of a decision, from what is stored of it: the same after a restart."""
    bad = last.action not in _CALM or last.reason in _REFUSED
    warning = bad and last.reason not in _GOOD_ENDS
    return Notice(warning, last.reason, last.action, last.message, last.time)


def _availability(before: ModelRolloutStatus, after: ModelRolloutStatus) -> list[Notice]:
    old = next((c.status for c in before.conditions if c.type == "MetricsAvailable"), None)
    new = next((c for c in after.conditions if c.type == "MetricsAvailable"), None)
    if new is None or new.status == old or (old is None and new.status != "False"):
        return []
    if new.reason == Reason.PROMETHEUS_UNKNOWN:
        return []  # a decision of its own says so
    if new.status == "True" and old != "False":
        return []
    warning, since = new.status == "False", new.last_transition_time
    return [Notice(warning, f"Metrics{new.reason}", "Measure", new.message, since)]


def _notified_breaches(
    facts: Facts, before: ModelRolloutStatus, after: ModelRolloutStatus
) -> list[Notice]:
    watched = {r.name for r in facts.reports if r.action is MetricAction.NOTIFY}
    old = {metric.name: metric.class_ for metric in before.metrics}
    return [
        Notice(True, Reason.METRIC_BREACHED, "Notify", metric.message, facts.now)
        for metric in after.metrics
        if metric.name in watched
        and metric.class_ == MetricClass.BREACHED
        and old.get(metric.name) != MetricClass.BREACHED
    ]
