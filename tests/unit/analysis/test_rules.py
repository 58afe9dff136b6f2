"""From a metric to its rule: every default, every limit."""

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from model_rollout.analysis.count_rule import CountRule, Role
from model_rollout.analysis.detector import OneSample, TwoSample
from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.rules import Record, metric_rule, recorded_rate, unusable_rule
from model_rollout.analysis.templates import resolve
from unit.analysis.exporters import BAD_TOTAL, GOOD_BAD, GOOD_TOTAL, VALUES, rule_of, spec

VALUE: dict[str, object] = {"query": "rate(x[10m])", "max": 1.0}
HISTOGRAM: dict[str, object] = {"histogram": {"metric": 'x_seconds_bucket{a="b"}'}, "max": 0.8}
WORKLOAD: dict[str, object] = {
    "counts": {"bad": 'bad{app="{{workload}}"}', "total": 'total{app="{{workload}}"}'},
    "baseline": {"from": "Workload", "ref": {"name": "stable"}, "maxRatio": 1.5},
}


def stable(**baseline: float) -> dict[str, object]:
    counts = {"bad": "bad", "total": "total"}
    return {"counts": counts, "baseline": {"from": "StableRevision"} | baseline}


@pytest.mark.parametrize(
    ("metric", "analysis", "field", "value"),
    [
        ({}, {}, "hold_for", 300.0),
        ({}, {"interval": "5m"}, "hold_for", 900.0),
        ({"for": "0s"}, {}, "hold_for", 0.0),
        ({}, {}, "pace", 30.0),
        ({"every": "1h"}, {}, "pace", 3600.0),
        ({"every": "1s"}, {}, "pace", 30.0),
        ({}, {}, "no_data_after", 900.0),
        ({"every": "1h"}, {}, "no_data_after", 7200.0),
        ({"noDataAfter": "1m"}, {}, "no_data_after", 60.0),
        ({"sampleTime": "made", "maxAge": "30h"}, {}, "no_data_after", 108000.0),
        ({"sampleTime": "made", "maxAge": "30h", "noDataAfter": "1h"}, {}, "no_data_after", 3600.0),
        ({}, {}, "max_age", 300.0),
        ({"every": "24h"}, {}, "max_age", 172800.0),
        ({"maxAge": "30h"}, {}, "max_age", 108000.0),
        ({}, {}, "discard", 600.0),
        ({}, {"warmUp": "20m"}, "discard", 1200.0),
        ({"delay": "72h"}, {}, "discard", 259200.0),
        ({}, {}, "limit", "<= 1"),
        ({"max": None, "min": 0.85}, {}, "limit", ">= 0.85"),
        ({"min": 0.2}, {}, "limit", "0.2 to 1"),
    ],
)
def test_defaults_of_values(
    metric: dict[str, object], analysis: dict[str, object], field: str, value: object
) -> None:
    assert getattr(rule_of(VALUE | metric, **analysis), field) == value


@pytest.mark.parametrize(
    ("metric", "analysis", "field", "value"),
    [
        ({}, {}, "hold_for", 0.0),
        ({"for": "5m"}, {}, "hold_for", 300.0),
        ({}, {}, "pace", 30.0),
        ({"every": "24h"}, {}, "pace", 86400.0),
        ({"every": "1s"}, {}, "pace", 30.0),
        ({}, {}, "min_checks", 4),
        ({"every": "5m"}, {}, "min_checks", 4),
        ({"every": "6m"}, {}, "min_checks", 2),
        ({"every": "1h"}, {}, "min_checks", 2),
        ({"every": "24h"}, {}, "min_checks", 1),
        ({"minChecks": 9}, {}, "min_checks", 9),
        ({}, {}, "no_data_after", 900.0),
        ({"every": "24h"}, {}, "no_data_after", 172800.0),
        ({"noDataAfter": "1m"}, {}, "no_data_after", 60.0),
        ({}, {}, "discard", 120.0),
        ({"delay": "72h"}, {}, "discard", 259200.0),
        ({"delay": "1m"}, {}, "discard", 120.0),
        ({}, {}, "lookback", 300.0),
        ({}, {"interval": "5m"}, "lookback", 660.0),
        ({}, {}, "limit", ">= 0.85"),
        ({}, {}, "of_good", True),
    ],
)
def test_defaults_of_counts(
    metric: dict[str, object], analysis: dict[str, object], field: str, value: object
) -> None:
    assert getattr(rule_of(GOOD_TOTAL | metric, **analysis), field) == value


def count_rule(metric: dict[str, object], record: Record | None = None) -> CountRule:
    rule = rule_of(metric, record=record)
    assert isinstance(rule, CountRule)
    return rule


def limit_of(rule: CountRule) -> float:
    assert rule.design is not None
    assert isinstance(rule.design.hypothesis, OneSample)
    return rule.design.hypothesis.limit


def test_versioned_metric_needs_no_delay() -> None:
    versioned = {"counts": {"good": 'g{v="{{revision}}"}', "total": 't{v="{{revision}}"}'}}
    found = spec(GOOD_TOTAL | versioned | {"delay": "72h"})
    resolved = resolve(found.metrics[0], {}, replace(VALUES, revision=3))
    assert not isinstance(resolved, Problem)
    rule = metric_rule(resolved, found, None)
    assert isinstance(rule, CountRule)
    assert rule.discard == 120.0


