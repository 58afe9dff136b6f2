"""Rule 2: every sample outside of the bounds over `for`, enough of them, without a gap."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    State,
)
from model_rollout.analysis.values import (
    Evidence,
    MetricClass,
    MetricRule,
    classify,
    metric_rule,
    observe,
)
from model_rollout.api.rollout import MetricAction, ModelRolloutSpec

RULE = MetricRule(
    name="accuracy",
    query="accuracy",
    low=0.85,
    high=None,
    hold_for=300.0,
    pace=30.0,
    no_data_after=900.0,
    discard=0.0,
    action=MetricAction.ROLLBACK,
)
GOOD, BAD = 0.95, 0.5
ANSWERS = {
    "no data": NoData("empty"),
    "several series": Ambiguous("2 series"),
    "error": QueryError(ErrorKind.TIMEOUT, "late"),
}


def judged(
    results: Iterable[QueryResult], rule: MetricRule = RULE, start: float = 0.0
) -> MetricClass:
    return classify(gathered(results, rule, start), rule)


def gathered(
    results: Iterable[QueryResult], rule: MetricRule = RULE, start: float | None = 0.0
) -> Evidence:
    evidence = Evidence(created=0.0, start=start)
    for result in results:
        evidence = observe(evidence, rule, result)
    return evidence


def samples(value: float, times: Iterable[float]) -> list[QueryResult]:
    return [Sample(time, value) for time in times]


def every(step: int, until: int, start: int = 0) -> range:
    return range(start, until + 1, step)


def test_one_bad_sample_is_suspect() -> None:
    assert judged([Sample(0.0, BAD)]) is MetricClass.SUSPECT


def test_first_bad_sample_decides_where_for_is_zero() -> None:
    assert judged([Sample(0.0, BAD)], replace(RULE, hold_for=0.0)) is MetricClass.BREACHED


@pytest.mark.parametrize(
    ("until", "expected"), [(270, MetricClass.SUSPECT), (300, MetricClass.BREACHED)]
)
def test_breach_takes_all_of_for(until: int, expected: MetricClass) -> None:
    assert judged(samples(BAD, every(30, until))) is expected


@pytest.mark.parametrize(
    ("value", "inside"),
    [(0.2, True), (0.8, True), (0.5, True), (0.19, False), (0.81, False)],
)
def test_bounds_themselves_are_inside(value: float, inside: bool) -> None:
    assert replace(RULE, low=0.2, high=0.8).inside(value) is inside


def test_one_good_sample_clears() -> None:
    bad = samples(BAD, every(30, 290))
    assert judged([*bad, Sample(300.0, GOOD), Sample(330.0, BAD)]) is MetricClass.SUSPECT


@pytest.mark.parametrize(
    ("missing", "expected"), [(5, MetricClass.BREACHED), (6, MetricClass.SUSPECT)]
)
def test_four_fifths_of_the_expected_samples_must_be_there(
    missing: int, expected: MetricClass
) -> None:
    longer = replace(RULE, hold_for=600.0)
    lost = range(60, 60 * missing + 1, 60)
    assert judged(samples(BAD, (t for t in every(30, 600) if t not in lost)), longer) is expected


def test_gap_begins_the_streak_anew() -> None:
    times = [*every(30, 270), *every(30, 500, 400)]
    assert judged(samples(BAD, times)) is MetricClass.SUSPECT


def test_gap_within_a_fifth_of_for_does_not() -> None:
    long = replace(RULE, hold_for=1500.0)
    times = [*every(30, 900), *every(30, 1500, 1170)]
    assert judged(samples(BAD, times), long) is MetricClass.BREACHED


def test_values_that_come_slower_than_the_spec_says_are_judged_by_their_own_pace() -> None:
    assert judged(samples(BAD, every(50, 350))) is MetricClass.BREACHED


def test_one_value_that_is_seen_by_many_checks_is_not_many_samples() -> None:
    hourly = replace(RULE, pace=3600.0, hold_for=0.0)
    assert gathered(samples(GOOD, every(30, 1500)), hourly).checks == 1


def test_hourly_values_breach_after_for() -> None:
    hourly = replace(RULE, pace=3600.0, hold_for=3 * 3600.0)
    assert judged(samples(BAD, every(30, 2 * 3600)), hourly) is MetricClass.SUSPECT
    assert judged(samples(BAD, every(30, 3 * 3600)), hourly) is MetricClass.BREACHED


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("value", [GOOD, BAD])
def test_evidence_is_frozen_without_a_value(answer: QueryResult, value: float) -> None:
    before = gathered(samples(value, every(30, 300)))
    after = observe(before, RULE, answer)
    assert (after.streak, after.checks, after.value) == (before.streak, before.checks, value)
    assert classify(after, RULE) is classify(before, RULE)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_time_without_a_value_does_not_count(answer: QueryResult) -> None:
    silent = [answer] * 20
    assert judged([Sample(0.0, BAD), *silent, Sample(600.0, BAD)]) is MetricClass.SUSPECT


def test_sample_before_the_start_is_shown_and_not_counted() -> None:
    evidence = gathered([Sample(99.0, BAD)], replace(RULE, hold_for=0.0), start=100.0)
    assert (evidence.state, evidence.value, evidence.checks) == (State.BAD, BAD, 0)
    assert classify(evidence, RULE) is MetricClass.CLEAR


def test_nothing_counts_while_nothing_serves() -> None:
    evidence = gathered(samples(BAD, every(30, 900)), RULE, start=None)
    assert (evidence.checks, evidence.streak) == (0, None)


def test_errors_are_counted_in_a_row() -> None:
    error = ANSWERS["error"]
    assert gathered([error, error]).errors == 2
    assert gathered([error, error, NoData("empty"), error]).errors == 1


def test_least_and_greatest_are_kept() -> None:
    evidence = gathered([Sample(0.0, 0.9), Sample(30.0, 0.7), Sample(60.0, 0.8)])
    assert (evidence.least, evidence.greatest, evidence.checks) == (0.7, 0.9, 3)


def spec(metric: dict[str, object], **analysis: str) -> ModelRolloutSpec:
    metrics = [{"name": "m", "query": "rate(x[10m])", "max": 1.0} | metric]
    data = {"targetRef": {"name": "w"}, "metrics": metrics, "analysis": analysis}
    return ModelRolloutSpec.model_validate(data)


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
        ({}, {}, "discard", 600.0),
        ({}, {"warmUp": "20m"}, "discard", 1200.0),
        ({"max": 1.0}, {}, "limit", "<= 1"),
        ({"max": None, "min": 0.85}, {}, "limit", ">= 0.85"),
        ({"min": 0.2}, {}, "limit", "0.2 to 1"),
    ],
)
def test_defaults_of_a_rule(
    metric: dict[str, object], analysis: dict[str, str], field: str, value: object
) -> None:
    found = spec(metric, **analysis)
    assert getattr(metric_rule(found.metrics[0], found), field) == value


VALUES = st.floats(0.0, 1.0)
STEPS = st.floats(1.0, 90.0)


@st.composite
def measurements(draw: st.DrawFn, values: st.SearchStrategy[float] = VALUES) -> list[QueryResult]:
    """Samples with a growing time, and everything else that a check can end in."""
    time, found = 0.0, list[QueryResult]()
    for _ in range(draw(st.integers(0, 40))):
        time += draw(STEPS)
        other = draw(st.none() | st.sampled_from(list(ANSWERS.values())))
        found.append(Sample(time, draw(values)) if other is None else other)
    return found


@given(measurements(st.floats(0.85, 1.0)))
def test_never_breached_when_every_sample_is_inside(results: list[QueryResult]) -> None:
    assert judged(results) is MetricClass.CLEAR


@given(measurements())
def test_never_breached_before_for_has_passed(results: list[QueryResult]) -> None:
    early = [r for r in results if not isinstance(r, Sample) or r.time < RULE.hold_for]
    assert judged(early) is not MetricClass.BREACHED


@given(measurements(), VALUES.filter(lambda value: value < 0.85))
def test_sample_outside_never_clears(results: list[QueryResult], value: float) -> None:
    last = max((r.time for r in results if isinstance(r, Sample)), default=0.0)
    assert judged([*results, Sample(last + 30.0, value)]) is not MetricClass.CLEAR


@given(measurements())
def test_class_is_that_of_the_newest_sample(results: list[QueryResult]) -> None:
    newest = [r for r in results if isinstance(r, Sample)][-1:]
    outside = bool(newest) and not RULE.inside(newest[0].value)
    # A sample that comes too soon after the last one on its side changes nothing, and is on its side.
    assert (judged(results) is not MetricClass.CLEAR) is outside


@given(st.integers(0, 60), st.lists(st.sampled_from((GOOD, BAD)), min_size=1, max_size=60))
def test_evidence_rebuilt_from_the_past_gives_the_same_class(
    lost: int, values: list[float]
) -> None:
    """A new process asks for the samples since the start, in a row, and goes on."""
    past = [Sample(30.0 * i, value) for i, value in enumerate(values)]
    rebuilt = gathered(past[-(3 * 300 // 30) - 1 :])
    following = [Sample(30.0 * (len(values) + i), BAD) for i in range(lost % 12)]
    uninterrupted, again = gathered(past), rebuilt
    for sample in following:
        uninterrupted = observe(uninterrupted, RULE, sample)
        again = observe(again, RULE, sample)
    assert classify(again, RULE) is classify(uninterrupted, RULE)
