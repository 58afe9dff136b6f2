"""Reads answers of the Prometheus query API. Pure; strict, because a number is acted upon.

No text of an answer is kept: a metrics backend must not be able to write into a status or an Event.
"""

import json
import math
from collections import Counter
from typing import Any

from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
)

DIGITS = "0123456789+-.eE"
"""Of which Prometheus writes finite numbers. `float()` alone would also take "1_0" and "infinity"."""

_NOT_FINITE = frozenset({"NaN", "Inf", "+Inf", "-Inf"})

_ERROR_TYPES = frozenset(
    {
        "timeout",
        "canceled",
        "execution",
        "bad_data",
        "internal",
        "unavailable",
        "not_found",
        "not_acceptable",
    }
)


def parse_instant(status: int, body: bytes) -> QueryResult:
    """Read the answer to an instant query that came with the HTTP code `status`."""
    data = read_data(status, body)
    return data if isinstance(data, QueryError) else _result(data)


def read_data(status: int, body: bytes) -> dict[str, Any] | QueryError:
    """Return the part `data` of an answer that came with the HTTP code `status`."""
    if status != 200:
        return refusal(status, body)
    answer = _decoded(body)
    if not isinstance(answer, dict):
        return malformed("no JSON object")
    if answer.get("status") == "error":
        return refusal(status, body)
    data = answer.get("data")
    if answer.get("status") != "success" or not isinstance(data, dict):
        return malformed("no data")
    # Warnings may come along (a replica was unreachable, a name looks odd); the value counts.
    return data


def parse_matrix(result: object) -> tuple[Sample, ...] | QueryError:
    """Read the `result` of a range query as the values that instant queries would have had.

    Where several series have a value at the same time there is none, as an instant query would be
    ambiguous then; which series it is may change from time to time, as with the pods of a rollout.
    """
    if not isinstance(result, list):
        return malformed("no list of series")
    found: list[Sample] = []
    for series in result:
        points = series.get("values", []) if isinstance(series, dict) else None
        if not isinstance(points, list):
            return malformed("a series without values")
        for point in points:
            sample = read_sample(point)
            if sample is None:
                return malformed("a value that is no number")
            found.append(sample)
    answers = Counter(sample.time for sample in found)
    alone = (s for s in found if answers[s.time] == 1 and math.isfinite(s.value))
    return tuple(sorted(alone, key=lambda sample: sample.time))


def refusal(status: int, body: bytes) -> QueryError:
    """Read an answer that holds no result: another code than 200, or `status: error`."""
    answer = _decoded(body)
    named = answer.get("errorType") if isinstance(answer, dict) else None
    word = named if isinstance(named, str) and named in _ERROR_TYPES else ""
    detail = f"HTTP {status}, {word}" if word else f"HTTP {status}"
    return QueryError(_kind(status, word), detail)


def _kind(status: int, word: str) -> ErrorKind:
    if 300 <= status < 400:
        return ErrorKind.REDIRECT
    if status in (401, 403):
        return ErrorKind.UNAUTHORIZED
    if word in ("timeout", "canceled") or status in (408, 504):
        return ErrorKind.TIMEOUT
    if word == "bad_data":
        return ErrorKind.BAD_QUERY
    if word or status >= 500 or status == 200:  # 200 with an error type of its own
        return ErrorKind.SERVER
    return ErrorKind.CLIENT if status >= 400 else ErrorKind.MALFORMED


def _result(data: dict[str, Any]) -> QueryResult:
    result = data.get("result")
    match data.get("resultType"):
        case "vector":
            return _vector(result)
        case "scalar":
            return _value(result)
        case "matrix":
            return Ambiguous("a range of values")
        case "string":
            return Ambiguous("a string")
    return malformed("unknown result type")


def _vector(result: object) -> QueryResult:
    if not isinstance(result, list):
        return malformed("no list of series")
    if not result:
        return NoData("empty")
    if len(result) > 1:
        return Ambiguous(f"{len(result)} series")
    series = result[0]
    if isinstance(series, dict) and "value" not in series and "histogram" in series:
        return Ambiguous("a histogram")
    return _value(series.get("value") if isinstance(series, dict) else None)


def _value(point: object) -> QueryResult:
    sample = read_sample(point)
    if sample is None:
        return malformed("a value that is no number")
    if math.isnan(sample.value):
        return NoData("NaN")
    return NoData("infinite") if math.isinf(sample.value) else sample


def read_sample(point: object) -> Sample | None:
    """Read `[1700000000.123, "0.5"]`: the time is a JSON number, the value a string."""
    if not isinstance(point, list) or len(point) != 2:
        return None
    time, value = point
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not isinstance(value, str):
        return None
    if value not in _NOT_FINITE and value.strip(DIGITS):
        return None  # something is left, so there is another character in it
    try:
        sample = Sample(float(time), float(value))
    except (ValueError, OverflowError):
        return None
    return sample if math.isfinite(sample.time) else None


def _decoded(body: bytes) -> Any:
    """Return the decoded JSON, None when it is none (or so deep that reading it fails)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def malformed(what: str) -> QueryError:
    """Return the error for an answer in another shape; `what` is a text of ours."""
    return QueryError(ErrorKind.MALFORMED, what)
