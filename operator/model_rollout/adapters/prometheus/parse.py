"""Reads answers of the Prometheus query API. Pure; strict, because a number is acted upon.

No text of an answer is kept: a metrics backend must not be able to write into a status or an Event.
"""

import json
import math
import re
from typing import Any

from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
)

# As Prometheus writes numbers. `float()` alone would also take "1_0", " 1" and "infinity".
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|NaN|[+-]?Inf", re.ASCII)

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
    if status != 200:
        return refusal(status, body)
    answer = _decoded(body)
    if not isinstance(answer, dict):
        return _malformed("no JSON object")
    if answer.get("status") == "error":
        return refusal(status, body)
    data = answer.get("data")
    if answer.get("status") != "success" or not isinstance(data, dict):
        return _malformed("no data")
    # Warnings may come along (a replica was unreachable, a name looks odd); the value counts.
    return _result(data.get("resultType"), data.get("result"))


def parse_matrix(result: object) -> tuple[Sample, ...] | QueryError:
    """Read the `result` of a range query: the finite values of its series, if it is only one."""
    if not isinstance(result, list):
        return _malformed("no list of series")
    if len(result) != 1:
        return ()
    values = result[0].get("values", []) if isinstance(result[0], dict) else None
    if not isinstance(values, list):
        return _malformed("a series without values")
    samples = [_sample(point) for point in values]
    if None in samples:
        return _malformed("a value that is no number")
    return tuple(s for s in samples if s is not None and math.isfinite(s.value))


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
    if word in ("timeout", "canceled") or status in (408, 504):
        return ErrorKind.TIMEOUT
    if word == "bad_data":
        return ErrorKind.BAD_QUERY
    if word or status >= 500 or status == 200:  # 200 with an error type of its own
        return ErrorKind.SERVER
    return ErrorKind.CLIENT if status >= 400 else ErrorKind.MALFORMED


def _result(kind: object, result: object) -> QueryResult:
    match kind:
        case "vector":
            return _vector(result)
        case "scalar":
            return _value(result)
        case "matrix":
            return Ambiguous("a range of values")
        case "string":
            return Ambiguous("a string")
    return _malformed("unknown result type")


def _vector(result: object) -> QueryResult:
    if not isinstance(result, list):
        return _malformed("no list of series")
    if not result:
        return NoData("empty")
    if len(result) > 1:
        return Ambiguous(f"{len(result)} series")
    series = result[0]
    if isinstance(series, dict) and "value" not in series and "histogram" in series:
        return Ambiguous("a histogram")
    return _value(series.get("value") if isinstance(series, dict) else None)


def _value(point: object) -> QueryResult:
    sample = _sample(point)
    if sample is None:
        return _malformed("a value that is no number")
    if math.isnan(sample.value):
        return NoData("NaN")
    return NoData("infinite") if math.isinf(sample.value) else sample


def _sample(point: object) -> Sample | None:
    """Read `[1700000000.123, "0.5"]`: the time is a JSON number, the value a string."""
    if not isinstance(point, list) or len(point) != 2:
        return None
    time, value = point
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
        return None
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    return Sample(float(time), float(value))


def _decoded(body: bytes) -> Any:
    """Return the decoded JSON, None when it is none (or so deep that reading it fails)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _malformed(what: str) -> QueryError:
    return QueryError(ErrorKind.MALFORMED, what)
