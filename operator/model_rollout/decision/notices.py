"""Which Events a check emits, read off the difference between two statuses."""

from dataclasses import dataclass

from model_rollout.analysis.values import MetricClass
from model_rollout.api.rollout import MetricAction, ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason

_GOOD_ENDS = frozenset({Reason.SUCCEEDED, Reason.UNQUARANTINED, Reason.SWITCH_FLIPPED})
_CALM = frozenset({Action.RECORD, Action.SERVE, Action.PROMOTE, Action.APPLY, Action.NOTE})


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event to be: `warning` or not, a reason, what was done, and a sentence."""

    warning: bool
    reason: str
    action: str
    note: str


def notices(
    spec: ModelRolloutSpec,
    before: ModelRolloutStatus,
    after: ModelRolloutStatus,
    decision: Decision,
) -> tuple[Notice, ...]:
    """Return the Events that tell people what changed."""
    found = []
    if after.last_decision != before.last_decision:
        found.append(
            Notice(_is_warning(decision), decision.reason, decision.action, decision.message)
        )
    if decision.reason is not Reason.METRICS_UNAVAILABLE:
        found += _availability(before, after)
    return (*found, *_notified_breaches(spec, before, after))


def _is_warning(decision: Decision) -> bool:
    if decision.reason in _GOOD_ENDS:
        return False
    return decision.action not in _CALM or decision.reason is Reason.UNQUARANTINE_REFUSED


def _availability(before: ModelRolloutStatus, after: ModelRolloutStatus) -> list[Notice]:
    old = next((c.status for c in before.conditions if c.type == "MetricsAvailable"), None)
    new = next((c for c in after.conditions if c.type == "MetricsAvailable"), None)
    if new is None or new.status == old or (old is None and new.status != "False"):
        return []
    if new.status == "True" and old != "False":
        return []
    return [Notice(new.status == "False", f"Metrics{new.reason}", "Measure", new.message)]


def _notified_breaches(
    spec: ModelRolloutSpec, before: ModelRolloutStatus, after: ModelRolloutStatus
) -> list[Notice]:
    watched = {m.name for m in spec.metrics if m.action is MetricAction.NOTIFY}
    old = {metric.name: metric.class_ for metric in before.metrics}
    return [
        Notice(True, Reason.METRIC_BREACHED, "Notify", metric.message)
        for metric in after.metrics
        if metric.name in watched
        and metric.class_ == MetricClass.BREACHED
        and old.get(metric.name) != MetricClass.BREACHED
    ]
