"""What a check says about one metric: class, availability, and the sentence that people read."""

from dataclasses import replace

import pytest

from model_rollout.analysis.evidence import begin, observe, report
from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    State,
)
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.analysis.values import ValueRule
from model_rollout.api.metric import MetricAction, OnNoData
from model_rollout.api.types import time_text

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
    discard=120.0,
    action=MetricAction.ROLLBACK,
)
NOON = 1_767_268_800.0
REFUSED = QueryError(ErrorKind.REFUSED, "nothing accepts connections")
PARSE = QueryError(ErrorKind.BAD_QUERY, "status 400")


def said(*results: QueryResult, rule: ValueRule = RULE, after: float = 0.0) -> MetricReport:
    evidence = begin(rule, NOON, NOON)
    for result in results:
        evidence = observe(evidence, rule, (result,), NOON + after, counts=True)
    return report(evidence, rule, NOON + after)


def bad(count: int, step: float = 30.0) -> list[QueryResult]:
    return [Sample(NOON + step * i, 0.5) for i in range(count)]


def good(count: int) -> list[QueryResult]:
    return [Sample(NOON + 30.0 * i, 0.95) for i in range(count)]


@pytest.mark.parametrize(
    ("results", "after", "expected"),
    [
        (good(1), 0.0, ""),
        (bad(1), 0.0, ""),
        ([Ambiguous("3 series")], 0.0, "Ambiguous"),
        ([PARSE], 0.0, "BadQuery"),
        ([REFUSED] * 2, 0.0, ""),
        ([REFUSED] * 3, 0.0, "ConnectionRefused"),
        ([REFUSED, REFUSED, *good(1), REFUSED], 0.0, ""),
        ([NoData("empty")], 899.0, ""),
        ([NoData("empty")], 900.0, "NoData"),
        ([*good(2), NoData("empty")], 900.0, ""),
        ([*good(2), NoData("empty")], 930.0, "NoData"),
        ([NoData("empty"), *good(1)], 5000.0, ""),
        ([], 900.0, "NoData"),
    ],
    ids=[
        "good",
        "bad",
        "ambiguous at once",
        "query that does not parse at once",
        "two errors",
        "three errors",
        "errors not in a row",
        "silent for less",
        "silent from the start",
        "silent since a value, for less",
        "silent since a value",
        "a value again",
        "never asked",
    ],
)
def test_metric_is_unavailable(results: list[QueryResult], after: float, expected: str) -> None:
    assert said(*results, after=after).unavailable == expected


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([], "accuracy has no data (not measured yet)"),
        ([NoData("NaN")], "accuracy has no data (NaN)"),
        (
            [Ambiguous("3 series")],
            ("accuracy: the query gives 3 series where one value is expected; aggregate it"),
        ),
        (
            [REFUSED],
            "accuracy cannot be measured: ConnectionRefused: nothing accepts connections",
        ),
        (
            [PARSE],
            (
                "accuracy cannot be measured: BadQuery: status 400; Prometheus cannot evaluate the query"
            ),
        ),
        (good(1), "accuracy is 0.95 (limit >= 0.85)"),
        (
            bad(3),
            (
                "accuracy is 0.5 (limit >= 0.85): outside in all 3 samples since 12:00:00 UTC, 1m "
                "of 5m"
            ),
        ),
        ([*bad(3), NoData("empty")], "accuracy has no data (empty)"),
    ],
    ids=[
        "not asked yet",
        "no data",
        "several series",
        "error",
        "bad query",
        "good",
        "suspect",
        "frozen",
    ],
)
def test_sentence(results: list[QueryResult], sentence: str) -> None:
    assert time_text(NOON) == "2026-01-01T12:00:00.000Z"
    assert said(*results).message.startswith(sentence)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_error_says_what_to_look_at(kind: ErrorKind) -> None:
    message = said(QueryError(kind, "some detail")).message
    assert message.startswith(f"accuracy cannot be measured: {kind.value}: some detail; ")


def test_breach_needs_a_newest_value_that_is_bad() -> None:
    assert said(*bad(11)).breached
    frozen = said(*bad(11), NoData("empty"))
    assert frozen.metric_class is MetricClass.BREACHED
    assert not frozen.breached


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (good(11), 300.0),
        (good(1), 0.0),
        (bad(11), 0.0),
        ([*good(11), NoData("empty")], 0.0),
        ([*bad(3), *[Sample(NOON + 90.0 + 30.0 * i, 0.95) for i in range(3)]], 60.0),
    ],
    ids=["clear", "one sample", "bad", "silent now", "since it recovered"],
)
def test_clear_for(results: list[QueryResult], expected: float) -> None:
    assert said(*results).clear_for == expected


@pytest.mark.parametrize(
    ("hold_for", "pace", "patience"), [(300.0, 30.0, 300.0), (0.0, 3600.0, 7200.0)]
)
def test_patience_is_what_the_metric_needs(hold_for: float, pace: float, patience: float) -> None:
    rule = replace(RULE, hold_for=hold_for, pace=pace)
    assert said(rule=rule).patience == patience


@pytest.mark.parametrize(
    ("action", "suspicious"),
    [(MetricAction.ROLLBACK, True), (MetricAction.NOTIFY, True), (MetricAction.NONE, False)],
)
def test_shown_metric_makes_nothing_suspicious(action: MetricAction, suspicious: bool) -> None:
    assert said(*bad(1), rule=replace(RULE, action=action)).suspicious is suspicious


def test_report_says_what_was_measured() -> None:
    found = said(*good(2), Sample(NOON + 60.0, 0.9))
    assert (found.state, found.value, found.least, found.greatest, found.checks) == (
        State.GOOD,
        0.9,
        0.9,
        0.95,
        3,
    )


@pytest.mark.parametrize(
    ("on_no_data", "after", "silent", "counts", "told"),
    [
        (OnNoData.HOLD, 900.0, True, False, False),
        (OnNoData.NOTIFY, 900.0, True, False, True),
        (OnNoData.ROLLBACK, 900.0, True, True, False),
        (OnNoData.ROLLBACK, 899.0, False, False, False),
    ],
)
def test_what_silence_means(
    on_no_data: OnNoData, after: float, silent: bool, counts: bool, told: bool
) -> None:
    found = said(NoData("empty"), rule=replace(RULE, on_no_data=on_no_data), after=after)
    assert (found.silent, found.silence_counts, found.silence_is_told) == (silent, counts, told)


def test_error_is_no_silence() -> None:
    found = said(*[REFUSED] * 9, rule=replace(RULE, on_no_data=OnNoData.ROLLBACK), after=9000.0)
    assert found.unavailable
    assert not found.silence_counts


def test_nothing_is_silent_before_it_counts() -> None:
    evidence = observe(begin(RULE, NOON, NOON + 600.0), RULE, (NoData("empty"),), NOON, counts=True)
    assert not report(evidence, RULE, NOON + 1499.0).silent
    assert report(evidence, RULE, NOON + 1500.0).silent


@pytest.mark.parametrize(
    ("results", "has_data"),
    [(good(1), True), (bad(1), True), ([*good(1), NoData("empty")], False), ([REFUSED], False)],
)
def test_has_data(results: list[QueryResult], has_data: bool) -> None:
    assert said(*results).has_data is has_data
