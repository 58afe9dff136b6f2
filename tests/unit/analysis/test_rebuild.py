"""A new process, or another order of checks, comes to the same evidence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollout.analysis.count_evidence import CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.detector import to_text
from model_rollout.analysis.evidence import (
    begin,
    checkpoint,
    observe,
    past,
    replay,
    report,
    restore,
    same_evidence,
)
from model_rollout.analysis.measurement import (
    ErrorKind,
    QueryError,
)
from unit.analysis.exporters import (
    BAD_TOTAL,
    END,
    EVERY_30,
    FINE,
    GOOD_BAD,
    GOOD_TOTAL,
    HALF,
    NOON,
    RULE,
    START,
    Exporter,
    Server,
    counts_rule,
    gathered,
    pods,
    steady,
)


def test_nothing_is_asked_of_the_past_while_checks_follow_each_other() -> None:
    server = pods(FINE * 121)
    evidence = begin(RULE, NOON, START)
    for time in EVERY_30:
        assert past(RULE, evidence, time) == ()
        evidence = server.check(evidence, RULE, time)


def test_new_process_asks_from_before_the_start() -> None:
    asked = past(RULE, begin(RULE, END, START), END)
    assert [(q.promql, q.begin, q.end) for q in asked] == [
        ("good", START - 300.0, END),
        ("total", START - 300.0, END),
    ]


def test_past_is_asked_for_as_far_as_it_matters() -> None:
    asked = past(RULE, begin(RULE, END, START - 30 * 86400.0), END)
    assert {q.begin for q in asked} == {END - 6 * 3600.0}


def test_gap_of_the_checks_is_asked_for() -> None:
    evidence = gathered(pods(FINE * 121), EVERY_30[:20])
    assert past(RULE, evidence, EVERY_30[19] + 300.0) == ()
    asked = past(RULE, evidence, EVERY_30[19] + 301.0)
    assert all(q.begin <= EVERY_30[19] - 300.0 for q in asked)


def test_checks_wait_for_the_past_and_then_give_it_up() -> None:
    server = pods(FINE * 121)
    evidence = begin(RULE, END, START)
    totals = []
    for time in (END - 400.0 + 30.0 * n for n in range(14)):
        answers = server.answers(RULE, evidence, time)
        evidence = observe(evidence, RULE, answers, time, counts=True)
        totals.append(report(evidence, RULE, time).total)
    assert totals[:10] == [0.0] * 10
    assert totals[-1] != 0.0


def test_past_that_failed_changes_nothing() -> None:
    evidence = begin(RULE, END, START)
    server = pods(FINE * 121)
    failed = (server.window("good", NOON, END), QueryError(ErrorKind.TIMEOUT, "late"))
    assert replay(evidence, RULE, failed, END) == evidence
    assert past(RULE, evidence, END)


@st.composite
def worlds(draw: st.DrawFn) -> Server:
    """Exporters that come, go, restart, miss scrapes, and count nothing, little or much."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        born = draw(st.sampled_from((-600.0, 0.0, 450.0, 1000.0)))
        alive = draw(st.sampled_from((300.0, 1000.0, 3000.0)))
        time = born + draw(st.floats(0.0, 15.0))
        scrapes: list[tuple[float, float, float]] = []
        restarts = set()
        while time < born + alive and time < 1850.0:
            kind = draw(st.integers(0, 19))
            if kind == 0 and time > 120.0:
                time += draw(st.sampled_from((60.0, 200.0, 420.0)))  # missed scrapes
            if kind == 1 and time > 120.0:
                restarts.add(len(scrapes))
            good, bad = float(draw(st.integers(0, 9))), float(draw(st.integers(0, 3)))
            scrapes.append(
                (NOON + round(time, 3), good, bad) if kind > 4 else (NOON + time, 0.0, 0.0)
            )
            time += 15.0
        found.append(Exporter(f"pod-{number}", tuple(scrapes), frozenset(restarts)))
    return Server(found, eager=draw(st.booleans()))


@st.composite
def check_times(draw: st.DrawFn) -> list[float]:
    """Checks that follow each other, the last one at the end."""
    time, found = NOON + draw(st.floats(0.0, 100.0)), []
    while time < END:
        found.append(time)
        time += draw(st.sampled_from((30.0, 30.0, 7.5, 190.0)) | st.floats(1.0, 250.0))
    return [*found, END]


METRICS = st.sampled_from(
    [GOOD_TOTAL, BAD_TOTAL, GOOD_BAD, BAD_TOTAL | {"for": "2m"}, GOOD_TOTAL | {"every": "10m"}]
)


