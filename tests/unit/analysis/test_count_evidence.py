"""Evidence of counts is a function of the samples, whenever and however often they were asked for."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from model_rollout.analysis.count_evidence import CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.evidence import (
    begin,
    observe,
    questions,
    report,
)
from model_rollout.analysis.measurement import (
    Ambiguous,
    Answer,
    ErrorKind,
    QueryError,
    Sample,
    Series,
    State,
    Window,
)
from model_rollout.analysis.report import MetricClass, MetricReport
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
    Server,
    counts_rule,
    gathered,
    pods,
    said,
    steady,
)


@pytest.mark.parametrize("metric", [GOOD_TOTAL, BAD_TOTAL, GOOD_BAD])
def test_outcomes_are_counted_from_the_start_on(metric: dict[str, object]) -> None:
    found = said(pods(FINE * 121, HALF * 121), rule=counts_rule(metric))
    # Scrapes at and after the start, but the first of each pod: it is where counting begins.
    own, other = (1800 - 120) // 15, (1800 - 123) // 15
    assert (found.bad, found.total) == (own + 5 * other, 11 * own + 10 * other)


@pytest.mark.parametrize("metric", [GOOD_TOTAL, BAD_TOTAL, GOOD_BAD])
def test_bad_outcomes_breach(metric: dict[str, object]) -> None:
    found = said(pods(HALF * 121), rule=counts_rule(metric))
    assert (found.state, found.metric_class) == (State.BAD, MetricClass.BREACHED)
    assert found.breached


def test_good_outcomes_are_clear() -> None:
    found = said(pods(FINE * 121))
    assert found.clear
    assert found.clear_for == END - (START + 15.0)


def test_few_checks_never_decide() -> None:
    server = pods([(0.0, 1000.0)] * 121)
    breach = next(index for index in range(61) if said(server, EVERY_30[: index + 1]).breached)
    # One slot in the sample after the start, then four.
    assert EVERY_30[breach] >= START + 15.0 + 3 * 30.0


def test_samples_after_the_last_check_do_not_count() -> None:
    server = pods(FINE * 999)
    assert gathered(server, EVERY_30).view.total == 11 * (1680 // 15)


def test_counters_of_bad_outcomes_may_be_absent() -> None:
    found = said(
        Server([steady("a", [(10.0, 0.0)] * 121)], eager=False), rule=counts_rule(BAD_TOTAL)
    )
    assert (found.bad, found.state) == (0.0, State.GOOD)


def test_first_bad_outcome_of_a_counter_that_was_absent_is_counted() -> None:
    rates = [(10.0, 0.0)] * 60 + [(9.0, 1.0)] + [(10.0, 0.0)] * 60
    found = said(Server([steady("a", rates)], eager=False), rule=counts_rule(BAD_TOTAL))
    assert found.bad == 1.0


def without(server: Server, counter: str, begin: float = 0.0, end: float = math.inf) -> Server:
    """The exporter of one counter is down for a while."""
    server.histories[counter] = tuple(
        Series(series.labels, samples)
        for series in server.all(counter)
        if (samples := tuple(s for s in series.samples if not begin < s.time < end))
    )
    return server


def test_good_that_is_absent_is_no_data() -> None:
    found = said(without(pods(HALF * 121), "good"))
    assert (found.state, found.total, found.breached) == (State.NO_DATA, 0.0, False)
    assert "write bad and total instead" in found.message


@pytest.mark.parametrize(
    ("counter", "length"), [("good", 250.0), ("good", 900.0), ("total", 900.0)]
)
def test_counter_that_is_not_read_for_a_while_makes_nothing_look_bad(
    counter: str, length: float
) -> None:
    """The other counter waits for it; then both are counted, and nothing is lost."""
    whole = pods(FINE * 121)
    broken = without(pods(FINE * 121), counter, NOON + 400.0, NOON + 400.0 + length)
    for index in range(1, 62):
        assert not said(broken, EVERY_30[:index]).suspected
    assert said(broken).total == said(whole).total
    assert said(broken).bad == said(whole).bad


def test_scrape_that_only_one_of_two_queries_saw_waits() -> None:
    """It fell between them; else a batch that comes at once would look all bad."""
    batch = [(0.0, 0.0)] * 60 + [(5000.0, 100.0)]
    server = pods(batch)
    daily = counts_rule(GOOD_TOTAL | {"every": "24h"})
    now = server.all("total")[0].samples[-1].time + 1.0
    evidence = server.check(begin(daily, NOON, START), daily, now - 2.0)
    early, late = (
        server.window("good", now - 300.0, now - 2.0),
        server.window("total", now - 300, now),
    )
    seen = observe(evidence, daily, (early, late), now, counts=True)
    assert report(seen, daily, now).total == 0.0
    after = report(server.check(seen, daily, now + 30.0), daily, now + 30.0)
    assert (after.bad, after.total) == (100.0, 5100.0)


CONTRADICTION = "is skipped: more bad than total"


def contradictory(bad: int) -> Server:
    """In one scrape more bad outcomes than there were at all; in other ones a tenth is bad."""
    rates = [(9.0, 1.0)] * 121
    server = pods(rates)
    total = server.all("total")
    surplus = [
        s.value + (bad if s.time >= NOON + 900.0 else 0) for s in server.all("bad")[0].samples
    ]
    samples = tuple(
        Sample(s.time, value) for s, value in zip(total[0].samples, surplus, strict=True)
    )
    server.histories["bad"] = (Series(total[0].labels, samples),)
    return server


def test_slot_with_more_bad_than_total_is_skipped_and_said_so() -> None:
    rule = counts_rule(BAD_TOTAL)
    server = contradictory(bad=200)
    messages = [said(server, EVERY_30[:n], rule).message for n in range(1, 62)]
    skipped = [n for n, message in enumerate(messages) if CONTRADICTION in message]
    assert skipped
    assert skipped[-1] - skipped[0] <= 4, "only where it happened"
    assert not said(server, rule=rule).suspected
    assert said(server, rule=rule).bad == said(server, rule=rule).total / 10.0


def test_outcomes_that_two_exporters_show_one_after_the_other_are_not_skipped() -> None:
    server = contradictory(bad=15)  # the slot after has enough of them
    rule = counts_rule(BAD_TOTAL)
    assert CONTRADICTION not in said(server, rule=rule).message
    whole = said(pods([(9.0, 1.0)] * 121), rule=rule)
    assert said(server, rule=rule).total == whole.total


def test_no_traffic_freezes_the_evidence() -> None:
    server = pods(FINE * 40 + [(0.0, 0.0)] * 81)
    before = gathered(server, EVERY_30[:25])
    after = gathered(server)
    assert after.view == before.view
    assert report(after, RULE, NOON + 1400.0).state is State.GOOD


def test_long_without_traffic_is_no_data() -> None:
    server = pods(FINE * 40 + [(0.0, 0.0)] * 200)
    last = NOON + 39 * 15.0
    evidence = gathered(server, [*EVERY_30, *(END + 30.0 * n for n in range(20))])
    assert report(evidence, RULE, last + 899.0).state is State.GOOD
    silent = report(evidence, RULE, last + 900.0)
    assert (silent.state, silent.unavailable) == (State.NO_DATA, "NoData")
    assert "no outcomes since 12:09 UTC" in silent.message


@pytest.mark.parametrize(("pause", "kept"), [(3500.0, True), (3700.0, False)])
def test_evidence_is_discarded_after_an_hour_of_silence(pause: float, kept: bool) -> None:
    scrapes = round(pause / 15.0)
    server = pods(HALF * 12 + [(0.0, 0.0)] * scrapes + FINE)
    times = [NOON + 30.0 * n for n in range(round(pause / 30.0) + 30)]
    evidence = gathered(server, times)
    assert (evidence.view.detector.observations > 1) is kept
    assert evidence.view.observations > 1, "what is enough to say anything is not forgotten"


def test_evidence_after_silence_is_not_shown_either() -> None:
    evidence = gathered(pods(HALF * 40 + [(0.0, 0.0)] * 81))
    patient = replace(RULE, no_data_after=9e9)
    assert report(evidence, patient, NOON + 4000.0).suspected
    later = report(evidence, patient, NOON + 5000.0)
    assert (later.state, later.suspected) == (State.GOOD, False)


def strengths(rates: Sequence[tuple[float, float]]) -> list[tuple[float, MetricClass]]:
    server = pods(rates)
    times = [NOON + 30.0 * n for n in range(len(rates) // 2)]
    views = [gathered(server, times[: n + 1]).view for n in range(len(times))]
    return [(view.strength, view.metric_class) for view in views]


def test_suspect_falls_to_clear_only_below_a_quarter() -> None:
    assert RULE.design is not None
    decisive = RULE.design.decisive()
    rates = FINE * 20 + [(6.0, 4.0)] * 10 + [(17.0, 2.0)] * 60
    suspect = [strength for strength, found in strengths(rates) if found is MetricClass.SUSPECT]
    clear = [strength for strength, found in strengths(rates) if found is MetricClass.CLEAR]
    assert suspect
    assert min(suspect) >= decisive / 4.0
    assert any(s < decisive / 2.0 for s in suspect), "once Suspect, it stays so for longer"
    assert max(clear) < decisive / 2.0


def test_for_holds_a_breach_back() -> None:
    rates = HALF * 121
    patient = counts_rule(GOOD_TOTAL | {"for": "5m"})

    def first_breach(rule: CountRule) -> float:
        return next(
            t for n, t in enumerate(EVERY_30) if said(pods(rates), EVERY_30[: n + 1], rule).breached
        )

    waited = first_breach(patient) - first_breach(RULE)
    assert 285.0 <= waited <= 330.0


def test_outage_that_is_shorter_than_for_never_breaches() -> None:
    rates = FINE * 20 + [(0.0, 10.0)] * 8 + FINE * 100
    patient = counts_rule(GOOD_TOTAL | {"for": "5m"})
    messages = []
    for n in range(1, 61):
        found = said(pods(rates), EVERY_30[:n], patient)
        assert not found.breached
        messages.append(found.message)
    assert any("that must last for 5m" in message for message in messages)


def test_rarer_outcomes_are_judged_by_their_own_pace() -> None:
    rates = ([(0.0, 0.0)] * 19 + [(1.0, 1.0)]) * 30  # every five minutes
    times = [NOON + 30.0 * n for n in range(300)]
    view = gathered(pods(rates), times).view
    assert view.spacing == 300.0


def test_what_is_asked_while_nothing_counts_is_no_evidence() -> None:
    server = pods(HALF * 121)
    evidence = begin(RULE, NOON, START)
    for time in EVERY_30:
        serves = not NOON + 600.0 < time < NOON + 1200.0
        evidence = observe(
            evidence, RULE, server.answers(RULE, evidence, time), time, counts=serves
        )
    assert isinstance(evidence, CountEvidence)
    assert evidence.view.total < 10 * (1680 - 550) / 15


def test_nothing_counts_before_anything_serves() -> None:
    server = pods(HALF * 121)
    evidence = begin(RULE, NOON, None)
    for time in EVERY_30:
        evidence = observe(evidence, RULE, server.answers(RULE, evidence, time), time, counts=True)
    found = report(evidence, RULE, END)
    assert (found.total, found.state) == (0.0, State.NO_DATA)


@pytest.mark.parametrize(
    ("answer", "state", "unavailable"),
    [
        (QueryError(ErrorKind.REFUSED, "down"), State.ERROR, ""),
        (QueryError(ErrorKind.BAD_QUERY, "HTTP 400"), State.ERROR, "BadQuery"),
        (Ambiguous("a native histogram"), State.AMBIGUOUS, "Ambiguous"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_evidence_is_frozen_without_all_answers(
    answer: Answer, state: State, unavailable: str, place: int
) -> None:
    server = pods(HALF * 121)
    before = gathered(server, EVERY_30[:20])
    answers = list(server.answers(RULE, before, EVERY_30[20]))
    answers[place] = answer
    after = observe(before, RULE, tuple(answers), EVERY_30[20], counts=True)
    assert isinstance(after, CountEvidence)
    assert (after.view, after.arms) == (before.view, before.arms)
    found = report(after, RULE, EVERY_30[20])
    assert (found.state, found.unavailable, found.breached) == (state, unavailable, False)


def test_errors_in_a_row_make_a_metric_unavailable() -> None:
    refused = (QueryError(ErrorKind.REFUSED, "down"),) * 2
    evidence = gathered(pods(FINE * 121), EVERY_30[:20])
    seen = []
    for time in EVERY_30[20:23]:
        evidence = observe(evidence, RULE, refused, time, counts=True)
        seen.append(report(evidence, RULE, time).unavailable)
    assert seen == ["", "", "ConnectionRefused"]
    again = pods(FINE * 121).check(evidence, RULE, EVERY_30[23])
    assert report(again, RULE, EVERY_30[23]).unavailable == ""


def test_value_is_a_share_in_the_direction_of_the_limit() -> None:
    assert said(pods([(9.0, 1.0)] * 121)).value == pytest.approx(0.9)
    assert said(pods([(9.0, 1.0)] * 121), rule=counts_rule(BAD_TOTAL)).value == pytest.approx(0.1)


def test_enough_are_min_checks() -> None:
    server = pods(FINE * 121)
    seen = [said(server, EVERY_30[:n]) for n in range(4, 12)]
    assert [found.enough for found in seen] == [found.checks >= 4 for found in seen]
    assert all(found.clear_for == 0.0 for found in seen if not found.enough)


HISTOGRAM: dict[str, object] = {"histogram": {"metric": "x_seconds_bucket"}, "max": 0.8}


def test_limit_that_is_no_bucket_is_told_with_the_nearest_bounds() -> None:
    rule = counts_rule(HISTOGRAM)
    server = pods(FINE * 121)
    total, nothing = server.window("total", NOON, END), Window(NOON, END, ())
    first = observe(begin(rule, NOON, START), rule, (nothing, total), END, counts=True)
    asked = questions(rule, first)
    assert (asked[-1].promql, asked[-1].lookback) == ("count by (le) (x_seconds_bucket)", 0.0)
    one = (Sample(END, 1.0),)
    bounds = Window(END, END, tuple(Series((("le", le),), one) for le in ("0.5", "1", "+Inf")))
    found = report(observe(first, rule, (nothing, total, bounds), END, counts=True), rule, END)
    assert (found.state, found.unavailable) == (State.AMBIGUOUS, "Ambiguous")
    assert found.message.endswith("is not the upper bound of a bucket: write max: 0.5 or 1")


def test_histogram_says_how_many_took_too_long() -> None:
    rule = counts_rule(HISTOGRAM)
    server = pods(HALF * 121)
    evidence = begin(rule, NOON, START)
    for time in EVERY_30:
        answers = tuple(server.window(c, time - 300.0, time) for c in ("good", "total"))
        evidence = observe(evidence, rule, answers, time, counts=True)
    found = report(evidence, rule, END)
    assert "answers took longer than 0.8 s (50 %, limit 5 %)" in found.message
    assert found.value == 0.5


WORKLOAD: dict[str, object] = {
    "counts": {"bad": 'bad{app="{{workload}}"}', "total": 'total{app="{{workload}}"}'},
    "baseline": {"from": "Workload", "ref": {"name": "stable"}, "maxRatio": 1.5},
}


def compared(
    own: Sequence[tuple[float, float]], base: Sequence[tuple[float, float]]
) -> MetricReport:
    rule = counts_rule(WORKLOAD)
    servers = (pods(own), pods(base))
    evidence = begin(rule, NOON, START)
    for time in EVERY_30:
        answers = tuple(
            server.window(counter, time - 300.0, time)
            for server in servers
            for counter in ("bad", "total")
        )
        evidence = observe(evidence, rule, answers, time, counts=True)
    return report(evidence, rule, END)


def test_worse_than_the_other_workload_breaches() -> None:
    found = compared([(20.0, 10.0)] * 121, [(200.0, 10.0)] * 121)
    assert found.breached
    assert "of stable (4.76 %, limit 1.5 times as many)" in found.message


def test_dip_that_both_workloads_share_does_not() -> None:
    dip = [(20.0, 1.0)] * 60 + [(5.0, 15.0)] * 61
    assert not compared(dip, dip).suspected


def test_other_workload_without_series_is_no_data() -> None:
    found = compared(FINE * 121, ())
    assert (found.state, found.breached) == (State.NO_DATA, False)
    assert found.message.startswith("accuracy has no data (empty, stable)")


STABLE: dict[str, object] = {
    "counts": {"bad": "bad", "total": "total"},
    "baseline": {"from": "StableRevision", "maxWorse": 0.02},
}


def test_without_a_limit_outcomes_are_counted_and_never_breach() -> None:
    found = said(pods(HALF * 121), rule=counts_rule(STABLE))
    assert (found.state, found.suspected) == (State.GOOD, False)
    assert found.total == 10.0 * (1680 // 15)
    assert "there is no limit yet" in found.message
