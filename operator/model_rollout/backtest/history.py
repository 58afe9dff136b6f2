"""Asks Prometheus for history: a part at a time, again when it stumbles, and only what is needed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    QueryError,
    Series,
    SeriesResult,
)
from model_rollout.ports.prometheus import Endpoint, RangeQueries

T = TypeVar("T")

_TRIES = (0.5, 2.0, 5.0)
"""Seconds to wait before a question is asked again."""
_LASTING = frozenset(
    {
        ErrorKind.BAD_QUERY,
        ErrorKind.CLIENT,
        ErrorKind.UNAUTHORIZED,
        ErrorKind.TOO_LARGE,
        ErrorKind.REDIRECT,
        ErrorKind.TLS,
    }
)
_SHORTEST = 600.0
_AT_ONCE = 2
"""As many questions as the adapter asks one server at once: who waits for a place loses no patience."""


class HistoryError(Exception):
    """Prometheus gave no answer that can be replayed."""

    def __init__(self, promql: str, error: QueryError) -> None:
        super().__init__(error.detail)
        self.promql = promql
        self.error = error


class History:
    """The history of one server, asked in parts that it can answer."""

    def __init__(self, ranges: RangeQueries, endpoint: Endpoint) -> None:
        """`endpoint` is asked whatever endpoint the engine names."""
        self._ranges = ranges
        self._endpoint = endpoint
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def vectors(
        self, promql: str, begin: float, end: float, step: float
    ) -> tuple[Series, ...] | Ambiguous:
        """Return all series of an expression at `begin`, `begin + step`, … `end`.

        Raises:
            HistoryError: when the server gives no answer.
        """
        return await self._split(
            promql,
            lambda first, last: self._ranges.vectors(self._endpoint, promql, first, last, step),
            begin,
            end,
            step,
        )

    async def raw(self, selector: str, begin: float, end: float) -> tuple[Series, ...] | Ambiguous:
        """Return the samples of a plain selector with `begin < time <= end`, as they were scraped.

        Raises:
            HistoryError: when the server gives no answer.
        """
        return await self._split(
            selector,
            lambda first, last: self._ranges.raw(self._endpoint, selector, first, last),
            begin,
            end,
            0.0,
        )

    async def _split(
        self,
        promql: str,
        ask: Callable[[float, float], Awaitable[SeriesResult]],
        begin: float,
        end: float,
        step: float,
    ) -> tuple[Series, ...] | Ambiguous:
        """Ask for all at once; for both halves when that is too much. The second begins a step later."""
        answer = await self._ask(lambda: ask(begin, end))
        if isinstance(answer, tuple | Ambiguous):
            return answer
        if answer.kind is not ErrorKind.TOO_LARGE or end - begin < _SHORTEST:
            raise HistoryError(promql, answer)
        points = (end - begin) // (2 * step) if step else 0.0
        middle = begin + points * step if step else (begin + end) / 2
        first = await self._split(promql, ask, begin, middle, step)
        second = await self._split(promql, ask, middle + step, end, step)
        if isinstance(first, Ambiguous) or isinstance(second, Ambiguous):
            return first if isinstance(first, Ambiguous) else second
        return _joined(first, second)

    async def _ask(self, ask: Callable[[], Awaitable[SeriesResult]]) -> SeriesResult:
        async with self._places:
            answer = await ask()
            for pause in _TRIES:
                if not isinstance(answer, QueryError) or answer.kind in _LASTING:
                    break
                await asyncio.sleep(pause)
                answer = await ask()
            return answer


def _joined(first: tuple[Series, ...], second: tuple[Series, ...]) -> tuple[Series, ...]:
    samples = {series.labels: series.samples for series in first}
    for series in second:
        samples[series.labels] = samples.get(series.labels, ()) + series.samples
    return tuple(Series(labels, found) for labels, found in samples.items())


class Tape(Generic[T]):
    """A long history in parts of equal length: the current one is held, the next one is on its way."""

    def __init__(
        self,
        load: Callable[[float, float], Awaitable[T]],
        begin: float,
        end: float,
        length: float,
    ) -> None:
        """`load(begin, end)` brings one part."""
        self._load = load
        self._begin = begin
        self._end = end
        self._length = length
        self._number = -1
        self._part: T | None = None
        self._next: tuple[int, asyncio.Task[T]] | None = None

    def held(self, time_: float) -> T | None:
        """Return the part that a time is in, if it is held: no need to wait for it."""
        return self._part if self._number_of(time_) == self._number else None

    async def part(self, time_: float) -> T:
        """Return the part that a time is in; raises what `load` raises."""
        number = self._number_of(time_)
        if number != self._number or self._part is None:
            self._part = await self._taken(number)
            self._number = number
            self._begin_next(number + 1)
        return self._part

    def close(self) -> None:
        """Give up what is on its way."""
        if self._next is not None:
            self._next[1].cancel()
            self._next = None

    def _number_of(self, time_: float) -> int:
        return int((time_ - self._begin) // self._length)

    async def _taken(self, number: int) -> T:
        begun, self._next = self._next, None
        if begun is not None and begun[0] == number:
            return await begun[1]
        if begun is not None:
            begun[1].cancel()
        return await self._loaded(number)

    def _begin_next(self, number: int) -> None:
        if self._begin + number * self._length <= self._end:
            task = asyncio.create_task(self._loaded(number))
            # Also where nobody comes to fetch it: a failure elsewhere ends the replay.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._next = (number, task)

    async def _loaded(self, number: int) -> T:
        begin = self._begin + number * self._length
        return await self._load(begin, min(begin + self._length, self._end))
