"""Reads answers with any number of series. Pure, strict, and hot: thousands of samples a second."""

import math
from collections import deque
from itertools import repeat
from typing import Any

from model_rollout.adapters.prometheus.parse import DIGITS, malformed, read_data, read_sample
from model_rollout.analysis.measurement import (
    Ambiguous,
    Labels,
    QueryError,
    Sample,
    Series,
    SeriesResult,
)

_NUMBERS = {int, float}
_SET_TIME = Sample.__dict__["time"].__set__
_SET_VALUE = Sample.__dict__["value"].__set__


def parse_series(status: int, body: bytes) -> SeriesResult:
    """Read the answer to an instant query that came with the HTTP code `status`.

    A vector gives one sample a series, a matrix all of them. A series without a finite value is
    there, and empty.
    """
    data = read_data(status, body)
    if isinstance(data, QueryError):
        return data
    match data.get("resultType"):
        case "vector" | "matrix":
            return read_series(data.get("result"))
        case "scalar":
            return Ambiguous("a scalar")
        case "string":
            return Ambiguous("a string")
    return malformed("unknown result type")


def read_series(result: object) -> SeriesResult:
    """Read the `result` of a vector or matrix."""
    if not isinstance(result, list):
        return malformed("no list of series")
    found = []
    for entry in result:
        series = _series(entry)
        if not isinstance(series, Series):
            return series
        found.append(series)
    if len({series.labels for series in found}) < len(found):
        return Ambiguous("series that differ only in the name of the metric")
    return tuple(found)


def read_points(points: object) -> tuple[Sample, ...] | None:
    """Read `[[1700000000.123, "0.5"], …]` without what is not finite; None when it is not that.

    All at once, in loops that run in C: one sample at a time takes almost twice as long.
    """
    if not isinstance(points, list):
        return None
    if not points:
        return ()
    try:
        times, texts = zip(*points, strict=True)
        if not _ascending(times):
            return None
        # Joined and stripped to nothing: there is no other character in any of them.
        if not "".join(texts).strip(DIGITS):
            values = tuple(map(float, texts))
            if math.isfinite(sum(values)):
                return _samples(times, values)
    except (TypeError, ValueError, OverflowError):
        pass  # which one it is shows below
    return _one_by_one(points)


def _series(entry: Any) -> Series | Ambiguous | QueryError:
    if not isinstance(entry, dict):
        return malformed("no series")
    if "histogram" in entry or "histograms" in entry:
        return Ambiguous("a native histogram")
    labels = _labels(entry.get("metric"))
    samples = (
        read_points(entry["values"]) if "values" in entry else _one_by_one([entry.get("value")])
    )
    if samples is None:
        return malformed("a value that is no number")
    return malformed("labels that are no text") if labels is None else Series(labels, samples)


def _labels(metric: object) -> Labels | None:
    if not isinstance(metric, dict):
        return None
    try:
        text = "".join(metric.values())
        if not text.isascii():
            text.encode()  # half a surrogate pair could not be written anywhere later
    except (TypeError, UnicodeEncodeError):
        return None
    metric.pop("__name__", None)
    return tuple(sorted(metric.items()))


def _ascending(times: tuple[Any, ...]) -> bool:
    """Finite numbers, oldest first: the same time twice is possible without deduplication."""
    return (
        set(map(type, times)) <= _NUMBERS
        and math.isfinite(sum(times))
        and list(times) == sorted(times)
    )


def _samples(times: tuple[float, ...], values: tuple[float, ...]) -> tuple[Sample, ...]:
    """Make the samples without calling `Sample` for each, which would take half of all the time."""
    samples = tuple(map(object.__new__, repeat(Sample, len(times))))
    deque(map(_SET_TIME, samples, map(float, times)), maxlen=0)
    deque(map(_SET_VALUE, samples, values), maxlen=0)
    return samples


def _one_by_one(points: list[Any]) -> tuple[Sample, ...] | None:
    samples = []
    for point in points:
        sample = read_sample(point)
        if sample is None:
            return None
        if math.isfinite(sample.value):
            samples.append(sample)
    return tuple(samples)
