"""Walks through a long range in parts that Prometheus answers. Pure."""

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

from model_rollout.analysis.measurement import (
    ErrorKind,
    Labels,
    QueryError,
    Sample,
    Series,
    SeriesResult,
)

T = TypeVar("T")

MAX_POINTS = 11_000
"""Prometheus refuses range queries with more points than this in a series."""


def walk(
    total: int,
    ask: Callable[[int, int], T | QueryError],
    *,
    width: int = MAX_POINTS,
    least: int = 1,
) -> Iterator[T | QueryError]:
    """Yield what `ask(first, end)` answers for consecutive parts of `range(total)`.

    A part whose answer is too large is asked again in halves, down to `least`; the rest stays in
    parts of that size. Ends at the first error.
    """
    first = 0
    while first < total:
        end = min(first + width, total)
        part = ask(first, end)
        if isinstance(part, QueryError):
            if part.kind is ErrorKind.TOO_LARGE and end - first > least:
                width = max((end - first) // 2, least)
                continue
            yield part
            return
        yield part
        first = end


def number_of_points(start: float, end: float, step: float) -> int:
    """Return how many points a range query from `start` to `end` has."""
    if step <= 0:
        raise ValueError("the step of a range query must be positive")
    # Both ends belong to it, also where their difference is a rounding error less than it was.
    return math.floor((end - start) / step + 1e-9) + 1 if end >= start else 0


def joined(parts: Iterator[SeriesResult], max_samples: int) -> SeriesResult:
    """Put the parts of each series together; nothing is kept of a series without samples."""
    found: dict[Labels, list[Sample]] = {}
    count = 0
    for part in parts:
        if not isinstance(part, tuple):
            return part
        for series in part:
            count += len(series.samples)
            if count > max_samples:
                return QueryError(ErrorKind.TOO_LARGE, f"more than {max_samples} samples")
            if series.samples:
                found.setdefault(series.labels, []).extend(series.samples)
    return tuple(Series(labels, tuple(samples)) for labels, samples in found.items())
