"""Whether the limits of a metric fit what it measures.

The API server has checked what stands in one object. A metric that takes its measurement from a
MetricTemplate and its limit from a ModelRollout is checked here, by the same rules and with the
same sentences.
"""

from collections.abc import Callable

from model_rollout.api import metric_rules
from model_rollout.api.metric import Metric


def limit_problem(metric: Metric) -> str:
    """Return what is wrong with the limits of a metric, as a sentence; empty when nothing is."""
    return next((sentence for wrong, sentence in _CHECKS if wrong(metric)), "")


def _limits(metric: Metric) -> tuple[float, ...]:
    return tuple(limit for limit in (metric.min, metric.max) if limit is not None)


def _counts(metric: Metric, *names: str) -> bool:
    """Tell whether the metric counts these outcomes."""
    counts = metric.counts
    return counts is not None and all(getattr(counts, name) is not None for name in names)


_CHECKS: tuple[tuple[Callable[[Metric], bool], str], ...] = (
    (
        lambda m: not _limits(m) and m.baseline is None,
        "the template leaves the limit open: write min or max beside templateRef",
    ),
    (lambda m: _counts(m, "good", "total") and m.max is not None, metric_rules.GOOD_HAS_MIN),
    (lambda m: _counts(m, "bad", "total") and m.min is not None, metric_rules.BAD_HAS_MAX),
    (lambda m: _counts(m) and len(_limits(m)) == 2, metric_rules.ONE_LIMIT),
    (lambda m: _counts(m) and any(limit >= 1 for limit in _limits(m)), metric_rules.BELOW_ONE),
    (lambda m: _counts(m) and any(limit <= 0 for limit in _limits(m)), metric_rules.ABOVE_ZERO),
    (lambda m: m.histogram is not None and m.min is not None, metric_rules.UPPER_ONLY),
    (lambda m: m.histogram is not None and m.max is None, metric_rules.NEEDS_MAX),
    (
        lambda m: m.histogram is not None and m.max is not None and m.max <= 0,
        metric_rules.MAX_ABOVE_ZERO,
    ),
    (
        lambda m: m.min is not None and m.max is not None and m.min > m.max,
        metric_rules.MIN_ABOVE_MAX,
    ),
)
