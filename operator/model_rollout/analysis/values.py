"""Rule 2: values only (means, PSI, plain gauges).

A metric is breached when every fresh sample over `for` is outside the bounds and at least 80 % of
the samples expected at its pace are present. Time without data does not count: a gap begins the
streak anew. `docs/decision-rule.md` explains why `for` is not a count of consecutive checks.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from model_rollout.analysis.measurement import (
    Ambiguous,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    State,
)
from model_rollout.analysis.promql import longest_range
from model_rollout.api.rollout import Metric, MetricAction, ModelRolloutSpec

PRESENT = 0.8
"""Share of the expected samples that must be present in a streak."""

ERRORS_IN_A_ROW = 3
"""So many failed checks in a row make a metric unavailable."""

_GAP_PACES = 2.5
_GAP_SHARE = 0.2
_KEPT_GAPS = 15


class MetricClass(StrEnum):
    """What the evidence of a metric says so far."""

    CLEAR = "Clear"
    SUSPECT = "Suspect"
    BREACHED = "Breached"


@dataclass(frozen=True, slots=True)
class MetricRule:
    """One metric of a spec with all defaults filled in. Durations in seconds."""

    name: str
    query: str
    low: float | None
    high: float | None
    hold_for: float
    pace: float
    no_data_after: float
    discard: float
    """Samples are discarded for this long after a revision begins to serve."""
    action: MetricAction

    def inside(self, value: float) -> bool:
        """Tell whether a value is acceptable; the bounds themselves are."""
        above = self.low is None or value >= self.low
        return above and (self.high is None or value <= self.high)

    @property
    def limit(self) -> str:
        """The bounds as people write them: `>= 0.85`, or `0.2 to 0.8`."""
        if self.low is None:
            return f"<= {self.high:g}"
        if self.high is None:
            return f">= {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


def metric_rule(metric: Metric, spec: ModelRolloutSpec) -> MetricRule:
    """Return the rule of one metric, defaults filled in from the rest of the spec."""
    interval = spec.analysis.interval
    pace = max(metric.every or 0.0, interval)
    return MetricRule(
        name=metric.name,
        query=metric.query,
        low=metric.min,
        high=metric.max,
        hold_for=max(300.0, 3 * interval) if metric.for_ is None else metric.for_,
        pace=pace,
        no_data_after=(
            max(900.0, 2 * pace) if metric.no_data_after is None else metric.no_data_after
        ),
        discard=max(spec.analysis.warm_up, longest_range(metric.query)),
        action=metric.action,
    )


@dataclass(frozen=True, slots=True)
class Streak:
    """Samples in a row on one side of the bounds."""

    bad: bool
    since: float
    last: float
    count: int
    gaps: tuple[float, ...] = ()
    """Seconds between the latest samples."""

    @property
    def span(self) -> float:
        """Seconds from the first sample to the last."""
        return self.last - self.since

    @property
    def spacing(self) -> float:
        """The usual time between two samples: new ones may come less often than the spec says."""
        return sorted(self.gaps)[(len(self.gaps) - 1) // 2] if self.gaps else 0.0

    def covers(self, length: float, pace: float) -> bool:
        """Tell whether the streak lasts `length` seconds with enough of the expected samples."""
        if self.span + 1e-3 < length:
            return False
        return self.count >= PRESENT * (self.span // max(pace, self.spacing))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of one metric for one serving revision. All times since the epoch."""

    created: float
    """When measuring began: `noDataAfter` counts from here until there is data."""
    start: float | None = None
    """Samples before this time are shown and not counted; None while nothing serves."""
    state: State = State.NO_DATA
    detail: str = "not measured yet"
    value: float | None = None
    answered: float | None = None
    """When there was last a value, counted or not."""
    streak: Streak | None = None
    checks: int = 0
    least: float | None = None
    greatest: float | None = None
    errors: int = 0


def observe(evidence: Evidence, rule: MetricRule, result: QueryResult) -> Evidence:
    """Return the evidence after one more measurement. Without a value it is frozen."""
    match result:
        case Sample():
            return _count(_show(evidence, rule, result), rule, result)
        case NoData(reason):
            return replace(evidence, state=State.NO_DATA, detail=reason, errors=0)
        case Ambiguous(reason):
            return replace(evidence, state=State.AMBIGUOUS, detail=reason, errors=0)
        case QueryError(kind, detail):
            text = f"{kind.value}: {detail}" if detail else kind.value
            return replace(evidence, state=State.ERROR, detail=text, errors=evidence.errors + 1)


def _show(evidence: Evidence, rule: MetricRule, sample: Sample) -> Evidence:
    state = State.GOOD if rule.inside(sample.value) else State.BAD
    return replace(
        evidence,
        state=state,
        detail="",
        value=sample.value,
        answered=sample.time,
        errors=0,
    )


def _count(evidence: Evidence, rule: MetricRule, sample: Sample) -> Evidence:
    if evidence.start is None or sample.time < evidence.start:
        return evidence
    streak = _extend(evidence.streak, rule, sample)
    if streak is evidence.streak:
        return evidence
    least, greatest = evidence.least, evidence.greatest
    return replace(
        evidence,
        streak=streak,
        checks=evidence.checks + 1,
        least=sample.value if least is None else min(least, sample.value),
        greatest=sample.value if greatest is None else max(greatest, sample.value),
    )


def _extend(streak: Streak | None, rule: MetricRule, sample: Sample) -> Streak:
    bad = not rule.inside(sample.value)
    fresh = Streak(bad, sample.time, sample.time, 1)
    if streak is None or streak.bad != bad:
        return fresh
    gap = sample.time - streak.last
    if gap < 0.5 * rule.pace:
        # Checks can come faster than new values do: one value is not two samples.
        return streak
    if gap > max(_GAP_PACES * rule.pace, _GAP_SHARE * rule.hold_for):
        return fresh
    gaps = (*streak.gaps, gap)[-_KEPT_GAPS:]
    return replace(streak, last=sample.time, count=streak.count + 1, gaps=gaps)


def classify(evidence: Evidence, rule: MetricRule) -> MetricClass:
    """Return the class: Breached by the rule, Suspect while the newest counted sample is outside."""
    streak = evidence.streak
    if streak is None or not streak.bad:
        return MetricClass.CLEAR
    if streak.covers(rule.hold_for, rule.pace):
        return MetricClass.BREACHED
    return MetricClass.SUSPECT
