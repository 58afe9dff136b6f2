"""Answers with many series: strict, whole, and without a text that is not a label."""

import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.adapters.prometheus.parse import read_sample
from model_rollout.adapters.prometheus.series import parse_series, read_points
from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    Labels,
    QueryError,
    Sample,
    Series,
)

CANARY = "canary-7f3a"
NOW = 1767225600.781
NO_NUMBER = QueryError(ErrorKind.MALFORMED, "a value that is no number")


def success(kind: Any, result: Any, **more: Any) -> bytes:
    answer = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return json.dumps(answer).encode()


def vector(*series: Any) -> bytes:
    return success("vector", list(series))


def matrix(*points: Any) -> bytes:
    return success("matrix", [{"metric": {"pod": "a"}, "values": list(points)}])


def found(*samples: Sample, labels: Labels = (("pod", "a"),)) -> tuple[Series, ...]:
    return (Series(labels, samples),)


def at(value: Any, **labels: Any) -> dict[str, Any]:
    return {"metric": labels, "value": [NOW, value]}


HISTOGRAM = {"metric": {}, "histogram": [NOW, {"count": "3", "sum": "1", "buckets": []}]}
HISTOGRAMS = {"metric": {}, "values": [[1, "1"]], "histograms": [[NOW, {"count": "3"}]]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (vector(), ()),
        (
            vector(at("1", __name__="up", pod="b", app="x"), at("2")),
            (
                Series((("app", "x"), ("pod", "b")), (Sample(NOW, 1),)),
                Series((), (Sample(NOW, 2),)),
            ),
        ),
        (vector(at("NaN", pod="a")), found()),
        (vector(at("+Inf", pod="a")), found()),
        (matrix([1, "1"], [2.5, "2e3"]), found(Sample(1, 1), Sample(2.5, 2000))),
        (matrix([1, "1"], [2, "NaN"], [3, "-Inf"], [4, "4"]), found(Sample(1, 1), Sample(4, 4))),
        (matrix([1, "1"], [2, "1e999"]), found(Sample(1, 1))),
        (matrix([1, "1e308"], [2, "1e308"]), found(Sample(1, 1e308), Sample(2, 1e308))),
        (matrix([1, "1"], [1, "2"]), found(Sample(1, 1), Sample(1, 2))),
        (matrix(), found()),
        (success("matrix", []), ()),
        (success("vector", [at("1", pod="ä")]), found(Sample(NOW, 1), labels=(("pod", "ä"),))),
        (success("vector", [at("1", pod="a")], warnings=[CANARY]), found(Sample(NOW, 1))),
    ],
    ids=[
        "no series", "labels", "NaN", "infinite", "matrix", "gaps", "overflow", "sum overflows",
        "same time", "empty series", "empty matrix", "not ASCII", "warnings",
    ],
)  # fmt: skip
def test_series(body: bytes, expected: object) -> None:
    result = parse_series(200, body)
    assert result == expected
    assert CANARY not in repr(result)


def test_times_are_floats() -> None:
    result = parse_series(200, matrix([1, "1"], [2, "2"]))
    assert isinstance(result, tuple)
    assert [type(sample.time) for sample in result[0].samples] == [float, float]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (vector(HISTOGRAM), "a native histogram"),
        (success("matrix", [HISTOGRAMS]), "a native histogram"),
        (vector(at("1"), HISTOGRAM), "a native histogram"),
        (success("scalar", [NOW, "1"]), "a scalar"),
        (success("string", [NOW, CANARY]), "a string"),
        (
            vector(at("1", __name__="a", pod="x"), at("1", __name__="b", pod="x")),
            "series that differ only in the name of the metric",
        ),
    ],
    ids=["histogram", "histograms", "some", "scalar", "string", "several names"],
)
def test_ambiguous(body: bytes, expected: str) -> None:
    assert parse_series(200, body) == Ambiguous(expected)


@pytest.mark.parametrize(
    "points",
    [
        [[1, 1]],
        [[1, True]],
        [[1, None]],
        [[1, CANARY]],
        [[1, "1_0"]],
        [[1, " 1"]],
        [[1, "0x10"]],
        [[1, "\u0661"]],
        [[1, "infinity"]],
        [[1, "nan"]],
        [[1, ""]],
        [[1, "."]],
        [[1, "1e"]],
        [[1, "1-"]],
        [["1", "1"]],
        [[True, "1"]],
        [[None, "1"]],
        [[math.nan, "1"]],
        [[math.inf, "1"]],
        [[10**400, "1"]],
        [[2, "1"], [1, "1"]],
        [[1, "1", "1"]],
        [[1, "1"], [2]],
        [[1]],
        [[]],
        ["ab"],
        [{"1": 1, "2": 2}],
        [1],
        [None],
        {},
        CANARY,
        None,
        7,
    ],
)
def test_points_that_are_none(points: Any) -> None:
    body = success("matrix", [{"metric": {"pod": "a"}, "values": points}])
    assert parse_series(200, body) == NO_NUMBER


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (CANARY, "no series"),
        (None, "no series"),
        ({"metric": {}}, "a value that is no number"),
        ({"metric": {}, "value": "x"}, "a value that is no number"),
        ({"value": [1, "1"]}, "labels that are no text"),
        ({"metric": [], "value": [1, "1"]}, "labels that are no text"),
        ({"metric": {"a": 1}, "value": [1, "1"]}, "labels that are no text"),
        ({"metric": {"a": None}, "value": [1, "1"]}, "labels that are no text"),
        ({"metric": {"a": "\ud800"}, "value": [1, "1"]}, "labels that are no text"),
    ],
)
def test_series_that_are_none(series: Any, expected: str) -> None:
    assert parse_series(200, vector(series)) == QueryError(ErrorKind.MALFORMED, expected)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", QueryError(ErrorKind.MALFORMED, "no JSON object")),
        (200, matrix([1, "1"])[:-9], QueryError(ErrorKind.MALFORMED, "no JSON object")),
        (200, success("vector", None), QueryError(ErrorKind.MALFORMED, "no list of series")),
        (200, success("vector", {}), QueryError(ErrorKind.MALFORMED, "no list of series")),
        (200, success(CANARY, []), QueryError(ErrorKind.MALFORMED, "unknown result type")),
        (200, success(["vector"], []), QueryError(ErrorKind.MALFORMED, "unknown result type")),
        (503, CANARY.encode(), QueryError(ErrorKind.SERVER, "HTTP 503")),
        (401, CANARY.encode(), QueryError(ErrorKind.UNAUTHORIZED, "HTTP 401")),
    ],
)
def test_no_answer(status: int, body: bytes, expected: QueryError) -> None:
    assert parse_series(status, body) == expected


NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Inf")


@given(st.text("0123456789+-.eENaIinf_ \u0661", max_size=8) | st.floats().map(repr))
def test_numbers_are_what_prometheus_writes(text: str) -> None:
    assert (read_sample([1, text]) is not None) == (NUMBER.fullmatch(text) is not None)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**10).map(lambda ms: ms / 1000) | st.integers(0, 10**7),
            st.floats().map(lambda x: repr(x).replace("inf", "Inf").replace("nan", "NaN"))
            | st.text("0123456789eE.+- ", max_size=4),
        )
    )
)
def test_all_at_once_reads_as_one_by_one(pairs: list[tuple[float, str]]) -> None:
    points = [list(pair) for pair in sorted(pairs, key=lambda pair: pair[0])]
    samples = [read_sample(point) for point in points]
    if None in samples:
        assert read_points(points) is None
    else:
        finite = tuple(s for s in samples if s is not None and math.isfinite(s.value))
        assert read_points(points) == finite
