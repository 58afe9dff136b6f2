"""The sentences, word by word: what people read in status, Events, records and logs."""

import re
from dataclasses import replace

import pytest

from model_rollout.analysis.evidence import begin, observe, report
from model_rollout.analysis.explain import moment, number, percent, period
from model_rollout.analysis.measurement import Ambiguous, Answer, ErrorKind, QueryError
from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.rules import unusable_rule
from unit.analysis.exporters import (
    BAD_TOTAL,
    FINE,
    GOOD_TOTAL,
    NOON,
    START,
    counts_rule,
    pods,
    said,
    spec,
)

WRONG = [(4.0, 2.0)] * 40
TIMES = [NOON + 30.0 * n for n in range(20)]
SOME_TIME = r"[0-9,]+ (minute|hour|day|year)s?"

SENTENCES = {
    "breached": (
        WRONG,
        GOOD_TOTAL,
        20,
        (
            r"accuracy: since 12:02 UTC, 60 of 180 answers were wrong \(33\.3 %, limit 15 %\); a model "
            r"at the limit would trigger this less than once in 100 days"
        ),
    ),
    "breached for a while": (
        WRONG,
        GOOD_TOTAL | {"for": "1h"},
        20,
        (
            r"accuracy: since 12:02 UTC, 60 of 180 answers were wrong \(33\.3 %, limit 15 %\); a model "
            rf"at the limit looks like this about once in {SOME_TIME}; that must last for 1h, "
            r"([0-9]+[ms])+ so far"
        ),
    ),
    "suspect": (
        WRONG,
        GOOD_TOTAL,
        12,
        (
            r"accuracy: since 12:02 UTC, 28 of 84 answers were wrong \(33\.3 %, limit 15 %\); a model "
            rf"at the limit looks like this about once in {SOME_TIME}; about [0-9]+ more bad outcomes? "
            r"would decide"
        ),
    ),
    "clear": (
        FINE * 40,
        GOOD_TOTAL,
        20,
        r"accuracy is 0\.9091 lately \(limit >= 0\.85\), 330 outcomes",
    ),
    "clear, of bad": (
        FINE * 40,
        BAD_TOTAL,
        20,
        r"accuracy: 9\.09 % of the answers were wrong lately \(limit 15 %\), 330 outcomes",
    ),
    "no series": (
        [],
        GOOD_TOTAL,
        20,
        r"accuracy has no data \(empty\); see in Prometheus whether the query selects a series",
    ),
    "no outcomes": (
        [(0.0, 0.0)] * 40,
        GOOD_TOTAL,
        20,
        r"accuracy has no data \(no outcomes yet\)",
    ),
    "no limit": (
        WRONG,
        {
            "counts": {"bad": "bad", "total": "total"},
            "baseline": {"from": "StableRevision", "maxWorse": 0.02},
        },
        20,
        (
            r"accuracy: 60 of 180 answers were wrong \(33\.3 %\); there is no limit yet, because no "
            r"other revision was proven Stable"
        ),
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_sentence(name: str) -> None:
    rates, metric, checks, expected = SENTENCES[name]
    found = said(pods(rates), TIMES[:checks], counts_rule(metric)).message
    assert re.fullmatch(expected, found), found


def test_sentence_of_a_breach_has_the_rate_that_was_asked_for() -> None:
    rule = counts_rule(GOOD_TOTAL, falseRollbackEvery="365d")
    assert said(pods(WRONG), TIMES, rule).message.endswith("less than once in 365 days")


TROUBLE: dict[str, tuple[Answer, str]] = {
    "error": (
        QueryError(ErrorKind.REFUSED, "nothing accepts connections"),
        (
            "accuracy cannot be measured: ConnectionRefused: nothing accepts connections; start "
            "Prometheus, or correct spec.prometheus.url, or --prometheus-url"
        ),
    ),
    "native histogram": (
        Ambiguous("a native histogram"),
        (
            "accuracy cannot be judged: a native histogram; let Prometheus keep the classic buckets, "
            "and write their name"
        ),
    ),
    "two metrics": (
        Ambiguous("series that differ only in the name of the metric"),
        (
            "accuracy cannot be judged: series that differ only in the name of the metric; name one "
            "metric in each selector"
        ),
    ),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_sentence_of_trouble(name: str) -> None:
    answer, expected = TROUBLE[name]
    rule = counts_rule(GOOD_TOTAL)
    evidence = observe(begin(rule, NOON, START), rule, (answer, answer), NOON, counts=True)
    assert report(evidence, rule, NOON).message == expected


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_error_says_what_to_look_at(kind: ErrorKind) -> None:
    rule = counts_rule(GOOD_TOTAL)
    answer = QueryError(kind, "some detail")
    evidence = observe(begin(rule, NOON, START), rule, (answer, answer), NOON, counts=True)
    start = f"accuracy cannot be measured: {kind.value}: some detail; "
    assert report(evidence, rule, NOON).message.startswith(start)


@pytest.mark.parametrize(
    ("problem", "expected", "unavailable"),
    [
        (
            Problem("there is no MetricTemplate t"),
            "accuracy cannot be judged: there is no MetricTemplate t",
            "Ambiguous",
        ),
        (
            Problem("the value of {{revision}} is not known yet", passing=True),
            "accuracy has no data (the value of {{revision}} is not known yet)",
            "",
        ),
    ],
)
def test_sentence_of_a_metric_that_cannot_be_used(
    problem: Problem, expected: str, unavailable: str
) -> None:
    rule = unusable_rule(spec(GOOD_TOTAL).metrics[0], problem)
    evidence = observe(begin(rule, NOON, START), rule, (), NOON, counts=True)
    found = report(evidence, rule, NOON)
    assert (found.message, found.unavailable) == (expected, unavailable)


@pytest.mark.parametrize(
    ("count", "text"), [(0.0, "0"), (1900.0, "1,900"), (1e12, "1,000,000,000,000"), (2.5, "2.5")]
)
def test_number(count: float, text: str) -> None:
    assert number(count) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.285, "28.5 %"), (0.15, "15 %"), (0.0, "0 %"), (1.0, "100 %"), (0.00123, "0.123 %")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("later", "text"),
    [(0.0, "12:00 UTC"), (36000.0, "12:00 UTC"), (90000.0, "2026-01-01 12:00 UTC")],
)
def test_moment(later: float, text: str) -> None:
    assert moment(NOON, NOON + later) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (8640000.0, "100 days"),
        (86400.0, "24 hours"),
        (5400.0, "2 hours"),
        (3000.0, "50 minutes"),
        (20.0, "1 minute"),
        (1e11, "3,171 years"),
        (365 * 86400.0, "365 days"),
    ],
)
def test_period(length: float, text: str) -> None:
    assert period(length) == text


def test_chance_is_that_of_all_metrics_together() -> None:
    """With the promise shared by more metrics, the same evidence is more common."""
    rule = counts_rule(GOOD_TOTAL)
    assert rule.design is not None
    shared = replace(rule, design=replace(rule.design, metrics=4))
    once = [
        re.search(rf"once in ({SOME_TIME})", said(pods(WRONG), TIMES[:12], each).message)
        for each in (rule, shared)
    ]
    assert [found and found[1] for found in once] == ["16 hours", "4 hours"]
