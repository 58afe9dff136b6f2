"""One metric over the period: what was measured, what was allowed, and how strong the evidence was."""

import math
from array import array
from dataclasses import dataclass, field

from model_rollout.analysis.count_evidence import CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.detector import OneSample
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.analysis.values import ValueEvidence, ValueRule
from model_rollout.backtest.episodes import PlainThreshold
from model_rollout.engine.memory import Measured

NAN = math.nan
PLAIN = (1, 3)
"""Samples in a row outside the bounds, of the plain thresholds that are shown beside the policy."""


def _numbers() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Trace:
    """One metric, with one entry for each check. What is not known is NaN."""

    name: str
    limit: str = ""
    """What is acceptable, as people write it; of the last revision."""
    is_counted: bool = False
    """It has outcomes, whose values can be pooled."""
    times: "array[float]" = field(default_factory=_numbers)
    """Seconds since the epoch."""
    values: "array[float]" = field(default_factory=_numbers)
    """A value; of outcomes, the share of good (or bad) ones since the check before."""
    weights: "array[float]" = field(default_factory=_numbers)
    """Outcomes since the check before; 1 for a value."""
    lows: "array[float]" = field(default_factory=_numbers)
    highs: "array[float]" = field(default_factory=_numbers)
    shares: "array[float]" = field(default_factory=_numbers)
    """Strength of the evidence as a share of the strength that decides; 0 without evidence."""
    plain: tuple[PlainThreshold, ...] = field(
        default_factory=lambda: tuple(PlainThreshold(count) for count in PLAIN)
    )
    checks_with_data: int = 0
    gaps: list[tuple[float, float | None]] = field(default_factory=list)
    """Times without data for longer than `noDataAfter`; from the last data on."""
    _origin: tuple[float, float | None] = (0.0, None)
    _seen: tuple[float, float] = (0.0, 0.0)
    """Bad and all outcomes of the serving period that were taken in."""
    _newest: float | None = None
    _data: float | None = None

    @property
    def share(self) -> float:
        """The strength at the last check, as a share of the strength that decides."""
        return self.shares[-1] if self.shares else 0.0

    def note(self, now: float, measured: Measured, report: MetricReport) -> None:
        """Take in one check."""
        self.limit = report.limit
        rule, evidence = measured.rule, measured.evidence
        if isinstance(rule, ValueRule) and isinstance(evidence, ValueEvidence):
            entry = self._value(rule, evidence, report)
        else:
            assert isinstance(rule, CountRule)
            assert isinstance(evidence, CountEvidence)
            entry = self._outcomes(rule, evidence, report, now)
        self.times.append(now)
        value, weight, low, high, share = entry
        self.values.append(value)
        self.weights.append(weight)
        self.lows.append(low)
        self.highs.append(high)
        self.shares.append(share)
        self._note_data(now, report)

    def _value(
        self, rule: ValueRule, evidence: ValueEvidence, report: MetricReport
    ) -> tuple[float, float, float, float, float]:
        value = report.value if report.answered and report.value is not None else NAN
        if report.answered and evidence.newest != self._newest and evidence.newest is not None:
            self._newest = evidence.newest
            self._judge(evidence.newest, report, outside=not rule.inside(value))
        low = NAN if rule.low is None else rule.low
        high = NAN if rule.high is None else rule.high
        return value, 1.0, low, high, _share_of_streak(rule, evidence)

    def _outcomes(
        self, rule: CountRule, evidence: CountEvidence, report: MetricReport, now: float
    ) -> tuple[float, float, float, float, float]:
        self.is_counted = True
        if (evidence.created, evidence.start) != self._origin:
            # Another revision serves, or the limit changed: counting began anew.
            self._origin = evidence.created, evidence.start
            self._seen = (0.0, 0.0)
        bad, total = report.bad or 0.0, report.total or 0.0
        new_bad, new = bad - self._seen[0], total - self._seen[1]
        low = high = value = NAN
        hypothesis = rule.design.hypothesis if rule.design is not None else None
        limit = hypothesis.limit if isinstance(hypothesis, OneSample) else NAN
        if new > 0.0:
            self._seen = (bad, total)
            rate = min(max(new_bad / new, 0.0), 1.0)
            value = 1.0 - rate if rule.of_good else rate
            if not math.isnan(limit):
                self._judge(now, report, outside=rate > limit)
        if rule.of_good:
            low = 1.0 - limit
        else:
            high = limit
        return value, max(new, 0.0), low, high, _share_of_strength(rule, evidence, now)

    def _judge(self, now: float, report: MetricReport, *, outside: bool) -> None:
        clear = report.metric_class is MetricClass.CLEAR
        for rule in self.plain:
            rule.observe(now, outside=outside, clear=clear)

    def _note_data(self, now: float, report: MetricReport) -> None:
        if report.answered:
            self.checks_with_data += 1
            if self.gaps and self.gaps[-1][1] is None:
                self.gaps[-1] = (self.gaps[-1][0], now)
            self._data = now
        elif report.silent and not (self.gaps and self.gaps[-1][1] is None):
            self.gaps.append((self.times[0] if self._data is None else self._data, None))


def _share_of_strength(rule: CountRule, evidence: CountEvidence, now: float) -> float:
    ledger = evidence.view.current(rule, now)
    if rule.design is None or ledger.strength <= 0.0:
        return 0.0
    return ledger.strength / rule.design.decisive(ledger.spacing)


def _share_of_streak(rule: ValueRule, evidence: ValueEvidence) -> float:
    streak = evidence.streak
    if streak is None or not streak.bad:
        return 0.0
    return 1.0 if rule.hold_for <= 0.0 else min(streak.span / rule.hold_for, 1.0)