@pytest.mark.parametrize(
    ("metric", "roles", "limit"),
    [
        (GOOD_TOTAL, (Role.GOOD, Role.TOTAL), 0.15),
        (BAD_TOTAL, (Role.BAD, Role.TOTAL), 0.15),
        (GOOD_BAD, (Role.GOOD, Role.BAD), 0.15),
        (GOOD_BAD | {"max": None, "min": 0.9}, (Role.GOOD, Role.BAD), 0.1),
        (HISTOGRAM, (Role.GOOD, Role.TOTAL), 0.05),
    ],
)
def test_what_is_counted(metric: dict[str, object], roles: tuple[Role, Role], limit: float) -> None:
    rule = count_rule(metric)
    assert (rule.pairs[0].first, rule.pairs[0].second) == roles
    assert limit_of(rule) == pytest.approx(limit)


def test_histogram_is_read_from_two_of_its_buckets() -> None:
    at_limit, all_of_them = (question.promql for question in count_rule(HISTOGRAM).questions)
    assert at_limit.startswith('x_seconds_bucket{a="b",le=~"')
    assert all_of_them == 'x_seconds_bucket{a="b",le="+Inf"}'


@pytest.mark.parametrize(
    ("metric", "record", "limit"),
    [
        (BAD_TOTAL, None, "<= 0.15"),
        (GOOD_TOTAL, None, ">= 0.85"),
        (HISTOGRAM, None, "<= 5 % above 0.8"),
        (WORKLOAD, None, "<= 1.5 x stable"),
        (stable(maxWorse=0.02), None, "none yet"),
        (stable(maxWorse=0.02), Record(30.0, 1000.0), "<= 0.05"),
    ],
)
def test_limit_as_people_write_it(
    metric: dict[str, object], record: Record | None, limit: str
) -> None:
    assert count_rule(metric, record).limit == limit


def test_other_workload_is_asked_the_same() -> None:
    rule = count_rule(WORKLOAD)
    asked = [question.promql for question in rule.questions]
    assert asked == ['bad{app="w"}', 'total{app="w"}', 'bad{app="stable"}', 'total{app="stable"}']
    assert rule.design is not None
    assert rule.design.hypothesis == TwoSample(1.5)
    assert rule.min_checks == 6


def test_without_a_stable_revision_there_is_no_limit_yet() -> None:
    assert count_rule(stable(maxWorse=0.02)).design is None


@pytest.mark.parametrize(
    ("baseline", "record", "limit"),
    [
        ({"maxWorse": 0.02}, Record(30.0, 1000.0), 0.05),
        ({"maxRatio": 1.5}, Record(30.0, 1000.0), 0.045),
        ({"maxWorse": 0.02}, Record(0.0, 1000.0), 0.02),
        ({"maxRatio": 2.0}, Record(0.0, 1000.0), 0.002),
        ({"maxWorse": 0.02}, Record(0.0, 200.0), 0.02),
        ({"maxRatio": 1000.0}, Record(900.0, 1000.0), 0.999),
    ],
)
def test_limit_of_a_record(baseline: dict[str, float], record: Record, limit: float) -> None:
    assert limit_of(count_rule(stable(**baseline), record)) == pytest.approx(limit)


def test_rate_of_a_small_record_is_its_lower_bound() -> None:
    bound = recorded_rate(Record(30.0, 300.0))
    # The bound is the rate that a one-sided score test just does not reject at 5 %.
    score = (0.1 - bound) / math.sqrt(bound * (1.0 - bound) / 300.0)
    assert NormalDist().cdf(score) == pytest.approx(0.95)
    assert recorded_rate(Record(0.0, 999.0)) == 0.0
    assert recorded_rate(Record(100.0, 1000.0)) == 0.1


@pytest.mark.parametrize("total", [0.0, 199.0])
def test_record_of_too_few_outcomes_asks_for_a_limit(total: float) -> None:
    found = spec(stable(maxWorse=0.02))
    resolved = resolve(found.metrics[0], {}, VALUES)
    assert not isinstance(resolved, Problem)
    rule = metric_rule(resolved, found, Record(0.0, total))
    assert isinstance(rule, Problem)
    assert "write min or max instead of baseline" in rule.message


@pytest.mark.parametrize(
    ("others", "metrics"),
    [
        ((), 1),
        (({"name": "b"} | BAD_TOTAL,), 2),
        (({"name": "b"} | BAD_TOTAL | {"action": "Notify"},), 1),
        (({"name": "b"} | VALUE,), 1),
        (({"name": "b", "templateRef": {"name": "t"}},), 2),
    ],
    ids=["alone", "another one", "that only notifies", "a value", "of a template"],
)
def test_metrics_that_roll_back_share_the_allowed_rate(
    others: tuple[dict[str, object], ...], metrics: int
) -> None:
    rule = rule_of(GOOD_TOTAL, *others)
    assert isinstance(rule, CountRule)
    assert rule.design is not None
    assert rule.design.metrics == metrics
    assert rule.design.decisive() == pytest.approx(math.log(metrics * 100 * 2880))


def test_metric_that_cannot_be_used_asks_nothing() -> None:
    metric = spec(GOOD_TOTAL | {"action": "Notify"}).metrics[0]
    rule = unusable_rule(metric, Problem("there is no MetricTemplate t"))
    assert rule.questions == ()
    assert (rule.name, rule.action, rule.problem) == (
        "accuracy",
        metric.action,
        "there is no MetricTemplate t",
    )
