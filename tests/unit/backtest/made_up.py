"""A Prometheus in memory: expressions are looked up by their text, selectors by what was scraped."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from model_rollout.analysis.measurement import (
    ErrorKind,
    Labels,
    QueryError,
    Sample,
    Series,
    SeriesResult,
)
from model_rollout.ports.prometheus import Endpoint

Vector = Callable[[float], dict[Labels, float]]
"""What an expression gives at a time: values by labels."""

ENDPOINT = Endpoint("http://prometheus")


@dataclass
class MadeUpHistory:
    """Implements `RangeQueries`. What it was not told about gives no series."""

    expressions: dict[str, Vector] = field(default_factory=dict)
    selectors: dict[str, tuple[Series, ...]] = field(default_factory=dict, repr=False)
    failures: list[QueryError] = field(default_factory=list)
    """Given in turn, before any answer."""
    most_seconds: float = float("inf")
    """A longer range is an answer that is too large."""
    asked: list[tuple[str, float, float]] = field(default_factory=list)

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        found = await self.vectors(endpoint, promql, start, end, step)
        if isinstance(found, QueryError):
            return found
        assert isinstance(found, tuple)
        return found[0].samples if len(found) == 1 else ()

    async def vectors(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> SeriesResult:
        if failure := self._failure(promql, start, end):
            return failure
        found: dict[Labels, list[Sample]] = {}
        vector = self.expressions.get(promql, lambda time: {})
        for number in range(int((end - start) / step + 1e-9) + 1):
            time = start + number * step
            for labels, value in vector(time).items():
                found.setdefault(labels, []).append(Sample(time, value))
        return tuple(Series(labels, tuple(samples)) for labels, samples in found.items())

    async def raw(
        self, endpoint: Endpoint, selector: str, start: float, end: float
    ) -> SeriesResult:
        if failure := self._failure(selector, start, end):
            return failure
        return tuple(
            Series(series.labels, tuple(s for s in series.samples if start < s.time <= end))
            for series in self.selectors.get(selector, ())
        )

    def _failure(self, promql: str, start: float, end: float) -> QueryError | None:
        self.asked.append((promql, start, end))
        if self.failures:
            return self.failures.pop(0)
        if end - start > self.most_seconds:
            return QueryError(ErrorKind.TOO_LARGE, "too large")
        return None

    def scrape(self, selector: str, samples: Iterable[tuple[float, float]], **labels: str) -> None:
        """Add a series of counters, as it was scraped; `count(selector)` is known as well."""
        series = Series(tuple(sorted(labels.items())), tuple(Sample(*s) for s in samples))
        self.selectors[selector] = (*self.selectors.get(selector, ()), series)
        times = [s.time for every in self.selectors[selector] for s in every.samples]
        first, last = min(times), max(times)
        self.expressions[f"count({selector})"] = lambda time: (
            {(): 1.0} if first <= time <= last + 300 else {}
        )


def labels(**pairs: str) -> Labels:
    """Return labels as a series has them."""
    return tuple(sorted(pairs.items()))
