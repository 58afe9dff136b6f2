"""One query for all guards that use a MetricTemplate with `groupBy`, whatever their number."""

import asyncio
import time
from collections.abc import Callable

from model_rollout.analysis.measurement import (
    Ambiguous,
    Labels,
    NoData,
    QueryError,
    QueryResult,
    Question,
    Series,
    SeriesResult,
    Shape,
)
from model_rollout.ports.prometheus import Endpoint, InstantQueries

_FAILED_FOR = 1.0
"""Seconds for which a failure is shared: those who ask at the same time share it, no check more."""
_UNUSED_AFTER = 2.1
"""Times the lifetime of an answer, which is a little less than an interval."""

_MANY = 10_000
"""Series that are sorted in a thread: it takes longer than others want to wait."""


class GroupedQueries:
    """Keeps each shared answer until it is due again. Belongs to one event loop."""

    def __init__(
        self, instant: InstantQueries, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock`: monotonic, in seconds."""
        self._instant = instant
        self._clock = clock
        self._shared: dict[tuple[Endpoint, str], _Shared] = {}

    async def ask(
        self, endpoint: Endpoint, question: Question, promql: str, ttl: float
    ) -> QueryResult | SeriesResult:
        """Return the part of the shared answer to `promql` that has the labels of `question.group`.

        `ttl`: seconds for which an answer serves, a little less than the interval between two
        checks, so that each check of a guard has another answer than the one before. A VALUE is a
        `Sample` with the time at which the shared answer was evaluated.
        """
        shared = self._shared.setdefault((endpoint, promql), _Shared())
        shared.kept_until = max(shared.kept_until, self._clock() + _UNUSED_AFTER * ttl)
        if shared.due(self._clock(), ttl):
            shared.task = asyncio.create_task(self._fetch(shared, endpoint, promql, question))
            # Not left to the next question: the last guard of all would leave its answer behind.
            asyncio.get_running_loop().call_later(_UNUSED_AFTER * ttl + 1.0, self._sweep)
        # Shielded: one guard that is cancelled must not take the answer from the others.
        assert shared.task is not None
        found = await asyncio.shield(shared.task)
        if not isinstance(found, _Index):
            return found
        series = found.of(question.group)
        return _value(series) if question.shape is Shape.VALUE else series

    def age(self, endpoint: Endpoint, promql: str) -> float:
        """Return how many seconds ago the answer was asked for that `ask` has just returned."""
        shared = self._shared.get((endpoint, promql))
        return 0.0 if shared is None else max(0.0, self._clock() - shared.asked)

    async def _fetch(
        self, shared: "_Shared", endpoint: Endpoint, promql: str, question: Question
    ) -> "_Index | Ambiguous | QueryError":
        # The age counts from the question: what is in the answer may be as old as that.
        shared.asked = self._clock()
        found = await self._instant.series(endpoint, promql, shared=True)
        if isinstance(found, QueryError):
            shared.asked = self._clock()  # a failure that took long is shared all the same
            return found
        if isinstance(found, Ambiguous):
            return found
        index = _Index(found)
        if len(found) > _MANY:
            await asyncio.to_thread(index.of, question.group)
        return index

    def _sweep(self) -> None:
        """Drop what no guard has asked for of late."""
        now = self._clock()
        for key in [key for key, shared in self._shared.items() if shared.kept_until < now]:
            del self._shared[key]


class _Shared:
    """The answer to one query, or the request for it."""

    def __init__(self) -> None:
        self.task: asyncio.Task[_Index | Ambiguous | QueryError] | None = None
        self.asked = 0.0
        self.kept_until = 0.0

    def due(self, now: float, ttl: float) -> bool:
        """Tell whether it has to be asked (again)."""
        if self.task is None:
            return True
        if not self.task.done():
            return False
        if self.task.cancelled() or self.task.exception() is not None:
            return True
        failed = isinstance(self.task.result(), QueryError)
        return now - self.asked >= (min(ttl, _FAILED_FOR) if failed else ttl)


class _Index:
    """Series by the values of some of their labels: one guard of many thousands finds its own at once."""

    def __init__(self, series: tuple[Series, ...]) -> None:
        self._series = series
        self._by_names: dict[tuple[str, ...], dict[Labels, list[Series]]] = {}

    def of(self, group: Labels) -> tuple[Series, ...]:
        """Return the series that have these labels with these values."""
        if not group:
            return self._series
        names = tuple(name for name, _ in group)
        found = self._by_names.get(names)
        if found is None:
            found = self._by_names[names] = self._indexed(frozenset(names))
        return tuple(found.get(group, ()))

    def _indexed(self, names: frozenset[str]) -> dict[Labels, list[Series]]:
        index: dict[Labels, list[Series]] = {}
        for series in self._series:
            key = tuple(label for label in series.labels if label[0] in names)
            index.setdefault(key, []).append(series)
        return index


def _value(series: tuple[Series, ...]) -> QueryResult:
    if len(series) > 1:
        return Ambiguous(f"{len(series)} series")
    if not series:
        return NoData("empty")
    samples = series[0].samples
    if len(samples) > 1:
        return Ambiguous("a range of values")
    return samples[0] if samples else NoData("NaN")
