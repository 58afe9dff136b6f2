"""Two counters that say together how many outcomes one workload had and how many were bad."""

import math
from bisect import bisect_left
from dataclasses import dataclass

from model_rollout.analysis.count_rule import Pair
from model_rollout.analysis.counters import NONE_TAKEN, Counters, Increment, take
from model_rollout.analysis.measurement import Ambiguous, Window
from model_rollout.analysis.slots import Item


@dataclass(frozen=True, slots=True)
class Arm:
    """The counters of one workload."""

    first: Counters = NONE_TAKEN
    second: Counters = NONE_TAKEN
    newest: float | None = None
    """All samples up to here were taken, of both."""


NO_ARM = Arm()


def take_arm(
    arm: Arm, number: int, pair: Pair, windows: tuple[Window, ...], start: float
) -> tuple[Arm, list[Item]] | Ambiguous:
    """Take the samples of both counters of a workload, the one with this number (0 or 1).

    What one counter counted waits until the other one was read at that time or later, unless the
    other one may be absent: an exporter that is down, or a scrape that is seen by one of two queries
    only, would make all outcomes look good, or all bad.
    """
    first, second = windows
    needs_first, needs_second = pair.required
    newest_first = _newest(first) if needs_first else None
    newest_second = _newest(second) if needs_second else None
    took_first = take(arm.first, first, start, newest_second)
    took_second = take(arm.second, second, start, newest_first)
    if isinstance(took_first, Ambiguous):
        return took_first
    if isinstance(took_second, Ambiguous):
        return took_second
    items: list[Item] = []
    _wait(items, took_first.increments, 2 * number, second if needs_second else None)
    _wait(items, took_second.increments, 2 * number + 1, first if needs_first else None)
    ends = [newest for newest in (newest_first, newest_second) if newest is not None]
    newest = min(ends, default=arm.newest)
    if newest is not None and arm.newest is not None:
        newest = max(newest, arm.newest)
    return Arm(took_first.counters, took_second.counters, newest), items


def note_arm(arm: Arm, windows: tuple[Window, ...], start: float) -> Arm:
    """Note which series there are, and take nothing."""
    first = take(arm.first, windows[0], start, -math.inf)
    second = take(arm.second, windows[1], start, -math.inf)
    if isinstance(first, Ambiguous) or isinstance(second, Ambiguous):
        return arm
    return Arm(first.counters, second.counters, arm.newest)


def _newest(window: Window) -> float | None:
    times = [series.samples[-1].time for series in window.series if series.samples]
    return max(times, default=None)


def _wait(
    items: list[Item], increments: tuple[Increment, ...], which: int, other: Window | None
) -> None:
    """Append the increments with the times at which they count."""
    if other is None or not increments:
        items += [(time, which, amount) for time, amount in increments]
        return
    reads = _reads(other, min(increments)[0])
    ordered: list[float] = []
    for time, amount in increments:
        if time not in reads:  # another exporter, which is scraped at other times
            ordered = ordered or sorted(reads)
            time = ordered[bisect_left(ordered, time)]
        items.append((time, which, amount))


def _reads(window: Window, since: float) -> set[float]:
    """Return the times of all samples at or after a time; from the end, for few are new."""
    found = set()
    for series in window.series:
        for sample in reversed(series.samples):
            time = sample.time
            if time < since:
                break
            found.add(time)
    return found
