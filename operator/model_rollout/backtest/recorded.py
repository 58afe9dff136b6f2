"""A Prometheus that answers for the simulated now, from what a real one remembers."""

import itertools
import re
from bisect import bisect_right
from dataclasses import dataclass

from model_rollout.analysis.measurement import (
    Ambiguous,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    Series,
    SeriesResult,
)
from model_rollout.api.types import seconds
from model_rollout.backtest.clock import Grid, SimulatedClock
from model_rollout.backtest.history import History, Tape
from model_rollout.ports.prometheus import Endpoint

_RANGE = re.compile(r"(.*?)\s*\[([0-9a-z]+)\]\s*", re.DOTALL)
_POINTS = 10_000
"""Values in one part: one answer of Prometheus."""
_RAW_LENGTH = 86_400.0
"""Seconds of raw samples in one part."""
_EMPTY = NoData("empty")


class RecordedPrometheus:
    """Implements `InstantQueries` and `RangeQueries` of `model_rollout.ports.prometheus`.

    Whatever is asked for the first time is fetched from the real server from that time on, a part
    ahead of the simulated clock. So it needs no list of questions, and holds two parts of each.
    """

    def __init__(self, history: History, clock: SimulatedClock, checks: Grid) -> None:
        """`checks`: the only times at which expressions are asked; selectors may be at any time."""
        self._history = history
        self._clock = clock
        self._grid = checks
        self._values: dict[str, Tape[_Points]] = {}
        self._windows: dict[str, _Ranged] = {}
        self.spacings: dict[str, list[float]] = {}
        """Usual seconds between two scrapes, by selector, one for each part that had samples."""

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        """Return what an instant query would have answered. Raises HistoryError."""
        series = await self._vector(promql)
        if isinstance(series, Ambiguous):
            return series
        if not series:
            return _EMPTY
        return series[0].samples[0] if len(series) == 1 else Ambiguous(f"{len(series)} series")

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> SeriesResult:
        """Return the series of a vector, or the samples in the range of a selector."""
        ranged = self._windows.get(promql) or self._begun(promql)
        if ranged is None:
            return await self._vector(promql)
        now = self._clock.now
        part = ranged.tape.held(now) or await ranged.tape.part(now)
        return part.window(now - ranged.lookback, now)

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        """Return the values before now of an expression that gives one series at a time."""
        found = await self._history.vectors(promql, start, min(end, self._clock.now), step)
        if isinstance(found, Ambiguous):
            return ()
        times: dict[float, list[Sample]] = {}
        for series in found:
            for sample in series.samples:
                times.setdefault(sample.time, []).append(sample)
        return tuple(times[time][0] for time in sorted(times) if len(times[time]) == 1)

    async def raw(
        self, endpoint: Endpoint, selector: str, start: float, end: float
    ) -> SeriesResult:
        """Return the samples of a selector before now."""
        return await self._history.raw(selector, start, min(end, self._clock.now))

    async def vectors(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> SeriesResult:
        """Return the series of an expression before now."""
        return await self._history.vectors(promql, start, min(end, self._clock.now), step)

    @property
    def asked(self) -> tuple[tuple[str, bool], ...]:
        """The expressions that were asked, and whether they are selectors whose samples were."""
        plain = ((promql, False) for promql in self._values)
        ranged = {ranged.selector: True for ranged in self._windows.values()}
        return (*plain, *ranged.items())

    def close(self) -> None:
        """Give up what is on its way."""
        for values in self._values.values():
            values.close()
        for ranged in self._windows.values():
            ranged.tape.close()

    async def _vector(self, promql: str) -> tuple[Series, ...] | Ambiguous:
        tape = self._values.get(promql)
        if tape is None:
            tape = self._values[promql] = self._values_of(promql)
        now = self._clock.now
        part = tape.held(now) or await tape.part(now)
        return part.at(now)

    def _values_of(self, promql: str) -> "Tape[_Points]":
        interval = self._grid.interval

        async def load(begin: float, end: float) -> _Points:
            return _Points(await self._history.vectors(promql, begin, end, interval))

        return Tape(load, self._clock.now, self._grid.end, _POINTS * interval)

    def _begun(self, promql: str) -> "_Ranged | None":
        """Begin to fetch the samples of a selector with a range; None when it is something else."""
        found = _RANGE.fullmatch(promql)
        if found is None:
            return None
        selector, lookback = found[1], seconds(found[2])

        async def load(begin: float, end: float) -> _Scraped:
            samples = await self._history.raw(selector, begin - lookback, end)
            if isinstance(samples, tuple):
                self._note_spacing(selector, samples)
            return _Scraped(samples)

        # Each part repeats the lookback before it, which is to be short beside the part.
        length = max(_RAW_LENGTH, 4 * lookback)
        tape = Tape(load, self._clock.now, self._grid.end, length)
        ranged = self._windows[promql] = _Ranged(selector, lookback, tape)
        return ranged

    def _note_spacing(self, selector: str, found: tuple[Series, ...]) -> None:
        longest = max(found, key=lambda series: len(series.samples), default=None)
        if longest is None or len(longest.samples) < 2:
            return
        times = [sample.time for sample in longest.samples]
        gaps = sorted(after - before for before, after in itertools.pairwise(times))
        self.spacings.setdefault(selector, []).append(gaps[len(gaps) // 2])


@dataclass(frozen=True, slots=True)
class _Ranged:
    """A selector whose samples are asked for."""

    selector: str
    lookback: float
    tape: "Tape[_Scraped]"


class _Points:
    """The series of one part, by the time of the check that asks for them."""

    def __init__(self, found: tuple[Series, ...] | Ambiguous) -> None:
        self._problem = found if isinstance(found, Ambiguous) else None
        self._at: dict[int, tuple[Series, ...]] = {}
        for series in found if isinstance(found, tuple) else ():
            for sample in series.samples:
                key = _milliseconds(sample.time)
                self._at[key] = (*self._at.get(key, ()), Series(series.labels, (sample,)))

    def at(self, now: float) -> tuple[Series, ...] | Ambiguous:
        """Return the series that have a value at this time."""
        return self._problem or self._at.get(_milliseconds(now), ())


def _milliseconds(time: float) -> int:
    """Prometheus counts in milliseconds; a float of them may be a bit off."""
    return round(time * 1000)


class _Cursor:
    """One series, and how much of it the moving window covers."""

    __slots__ = ("_first", "_labels", "_last", "_samples", "_size", "_times")

    def __init__(self, series: Series) -> None:
        self._labels = series.labels
        self._samples = series.samples
        self._times = [sample.time for sample in series.samples]
        self._size = len(self._times)
        self._first = self._last = 0

    def window(self, begin: float, end: float) -> Series | None:
        """Return the samples with `begin < time <= end`, None when there are none."""
        first = self._first
        if first == self._size:
            return None
        self._first = first = bisect_right(self._times, begin, first)
        self._last = last = bisect_right(self._times, end, max(self._last, first))
        return Series(self._labels, self._samples[first:last]) if first < last else None


class _Scraped:
    """The samples of one part."""

    def __init__(self, found: tuple[Series, ...] | Ambiguous) -> None:
        self._problem = found if isinstance(found, Ambiguous) else None
        # In one order whatever the server's: sums of fractions depend on it.
        ordered = sorted(found, key=lambda s: s.labels) if isinstance(found, tuple) else []
        self._cursors = [_Cursor(series) for series in ordered]

    def window(self, begin: float, end: float) -> tuple[Series, ...] | Ambiguous:
        """Return the samples with `begin < time <= end`, without the series that have none."""
        if self._problem is not None:
            return self._problem
        return tuple(
            found for cursor in self._cursors if (found := cursor.window(begin, end)) is not None
        )
