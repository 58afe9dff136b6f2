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
from model_rollout.analysis.report import MetricClass
from model_rollout.analysis.values import (
    FUTURE,
    NOTHING_NEW,
    STALE,
    ValueEvidence,
    ValueRule,
    classify,
    observe,
    past,
    questions,
    replay,
)
from model_rollout.api.metric import MetricAction

RULE = ValueRule(
    name="accuracy",
    query="accuracy",
    sample_time=None,
    low=0.85,
    high=None,
    hold_for=300.0,
    pace=30.0,
    max_age=300.0,
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
    results: Iterable[QueryResult], rule: ValueRule = RULE, start: float = 0.0
) -> MetricClass:
    return classify(gathered(results, rule, start), rule)


def gathered(
    results: Iterable[QueryResult], rule: ValueRule = RULE, start: float | None = 0.0
) -> ValueEvidence:
    evidence = ValueEvidence(created=0.0, start=start)
    for result in results:
        now = result.time if isinstance(result, Sample) else 0.0
        evidence = observe(evidence, rule, (result,), now)
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
    after = observe(before, RULE, (answer,), 330.0)
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


def test_what_is_shown_without_counting_is_no_evidence() -> None:
    evidence = observe(ValueEvidence(0.0, 0.0), RULE, (Sample(30.0, BAD),), 30.0, counts=False)
    assert (evidence.state, evidence.value) == (State.BAD, BAD)
    assert (evidence.checks, evidence.streak) == (0, None)


DATED = replace(RULE, sample_time="made", max_age=3600.0, no_data_after=7200.0)
NOW = 100_000.0


def dated(value: float, made: float, now: float = NOW) -> tuple[QueryResult, QueryResult]:
    return Sample(now, value), Sample(now, made)


def test_value_has_the_time_that_sample_time_gives() -> None:
    evidence = observe(ValueEvidence(0.0, 0.0), DATED, dated(BAD, NOW - 600.0), NOW)
    assert evidence.answered == NOW - 600.0
    assert evidence.streak is not None
    assert evidence.streak.since == NOW - 600.0


@pytest.mark.parametrize(
    ("age", "rule", "detail"),
    [
        (3600.0, DATED, ""),
        (3601.0, DATED, STALE),
        (-60.0, DATED, ""),
        (-61.0, DATED, FUTURE),
        (600.0, replace(DATED, no_data_after=601.0), ""),
        (600.0, replace(DATED, no_data_after=600.0), NOTHING_NEW),
    ],
)
def test_age_of_a_value(age: float, rule: ValueRule, detail: str) -> None:
    evidence = observe(ValueEvidence(0.0, 0.0), rule, dated(BAD, NOW - age), NOW)
    assert evidence.detail == detail
    assert (evidence.state is State.NO_DATA) is bool(detail)
    assert evidence.checks == (0 if detail else 1)


def test_value_that_was_seen_before_is_no_other_sample() -> None:
    evidence = ValueEvidence(0.0, 0.0)
    for step in range(40):
        now = NOW + 30.0 * step
        evidence = observe(evidence, DATED, dated(BAD, NOW, now), now)
    assert (evidence.checks, evidence.state) == (1, State.BAD)


def test_value_of_an_older_time_than_the_last_is_not_counted() -> None:
    evidence = observe(ValueEvidence(0.0, 0.0), DATED, dated(BAD, NOW), NOW)
    again = observe(evidence, DATED, dated(GOOD, NOW - 300.0), NOW)
    assert again.streak == evidence.streak


def test_value_made_before_the_start_is_shown_and_not_counted() -> None:
    evidence = observe(ValueEvidence(0.0, NOW - 60.0), DATED, dated(BAD, NOW - 61.0), NOW)
    assert (evidence.state, evidence.checks) == (State.BAD, 0)


@pytest.mark.parametrize(
    ("made", "state", "detail"),
    [
        (NoData("empty"), State.NO_DATA, "sampleTime: empty"),
        (Ambiguous("2 series"), State.AMBIGUOUS, "2 series as sampleTime"),
        (QueryError(ErrorKind.TIMEOUT, "late"), State.ERROR, "Timeout: late"),
    ],
)
def test_sample_time_that_cannot_be_had(made: QueryResult, state: State, detail: str) -> None:
    evidence = observe(ValueEvidence(0.0, 0.0), DATED, (Sample(NOW, BAD), made), NOW)
    assert (evidence.state, evidence.detail, evidence.checks) == (state, detail, 0)


def test_metric_asks_for_its_value_and_for_its_time() -> None:
    assert [question.promql for question in questions(RULE)] == ["accuracy"]
    assert [question.promql for question in questions(DATED)] == ["accuracy", "made"]


@pytest.mark.parametrize(
    ("start", "now", "expected"),
    [
        (None, 500.0, ()),
        (500.0, 500.0, ()),
        (100.0, 500.0, ((100.0, 500.0, 30.0),)),
        (100.0, 5000.0, ((4100.0, 5000.0, 30.0),)),
    ],
    ids=["nothing serves", "nothing before", "since the start", "as far as it matters"],
)
def test_past_that_is_asked_for(
    start: float | None, now: float, expected: tuple[tuple[float, float, float], ...]
) -> None:
    asked = past(RULE, ValueEvidence(now, start), now)
    assert tuple((q.begin, q.end, q.step) for q in asked) == expected


def test_metric_that_is_measured_from_its_start_on_has_no_past() -> None:
    assert past(RULE, ValueEvidence(created=129.0, start=100.0), 500.0) == ()


def test_past_is_asked_for_once() -> None:
    rebuilt = replay(ValueEvidence(500.0, 0.0), RULE, ((),))
    assert past(RULE, rebuilt, 500.0) == ()


def test_past_that_failed_is_asked_for_again() -> None:
    failed = replay(ValueEvidence(500.0, 0.0), RULE, (QueryError(ErrorKind.TIMEOUT, "late"),))
    assert past(RULE, failed, 500.0)


def test_replayed_past_gives_what_was_measured() -> None:
    values = tuple(Sample(time, BAD) for time in every(30, 300))
    evidence = replay(ValueEvidence(0.0, 0.0), RULE, (values,))
    assert classify(evidence, RULE) is MetricClass.BREACHED


def test_replayed_past_has_the_times_of_its_values() -> None:
    values = tuple(Sample(NOW + time, BAD) for time in every(30, 90))
    made = tuple(Sample(NOW + time, NOW) for time in every(30, 60))
    evidence = replay(ValueEvidence(0.0, 0.0), DATED, (values, made))
    assert (evidence.checks, evidence.answered) == (1, NOW)


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
        uninterrupted = observe(uninterrupted, RULE, (sample,), sample.time)
        again = observe(again, RULE, (sample,), sample.time)
    assert classify(again, RULE) is classify(uninterrupted, RULE)
