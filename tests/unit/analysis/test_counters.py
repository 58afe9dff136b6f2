"""Raw samples of cumulative counters become increments: each outcome is counted once."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.analysis.counters import (
    MAX_SERIES,
    NONE_TAKEN,
    SAME_LABELS,
    TOO_MANY,
    Counters,
    Increment,
    label_digest,
    recall,
    take,
    vanished,
)
from model_rollout.analysis.measurement import Ambiguous, Labels, Sample, Series, Window

Points = Sequence[tuple[float, float]]
START = 1000.0


def labels(name: str) -> Labels:
    return (("pod", name),)


def window(begin: float, end: float, **series: Points) -> Window:
    """The samples of the series that lie in the window."""
    found = []
    for name, points in series.items():
        samples = tuple(Sample(t, v) for t, v in points if begin < t <= end)
        if samples:
            found.append(Series(labels(name), samples))
    return Window(begin, end, tuple(found))


def taken(
    windows: Iterable[Window], start: float = START, counters: Counters = NONE_TAKEN
) -> tuple[Counters, list[Increment]]:
    increments: list[Increment] = []
    for part in windows:
        result = take(counters, part, start)
        assert not isinstance(result, Ambiguous)
        counters = result.counters
        increments += result.increments
    return counters, increments


def counted(*windows: Window, start: float = START) -> list[Increment]:
    return taken(windows, start)[1]


# One pod, scraped every 15 s since long before the start.
OLD: Points = [(t, t) for t in range(0, 3000, 15)]


def test_counting_begins_at_the_first_sample_after_the_start() -> None:
    assert counted(window(700.0, 1021.0, a=OLD)) == [(1020.0, 15.0)]


def test_sample_at_the_start_is_where_counting_begins() -> None:
    assert counted(window(700.0, 1021.0, a=OLD), start=1005.0) == [(1020.0, 15.0)]


def test_every_sample_is_taken_once() -> None:
    windows = [window(t - 300.0, t, a=OLD) for t in (1000.0, 1030.0, 1060.0)]
    assert counted(*windows) == [(1020.0, 15.0), (1035.0, 15.0), (1050.0, 15.0)]


def test_counter_that_stands_still_gives_nothing() -> None:
    assert counted(window(700.0, 1100.0, a=[(990.0, 5.0), (1005.0, 5.0), (1050.0, 5.0)])) == []


def test_smaller_value_is_a_reset_and_counts_itself() -> None:
    points = [(990.0, 50.0), (1005.0, 60.0), (1020.0, 4.0), (1035.0, 6.0)]
    assert counted(window(700.0, 1100.0, a=points)) == [(1020.0, 4.0), (1035.0, 2.0)]


def test_reset_over_the_start_counts_nothing_of_before() -> None:
    points = [(990.0, 50.0), (1005.0, 40.0), (1020.0, 41.0)]
    assert counted(window(700.0, 1100.0, a=points)) == [(1020.0, 1.0)]


def test_lagging_replica_is_no_reset() -> None:
    """A highly available Prometheus answers from a replica that is behind, then from the other."""
    ahead = window(760.0, 1060.0, a=OLD)
    behind = window(730.0, 1030.0, a=OLD)
    assert counted(ahead, behind, ahead) == counted(ahead)


def test_replicas_that_scrape_at_other_times_count_everything_once() -> None:
    other: Points = [(t + 7.0, t + 7.0) for t in range(0, 3000, 15)]
    windows = [
        window(t - 300.0, t, a=OLD if n % 2 else other) for n, t in enumerate(range(1000, 1400, 30))
    ]
    found = counted(*windows)
    assert sum(amount for _, amount in found) == found[-1][0] - 1005.0


def test_late_sample_is_ignored() -> None:
    first = window(700.0, 1060.0, a=[(990.0, 4.0), (1005.0, 5.0), (1050.0, 9.0)])
    late = window(700.0, 1060.0, a=[(990.0, 4.0), (1005.0, 5.0), (1035.0, 7.0), (1050.0, 9.0)])
    assert counted(first, late) == [(1050.0, 4.0)]


def test_series_born_after_the_start_counts_from_zero() -> None:
    born = [(1050.0, 3.0), (1065.0, 5.0)]
    windows = [window(t - 300.0, t, a=OLD, b=born) for t in (1000.0, 1030.0, 1070.0)]
    assert [i for i in counted(*windows) if i[1] != 15.0] == [(1050.0, 3.0), (1065.0, 2.0)]


def test_series_born_before_the_start_counts_from_its_first_sample_after_it() -> None:
    born = [(985.0, 3.0), (1000.0, 5.0), (1015.0, 9.0)]
    windows = [window(t - 300.0, t, a=born) for t in (980.0, 1030.0)]
    assert counted(*windows) == [(1015.0, 4.0)]


@pytest.mark.parametrize(
    ("first", "spacing", "expected"),
    [(840.0, 15.0, 0.0), (860.0, 15.0, 5.0), (940.0, 100.0, 0.0), (960.0, 100.0, 5.0)],
    ids=["was there before", "would have been seen", "rarely scraped", "rarely scraped and late"],
)
def test_first_window_tells_births_from_old_series(
    first: float, spacing: float, expected: float
) -> None:
    points = [(first, 5.0), (first + spacing, 5.0)]
    found = counted(window(700.0, 1100.0, a=points), start=800.0)
    assert sum(amount for _, amount in found) == expected


def test_series_that_was_there_all_the_time_is_no_birth_after_a_gap() -> None:
    """Windows with a gap between them do not tell that it was absent."""
    before, after = window(700.0, 1000.0), window(2000.0, 2300.0, a=OLD)
    assert sum(amount for _, amount in counted(before, after)) == 2295.0 - 2010.0


def test_series_that_comes_back_goes_on_where_it_was() -> None:
    points = [(990.0, 10.0), (1005.0, 12.0), (1800.0, 20.0)]
    windows = [window(t - 300.0, t, a=points) for t in range(1000, 1900, 100)]
    assert counted(*windows) == [(1800.0, 8.0)]


def test_series_of_replicas_that_go_and_come_are_counted_each() -> None:
    two = {name: [(t, 2.0 * t) for t in range(1005, 1300, 15)] for name in "ab"}
    windows = [window(t - 300.0, t, **two) for t in range(1000, 1700, 30)]
    born = sum(points[-1][1] for points in two.values())
    assert sum(amount for _, amount in counted(*windows)) == born


def test_samples_after_the_horizon_are_left() -> None:
    part = window(700.0, 1060.0, a=OLD)
    first = take(NONE_TAKEN, part, START, 1020.0)
    assert not isinstance(first, Ambiguous)
    assert first.increments == ((1020.0, 15.0),)
    second = take(first.counters, part, START)
    assert not isinstance(second, Ambiguous)
    assert second.increments == ((1035.0, 15.0), (1050.0, 15.0))


def test_birth_is_noted_although_its_samples_are_left() -> None:
    born = window(760.0, 1060.0, a=[(1050.0, 3.0)])
    noted = take(NONE_TAKEN, born, START, 1020.0)
    assert not isinstance(noted, Ambiguous)
    later = window(1045.0, 1345.0, a=[(1050.0, 3.0), (1065.0, 4.0)])
    assert taken([later], counters=noted.counters)[1] == [(1050.0, 3.0), (1065.0, 1.0)]


def test_several_counters_with_the_same_labels_are_refused() -> None:
    twice = window(700.0, 1060.0, a=OLD).series * 2
    assert take(NONE_TAKEN, Window(700.0, 1060.0, twice), START) == Ambiguous(SAME_LABELS)


def test_selector_of_too_many_series_is_refused() -> None:
    series = tuple(Series(labels(str(n)), (Sample(1005.0, 1.0),)) for n in range(MAX_SERIES + 1))
    assert take(NONE_TAKEN, Window(700.0, 1060.0, series), START) == Ambiguous(TOO_MANY)


def test_series_that_are_gone_for_longest_are_forgotten_first() -> None:
    def generation(number: int, time: float) -> Window:
        names = [f"{number}-{n}" for n in range(MAX_SERIES // 2)]
        series = tuple(Series(labels(name), (Sample(time, 1.0),)) for name in names)
        return Window(time - 100.0, time, series)

    counters, _ = taken(generation(n, 1005.0 + 100.0 * n) for n in range(4))
    assert len(counters.series) == MAX_SERIES
    assert {dict(key)["pod"][0] for key in counters.series} == {"2", "3"}


def test_another_process_goes_on_from_the_newest_sample_that_was_taken() -> None:
    _, before = taken([window(700.0, 1060.0, a=OLD)])
    again = recall(1050.0, {})
    _, after = taken([window(750.0, 1100.0, a=OLD)], counters=again)
    assert before + after == counted(window(700.0, 1100.0, a=OLD))


def test_another_process_recalls_series_that_had_vanished() -> None:
    points = [(1005.0, 10.0), (1020.0, 12.0), (2000.0, 20.0)]
    counters, _ = taken([window(700.0, 1100.0, a=points, b=[(980.0, 7.0)])])
    gone = dict(vanished(counters, 1700.0, START))
    assert gone == {label_digest(labels("a")): 12.0, label_digest(labels("b")): None}
    again = recall(1700.0, gone)
    back = window(1950.0, 2050.0, a=points, b=[(2000.0, 9.0), (2015.0, 10.0)])
    assert taken([back], counters=again)[1] == [(2000.0, 8.0), (2015.0, 1.0)]


def test_what_was_recalled_and_did_not_come_back_is_still_recalled() -> None:
    counters, _ = taken([window(1900.0, 2100.0, a=OLD)], counters=recall(1700.0, {"x": 3.0}))
    assert vanished(counters, 1700.0, START) == (("x", 3.0),)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[tuple[float, float, float]]]:
    """Samples of some pods: time, value, and what was really counted since the sample before."""
    found = {}
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)):
        time = draw(st.floats(600.0, 1400.0))
        value, points = float(draw(st.integers(0, 100))), []
        for _ in range(draw(st.integers(1, 40))):
            grown = float(draw(st.integers(0, 9)))
            # A reset that nothing can show: the new process has counted as far as the old one had.
            reset = grown < value and draw(st.booleans()) and time > START
            value = grown if reset else value + grown
            points.append((time, value, grown))
            time += draw(st.sampled_from((15.0, 15.0, 15.0, 45.0)))
        found[name] = points
    return found


@given(histories(), st.lists(st.floats(5.0, 120.0), min_size=60, max_size=60), st.booleans())
def test_outcomes_are_counted_exactly_once_whenever_they_are_asked_for(
    found: dict[str, list[tuple[float, float, float]]], steps: list[float], backwards: bool
) -> None:
    names = sorted(found, reverse=backwards)
    series: dict[str, Points] = {n: [(t, v) for t, v, _ in found[n]] for n in names}
    windows, time = [], 980.0
    for step in steps:
        windows.append(window(time - 300.0, time, **series))
        time += step
    truth = 0.0
    for points in found.values():
        # Of a pod that was there before the start: from its first sample after it.
        later = [p for p in points if START <= p[0] <= windows[-1].end]
        born = points[0][0] > START
        truth += sum(grown for _, _, grown in (later if born else later[1:]))
        truth += points[0][1] - points[0][2] if born and later else 0.0
    assert sum(amount for _, amount in counted(*windows)) == truth
