"""Every kind of answer ends in exactly one typed result, and no text of it survives."""

import json
from typing import Any

import pytest

from model_rollout.adapters.prometheus.parse import parse_instant, parse_matrix
from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
)

CANARY = "canary-7f3a"
NOW = 1767225600.781


def success(kind: Any, result: Any, **more: Any) -> bytes:
    answer = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return json.dumps(answer).encode()


def one(value: Any, time: Any = NOW) -> bytes:
    return success("vector", [{"metric": {"app": CANARY}, "value": [time, value]}])


def error(kind: Any) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": CANARY}).encode()


def malformed(what: str) -> QueryError:
    return QueryError(ErrorKind.MALFORMED, what)


SERIES = {"metric": {}, "value": [NOW, "1"]}
HISTOGRAM = {"metric": {}, "histogram": [NOW, {"count": "3", "sum": "1", "buckets": []}]}

ANSWERS: list[tuple[str, int, bytes, QueryResult]] = [
    ("one value", 200, one("0.93"), Sample(NOW, 0.93)),
    ("whole seconds", 200, one("-1e3", 1767225600), Sample(1767225600, -1000)),
    ("scalar", 200, success("scalar", [NOW, "2"]), Sample(NOW, 2)),
    # 19: errors of the server, and warnings, which are none
    ("19 warnings", 200, success("vector", [SERIES], warnings=[CANARY]), Sample(NOW, 1)),
    ("19 infos", 200, success("vector", [SERIES], infos=[CANARY]), Sample(NOW, 1)),
    ("19 unavailable", 503, b"", QueryError(ErrorKind.SERVER, "HTTP 503")),
    ("19 html", 502, b"<html>", QueryError(ErrorKind.SERVER, "HTTP 502")),
    ("19 status error", 200, error("internal"), QueryError(ErrorKind.SERVER, "HTTP 200, internal")),
    ("19 timeout", 503, error("timeout"), QueryError(ErrorKind.TIMEOUT, "HTTP 503, timeout")),
    ("19 canceled", 503, error("canceled"), QueryError(ErrorKind.TIMEOUT, "HTTP 503, canceled")),
    ("19 gateway", 504, b"", QueryError(ErrorKind.TIMEOUT, "HTTP 504")),
    ("19 execution", 422, error("execution"), QueryError(ErrorKind.SERVER, "HTTP 422, execution")),
    ("19 bad query", 400, error("bad_data"), QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")),
    (
        "19 bad in 200",
        200,
        error("bad_data"),
        QueryError(ErrorKind.BAD_QUERY, "HTTP 200, bad_data"),
    ),
    ("19 unknown type", 500, error(CANARY), QueryError(ErrorKind.SERVER, "HTTP 500")),
    ("19 unknown in 200", 200, error(CANARY), QueryError(ErrorKind.SERVER, "HTTP 200")),
    ("19 type is a list", 400, error([CANARY]), QueryError(ErrorKind.CLIENT, "HTTP 400")),
    ("19 unauthorized", 401, b"", QueryError(ErrorKind.UNAUTHORIZED, "HTTP 401")),
    (
        "19 forbidden",
        403,
        CANARY.encode(),
        QueryError(ErrorKind.UNAUTHORIZED, "HTTP 403"),
    ),
    ("19 wrong path", 404, b"404 page not found", QueryError(ErrorKind.CLIENT, "HTTP 404")),
    ("19 too many", 429, b"", QueryError(ErrorKind.CLIENT, "HTTP 429")),
    ("19 redirect", 302, b"", QueryError(ErrorKind.REDIRECT, "HTTP 302")),
    ("19 no content", 204, b"", malformed("HTTP 204")),
    # 20: an answer that says nothing
    ("20 empty", 200, success("vector", []), NoData("empty")),
    ("20 NaN", 200, one("NaN"), NoData("NaN")),
    ("20 +Inf", 200, one("+Inf"), NoData("infinite")),
    ("20 -Inf", 200, one("-Inf"), NoData("infinite")),
    ("20 overflow", 200, one("1e999"), NoData("infinite")),
    ("20 scalar NaN", 200, success("scalar", [NOW, "NaN"]), NoData("NaN")),
    # 21: several series
    ("21 two series", 200, success("vector", [SERIES, SERIES]), Ambiguous("2 series")),
    ("21 many", 200, success("vector", [SERIES] * 1000), Ambiguous("1000 series")),
    ("21 two histograms", 200, success("vector", [HISTOGRAM] * 2), Ambiguous("2 series")),
    # 24: what is no value at all
    ("24 string", 200, success("string", [NOW, CANARY]), Ambiguous("a string")),
    ("24 matrix", 200, success("matrix", []), Ambiguous("a range of values")),
    ("24 histogram", 200, success("vector", [HISTOGRAM]), Ambiguous("a histogram")),
    ("24 nothing", 200, b"", malformed("no JSON object")),
    ("24 truncated", 200, one("1")[:-9], malformed("no JSON object")),
    ("24 html", 200, b"<html>sign in</html>", malformed("no JSON object")),
    ("24 list", 200, b"[1]", malformed("no JSON object")),
    ("24 deep", 200, b"[" * 100_000, malformed("no JSON object")),
    ("24 long number", 200, b"9" * 100_000, malformed("no JSON object")),
    ("24 not utf-8", 200, b'{"status": "\xff"}', malformed("no JSON object")),
    ("24 no status", 200, b'{"data": {}}', malformed("no data")),
    ("24 null data", 200, b'{"status": "success", "data": null}', malformed("no data")),
    ("24 unknown kind", 200, success(CANARY, []), malformed("unknown result type")),
    ("24 kind is a list", 200, success(["vector"], []), malformed("unknown result type")),
    ("24 null result", 200, success("vector", None), malformed("no list of series")),
    ("24 series is text", 200, success("vector", [CANARY]), malformed("a value that is no number")),
    ("24 number as JSON", 200, one(1), malformed("a value that is no number")),
    ("24 boolean", 200, one(True), malformed("a value that is no number")),
    ("24 null", 200, one(None), malformed("a value that is no number")),
    ("24 words", 200, one(CANARY), malformed("a value that is no number")),
    ("24 underscore", 200, one("1_0"), malformed("a value that is no number")),
    ("24 spaces", 200, one(" 1"), malformed("a value that is no number")),
    ("24 other digits", 200, one("\u0661"), malformed("a value that is no number")),
    ("24 hex", 200, one("0x10"), malformed("a value that is no number")),
    ("24 time is huge", 200, one("1", 10**400), malformed("a value that is no number")),
    ("24 time is text", 200, one("1", "now"), malformed("a value that is no number")),
    ("24 time is true", 200, one("1", True), malformed("a value that is no number")),
    ("24 time is NaN", 200, one("1", float("nan")), malformed("a value that is no number")),
    (
        "24 three parts",
        200,
        success("scalar", [NOW, "1", 2]),
        malformed("a value that is no number"),
    ),
    # 25: the time is passed on as it is; whoever knows what is fresh judges it
    ("25 stale", 200, one("1", 12.5), Sample(12.5, 1)),
    ("25 future", 200, one("1", 4102444800), Sample(4102444800, 1)),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [answer[1:] for answer in ANSWERS],
    ids=[answer[0] for answer in ANSWERS],
)
def test_answer(status: int, body: bytes, expected: QueryResult) -> None:
    result = parse_instant(status, body)
    assert result == expected
    assert CANARY not in repr(result)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ([], ()),
        ([SERIES, SERIES], ()),
        ([HISTOGRAM], ()),
        (
            [{"values": [[1, "1"], [2, "1"]]}, {"values": [[2, "2"], [3, "NaN"]]},
             {"values": [[0, "3"], [3, "3"], [4, "4"]]}],
            (Sample(0, 3), Sample(1, 1), Sample(4, 4)),
        ),
        ([{"metric": {}, "values": [[1, "1"], [2, "NaN"], [3, "+Inf"], [4, "2"]]}],
         (Sample(1, 1), Sample(4, 2))),
        ([{"values": "x"}], malformed("a series without values")),
        (["x"], malformed("a series without values")),
        ([{"values": [[1, 1]]}], malformed("a value that is no number")),
        ({}, malformed("no list of series")),
        (None, malformed("no list of series")),
    ],
    ids=["empty", "several", "histogram", "one after the other", "gaps", "text", "no series",
         "no string", "dict", "null"],
)  # fmt: skip
def test_history(result: object, expected: object) -> None:
    assert parse_matrix(result) == expected
