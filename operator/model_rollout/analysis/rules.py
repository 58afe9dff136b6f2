"""From a resolved metric to the rule that judges it: all defaults filled in, the limit found."""

import math
from dataclasses import dataclass

from model_rollout.analysis.count_rule import HOUR, CountRule, Pair, Role
from model_rollout.analysis.detector import Design, Hypothesis, OneSample, TwoSample
from model_rollout.analysis.histogram import ALL, at_most
from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.promql import longest_range, with_matcher
from model_rollout.analysis.templates import ResolvedMetric
from model_rollout.analysis.values import ValueRule
from model_rollout.api.metric import Baseline, BaselineFrom, Metric, MetricAction
from model_rollout.api.rollout import ModelRolloutSpec

CERTAIN = 1000.0
"""A rate that was recorded on so many outcomes is taken as it is."""

FEWEST = 200.0
"""A rate that was recorded on fewer outcomes is no baseline."""

_Z = 1.6448536269514722
"""The 95 % quantile of the normal distribution."""

_LOOKBACK = 300.0
_LEAST_AGE = 300.0
_LEAST_SILENCE = 900.0
_AGAINST_WORKLOAD = 6
_CERTAINLY_BAD = 0.999
_LONGEST_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Record:
    """What was counted of a revision while it served."""

    bad: float
    total: float


def metric_rule(
    resolved: ResolvedMetric, spec: ModelRolloutSpec, record: Record | None
) -> ValueRule | CountRule | Problem:
    """Return the rule of one metric.

    Args:
        resolved: The metric, without template and placeholders.
        spec: What defaults come from.
        record: What was counted of the newest other Stable revision; None when there is none.

    Returns:
        A Problem, as a sentence that does not name the metric, when there is no usable limit.
    """
    metric = resolved.metric
    if metric.query is not None:
        return _value_rule(metric, metric.query, resolved, spec)
    null = _hypothesis(metric, record)
    if isinstance(null, Problem):
        return null
    return _count_rule(resolved, spec, null)


def unusable_rule(metric: Metric, problem: Problem) -> CountRule:
    """Return the rule of a metric that cannot be judged: it asks nothing and says why."""
    pace = metric.every or 0.0
    return CountRule(
        name=metric.name,
        action=metric.action,
        on_no_data=metric.on_no_data,
        pairs=(),
        base_name="",
        design=None,
        of_good=False,
        limit="",
        bound=None,
        buckets="",
        group=(),
        hold_for=0.0,
        pace=pace,
        no_data_after=metric.no_data_after or max(_LEAST_SILENCE, 2 * pace),
        discard=0.0,
        lookback=_LOOKBACK,
        problem=problem.message,
        passing=problem.passing,
    )


def _value_rule(
    metric: Metric, query: str, resolved: ResolvedMetric, spec: ModelRolloutSpec
) -> ValueRule:
    interval = spec.analysis.interval
    pace = max(metric.every or 0.0, interval)
    max_age = metric.max_age or max(_LEAST_AGE, 2 * pace)
    # A value that may be old is not silent while it is not too old.
    age = max_age if metric.sample_time is not None else 0.0
    # Also of a versioned metric: its range may reach back to when the revision served before.
    discard = max(spec.analysis.warm_up, longest_range(query), _delay(resolved))
    return ValueRule(
        name=metric.name,
        query=query,
        sample_time=metric.sample_time,
        low=metric.min,
        high=metric.max,
        hold_for=max(300.0, 3 * interval) if metric.for_ is None else metric.for_,
        pace=pace,
        max_age=max_age,
        no_data_after=metric.no_data_after or max(_LEAST_SILENCE, 2 * pace, age),
        discard=discard,
        action=metric.action,
        on_no_data=metric.on_no_data,
        group=resolved.group,
    )


def _delay(resolved: ResolvedMetric) -> float:
    """What a versioned metric selects is of this revision, however late it comes."""
    return 0.0 if resolved.versioned else resolved.metric.delay or 0.0


def _count_rule(
    resolved: ResolvedMetric, spec: ModelRolloutSpec, null: Hypothesis | None
) -> CountRule:
    metric, interval = resolved.metric, spec.analysis.interval
    pace = max(metric.every or 0.0, interval)
    base, compared = resolved.baseline, metric.baseline
    base_name = compared.ref.name if compared is not None and compared.ref is not None else ""
    of_good = metric.counts is not None and metric.min is not None
    return CountRule(
        name=metric.name,
        action=metric.action,
        on_no_data=metric.on_no_data,
        pairs=(_pair(metric),) if base is None else (_pair(metric), _pair(base)),
        base_name=base_name,
        design=_design(metric, spec, null, pace),
        of_good=of_good,
        limit=_limit(metric, null, base_name)[:_LONGEST_LIMIT],
        bound=metric.max if metric.histogram is not None else None,
        buckets=metric.histogram.metric if metric.histogram is not None else "",
        group=resolved.group,
        hold_for=metric.for_ or 0.0,
        pace=pace,
        no_data_after=metric.no_data_after or max(_LEAST_SILENCE, 2 * pace),
        discard=max(spec.analysis.warm_up, _delay(resolved)),
        lookback=max(_LOOKBACK, 2 * interval + 60.0),
    )