def all_of(evidence: CountEvidence, rule: CountRule) -> tuple[object, ...]:
    """Everything that a decision can depend on."""
    detectors = to_text(evidence.closed.detector), to_text(evidence.view.detector)
    return detectors, evidence.closed, evidence.slot, evidence.view, report(evidence, rule, END)


@settings(max_examples=60, deadline=None)
@given(worlds(), METRICS, check_times(), check_times())
def test_it_does_not_matter_when_the_samples_are_asked_for(
    server: Server, metric: dict[str, object], some: list[float], others: list[float]
) -> None:
    rule = counts_rule(metric)
    once = all_of(gathered(server, some, rule), rule)
    assert all_of(gathered(server, others, rule), rule) == once


@settings(max_examples=60, deadline=None)
@given(worlds(), METRICS, check_times())
def test_whole_history_at_once_in_any_order_gives_the_same(
    server: Server, metric: dict[str, object], times: list[float]
) -> None:
    rule = counts_rule(metric)
    late = server.check(begin(rule, NOON, START), rule, END, order=-1)
    assert isinstance(late, CountEvidence)
    assert all_of(late, rule) == all_of(gathered(server, times, rule), rule)


@settings(max_examples=60, deadline=None)
@given(worlds(), METRICS, check_times(), st.data())
def test_restart_at_any_moment_changes_nothing(
    server: Server, metric: dict[str, object], times: list[float], data: st.DataObject
) -> None:
    rule = counts_rule(metric)
    last = data.draw(st.integers(0, len(times) - 1), label="checks before the restart")
    down = data.draw(st.integers(0, 20), label="checks that were missed")
    text = checkpoint(gathered(server, times[: last + 1], rule), rule)
    assert len(text) <= 2000
    fresh = begin(rule, NOON, START)
    again = restore(fresh, rule, text) or fresh
    for time in times[last + 1 + down :] or [END]:
        again = server.check(again, rule, time)
    assert isinstance(again, CountEvidence)
    assert all_of(again, rule) == all_of(gathered(server, times, rule), rule)


# Checkpoints


def test_checkpoint_of_another_start_is_not_taken() -> None:
    text = checkpoint(gathered(pods(FINE * 121)), RULE)
    assert restore(begin(RULE, NOON, START), RULE, text) is not None
    assert restore(begin(RULE, NOON, START + 1.0), RULE, text) is None


@pytest.mark.parametrize(
    "other",
    [
        GOOD_TOTAL | {"min": 0.86},
        GOOD_TOTAL | {"counts": {"good": "good", "total": "other"}},
        GOOD_TOTAL | {"every": "1m"},
        GOOD_TOTAL | {"minChecks": 5},
    ],
    ids=["limit", "selector", "pace", "minChecks"],
)
def test_evidence_belongs_to_what_it_was_gathered_by(other: dict[str, object]) -> None:
    text = checkpoint(gathered(pods(FINE * 121)), RULE)
    rule = counts_rule(other)
    assert restore(begin(rule, NOON, START), rule, text) is None
    assert not same_evidence(RULE, rule)


@pytest.mark.parametrize(
    "other", [{"for": "5m"}, {"action": "Notify"}, {"noDataAfter": "1h"}, {"onNoData": "Rollback"}]
)
def test_evidence_outlives_what_only_judges_it(other: dict[str, object]) -> None:
    text = checkpoint(gathered(pods(FINE * 121)), RULE)
    rule = counts_rule(GOOD_TOTAL | other, falseRollbackEvery="10d")
    assert restore(begin(rule, NOON, START), rule, text) is not None
    assert same_evidence(RULE, rule)


TEXT = checkpoint(gathered(pods(HALF * 121)), RULE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "null",
        "{}",
        "[]",
        '["c2"]',
        TEXT.replace('"c1"', '"c0"'),
        TEXT[:-1],
        TEXT[:-9] + "]",
        TEXT.replace('"sr', '"xx'),
        TEXT.replace('"Breached"', '"Odd"'),
    ],
)
def test_foreign_text_is_no_checkpoint(text: str) -> None:
    assert restore(begin(RULE, NOON, START), RULE, text) is None


def test_there_is_no_checkpoint_before_anything_was_taken() -> None:
    assert checkpoint(begin(RULE, NOON, START), RULE) == ""


def test_many_series_that_vanished_do_not_make_the_checkpoint_too_long() -> None:
    server = Server([steady(f"pod-{n}", FINE * 20) for n in range(400)] + [steady("x", FINE * 121)])
    text = checkpoint(gathered(server), RULE)
    assert 0 < len(text) <= 2000
    assert restore(begin(RULE, NOON, START), RULE, text) is not None
