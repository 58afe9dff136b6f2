"""Rule 2: values only (means, PSI, plain gauges).

A metric is breached when every fresh sample over `for` is outside the bounds and at least 80 % of
the samples expected at its pace are present. Time without data does not count: a gap begins the
streak anew. `docs/decision-rule.md` explains why `for` is not a count of consecutive checks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model_rollout.analysis.measurement import (
    Ambiguous,
    Answer,
    Labels,
    NoData,
    QueryError,
    QueryResult,
    Question,
    Sample,
    Shape,
    State,
    Window,
)
from model_rollout.analysis.past import PastQuestion
from model_rollout.analysis.promql import expression_of
from model_rollout.analysis.report import MetricClass as MetricClass
from model_rollout.api.metric import MetricAction, OnNoData

PRESENT = 0.8
"""Share of the expected samples that must be present in a streak."""

STALE = "older than maxAge"
FUTURE = "made in the future"
NOTHING_NEW = "nothing new"

_FUTURE = 60.0
"""Clocks differ by seconds; a value that is further ahead has a wrong time."""

_GAP_PACES = 2.5
_GAP_SHARE = 0.2
_KEPT_GAPS = 15


@dataclass(frozen=True, slots=True)
class ValueRule:
    """One metric with a `query`, all defaults filled in. Durations in seconds."""

    name: str
    query: str
    sample_time: str | None
    """The expression for the time at which the value was made, in seconds since the epoch."""
    low: float | None
    high: float | None
    hold_for: float
    pace: float
    max_age: float
    """An older value is no data; only known with `sample_time`."""
    no_data_after: float
    discard: float
    """Samples are discarded for this long after a revision begins to serve."""
    action: MetricAction
    on_no_data: OnNoData = OnNoData.HOLD
    group: Labels = ()

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

    @property
    def identity(self) -> tuple[object, ...]:
        """What evidence depends on: with another identity it would be other evidence."""
        return self.query, self.sample_time, self.group, self.low, self.high, self.pace

    @property
    def reach(self) -> float:
        """Return how many seconds of the past can still matter to a decision."""
        return 3 * max(self.hold_for, 10 * self.pace)


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
class ValueEvidence:
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
    newest: float | None = None
    """The time of the newest sample that counted."""
    rebuilt: bool = False
    """What was measured before this process is in the evidence, as far as it matters."""


def questions(rule: ValueRule) -> tuple[Question, ...]:
    """Return what to ask Prometheus in this check: the value, and when it was made."""
    asked = (rule.query,) if rule.sample_time is None else (rule.query, rule.sample_time)
    return tuple(Question(promql, Shape.VALUE, group=rule.group) for promql in asked)


def observe(
    evidence: ValueEvidence,
    rule: ValueRule,
    answers: tuple[Answer, ...],
    now: float,
    *,
    counts: bool = True,
) -> ValueEvidence:
    """Return the evidence after one more check. Without a value it is frozen.

    A value is of the time that its sample has; with `sampleTime`, of the time that this gives.
    `counts` false: it is shown and is no evidence.
    """
    match _dated(rule, answers, now):
        case Sample() as sample:
            shown = _show(evidence, rule, sample)
            # The same value, seen once more, is not another sample.
            known = evidence.newest is not None and sample.time <= evidence.newest
            if not counts or (known and rule.sample_time is not None):
                return shown
            return _count(shown, rule, sample)
        case NoData(reason):
            return replace(evidence, state=State.NO_DATA, detail=reason, errors=0)
        case Ambiguous(reason):
            return replace(evidence, state=State.AMBIGUOUS, detail=reason, errors=0)
        case QueryError(kind, detail):
            text = f"{kind.value}: {detail}" if detail else kind.value
            return replace(evidence, state=State.ERROR, detail=text, errors=evidence.errors + 1)


def _dated(rule: ValueRule, answers: tuple[Answer, ...], now: float) -> QueryResult:
    value = _single(answers[0])
    if rule.sample_time is None or not isinstance(value, Sample):
        return value
    match _single(answers[1]):
        case Sample(value=made):
            return _fresh(rule, Sample(made, value.value), now)
        case NoData(reason):
            return NoData(f"sampleTime: {reason}")
        case Ambiguous(reason):
            return Ambiguous(f"{reason} as sampleTime")
        case QueryError() as error:
            return error


def _single(answer: Answer) -> QueryResult:
    return Ambiguous(f"{len(answer.series)} series") if isinstance(answer, Window) else answer


def _fresh(rule: ValueRule, sample: Sample, now: float) -> QueryResult:
    if sample.time > now + _FUTURE:
        return NoData(FUTURE)
    age = now - sample.time
    if age > rule.max_age:
        return NoData(STALE)
    return NoData(NOTHING_NEW) if age >= rule.no_data_after else sample


def _show(evidence: ValueEvidence, rule: ValueRule, sample: Sample) -> ValueEvidence:
    state = State.GOOD if rule.inside(sample.value) else State.BAD
    return replace(
        evidence,
        state=state,
        detail="",
        value=sample.value,
        answered=sample.time,
        errors=0,
    )


def _count(evidence: ValueEvidence, rule: ValueRule, sample: Sample) -> ValueEvidence:
    if evidence.start is None or sample.time < evidence.start:
        return evidence
    evidence = replace(evidence, newest=sample.time)
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


def _extend(streak: Streak | None, rule: ValueRule, sample: Sample) -> Streak:
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


def classify(evidence: ValueEvidence, rule: ValueRule) -> MetricClass:
    """Return the class: Breached by the rule, Suspect while the newest counted sample is outside."""
    streak = evidence.streak
    if streak is None or not streak.bad:
        return MetricClass.CLEAR
    if streak.covers(rule.hold_for, rule.pace):
        return MetricClass.BREACHED
    return MetricClass.SUSPECT


def past(rule: ValueRule, evidence: ValueEvidence, now: float) -> tuple[PastQuestion, ...]:
    """Return what to ask of history: what was measured since the start, as far as it matters."""
    start = evidence.start
    if evidence.rebuilt or evidence.checks or start is None or start >= now:
        return ()
    if evidence.created - start < rule.pace:
        return ()  # it is measured from its start on: nothing was before this process
    begin = max(start, now - rule.reach)
    return tuple(
        PastQuestion(expression_of(question.promql, rule.group), Shape.VALUE, begin, now, rule.pace)
        for question in questions(rule)
    )


def replay(evidence: ValueEvidence, rule: ValueRule, histories: Sequence[object]) -> ValueEvidence:
    """Take in the answers to `past`: the values of each expression, at the same times."""
    answered = [history for history in histories if isinstance(history, tuple)]
    if len(answered) < len(questions(rule)):
        return evidence
    values, *made = ({sample.time: sample for sample in history} for history in answered)
    for time in sorted(values):
        if all(time in times for times in made):
            answers = (values[time], *(times[time] for times in made))
            evidence = observe(evidence, rule, answers, time)
    return replace(evidence, rebuilt=True)