def _design(
    metric: Metric, spec: ModelRolloutSpec, null: Hypothesis | None, pace: float
) -> Design | None:
    if null is None:
        return None
    return Design(
        hypothesis=null,
        pace=pace,
        metrics=max(_sharing(spec), 1),
        false_rollback_every=spec.analysis.false_rollback_every,
        min_checks=metric.min_checks or _min_checks(null, pace),
    )


def _sharing(spec: ModelRolloutSpec) -> int:
    """Return how many metrics share the allowed rate of false rollbacks."""
    return sum(m.query is None and m.action is MetricAction.ROLLBACK for m in spec.metrics)


def _min_checks(null: Hypothesis, pace: float) -> int:
    if isinstance(null, TwoSample):
        return _AGAINST_WORKLOAD
    if pace <= 300.0:
        return 4
    return 2 if pace <= HOUR else 1


def _pair(metric: Metric) -> Pair:
    if metric.histogram is not None:
        assert metric.max is not None  # the schema and `limits.py` ask for it
        buckets = metric.histogram.metric
        at_limit = with_matcher(buckets, at_most(metric.max))
        return Pair(Role.GOOD, Role.TOTAL, at_limit, with_matcher(buckets, ALL))
    counts = metric.counts
    assert counts is not None  # the schema asks for one of query, counts and histogram
    if counts.good is not None and counts.bad is not None:
        return Pair(Role.GOOD, Role.BAD, counts.good, counts.bad)
    assert counts.total is not None
    if counts.good is not None:
        return Pair(Role.GOOD, Role.TOTAL, counts.good, counts.total)
    assert counts.bad is not None
    return Pair(Role.BAD, Role.TOTAL, counts.bad, counts.total)


def _hypothesis(metric: Metric, record: Record | None) -> Hypothesis | Problem | None:
    """Return what the evidence is against; None when there is no limit yet."""
    if metric.baseline is not None:
        return _compared(metric.baseline, record)
    if metric.histogram is not None:
        return OneSample(1.0 - metric.histogram.quantile)
    if metric.min is not None:
        return OneSample(1.0 - metric.min)
    assert metric.max is not None
    return OneSample(metric.max)


def _compared(baseline: Baseline, record: Record | None) -> Hypothesis | Problem | None:
    if baseline.from_ is BaselineFrom.WORKLOAD:
        assert baseline.max_ratio is not None
        return TwoSample(baseline.max_ratio)
    if record is None:
        return None
    if record.total < FEWEST:
        return Problem(
            f"the stable revision was recorded on {record.total:,.0f} outcomes, fewer than "
            f"{FEWEST:.0f}: too few to compare with, so write min or max instead of baseline"
        )
    rate = recorded_rate(record)
    if baseline.max_worse is not None:
        limit = rate + baseline.max_worse
    else:
        assert baseline.max_ratio is not None
        # Where nothing bad was recorded, less than one bad outcome in the record was not seen.
        limit = max(rate, 1.0 / record.total) * baseline.max_ratio
    return OneSample(min(limit, _CERTAINLY_BAD))


def recorded_rate(record: Record) -> float:
    """Return the bad rate of a record: below 1,000 outcomes the lower 95 % bound.

    The bound is Wilson's score bound, one-sided (Wilson 1927; Brown, Cai, DasGupta 2001).
    """
    share, count = min(record.bad / record.total, 1.0), record.total
    if count >= CERTAIN:
        return share
    spread = _Z * math.sqrt(share * (1.0 - share) / count + _Z**2 / (4.0 * count**2))
    return max((share + _Z**2 / (2.0 * count) - spread) / (1.0 + _Z**2 / count), 0.0)


def _limit(metric: Metric, null: Hypothesis | None, base_name: str) -> str:
    if null is None:
        return "none yet"
    above = f" above {metric.max:g}" if metric.histogram is not None else ""
    if isinstance(null, TwoSample):
        return f"<= {null.ratio:g} x {base_name}{above}"
    if metric.histogram is not None:
        return f"<= {100 * null.limit:.3g} %{above}"
    return f">= {metric.min:g}" if metric.min is not None else f"<= {null.limit:.4g}"
