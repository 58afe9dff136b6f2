"""Buckets of classic histograms: the bucket of a limit, however its bound is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.analysis.histogram import (
    at_most,
    bounds_question,
    no_bucket,
)
from model_rollout.analysis.measurement import Sample, Series, Window


def matches(limit: float, text: str) -> bool:
    pattern = at_most(limit).removeprefix('le=~"').removesuffix('"')
    return re.fullmatch(pattern, text) is not None


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (1.0, "1"),
        (1.0, "1.0"),
        (1.0, "1e+00"),
        (0.005, "0.005"),
        (0.005, "5e-03"),
        (0.005, "0.0050"),
        (0.005, ".005"),
        (0.8, "0.8"),
        (2.5, "2.5"),
        (2.5, "2.50"),
        (1e6, "1000000"),
        (1e6, "1e+06"),
        (1e6, "1e6"),
        (1e6, "1.0E6"),
        (1e6, "1000000.0"),
        (2.5e6, "2.5e+06"),
        (5e-5, "5e-05"),
        (5e-5, "0.00005"),
        (0.0, "0"),
        (0.0, "0.0"),
        (-0.5, "-0.5"),
    ],
)
def test_bound_is_found_in_every_spelling(limit: float, text: str) -> None:
    assert matches(limit, text)


@pytest.mark.parametrize(
    "text", ["+Inf", "10", "0.1", "1.01", "11", "1e+01", "-1", "0.10", "1e-01"]
)
def test_bucket_of_another_bound_is_not_taken(text: str) -> None:
    assert not matches(1.0, text)


NUMBERS = st.floats(1e-9, 1e12).map(lambda number: float(f"{number:.6g}"))


@given(NUMBERS)
def test_what_clients_write_is_found(number: float) -> None:
    for text in (repr(number), f"{number:g}", f"{number:e}", f"{number:E}", f"{number:.6e}"):
        assert matches(number, text)


@given(NUMBERS, NUMBERS)
def test_other_numbers_are_not(number: float, other: float) -> None:
    assert matches(number, repr(other)) is (number == other)


def test_matcher_holds_no_backslash() -> None:
    assert "\\" not in at_most(0.125)


def test_bounds_are_asked_for_by_group() -> None:
    assert bounds_question("x_bucket", ()) == "count by (le) (x_bucket)"
    assert bounds_question("x_bucket", (("app", "a"),)) == "count by (le, app) (x_bucket)"


def bounds(*texts: str) -> Window:
    series = (Series((("le", text),) if text else (), (Sample(0.0, 1.0),)) for text in texts)
    return Window(0.0, 0.0, tuple(series))


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (None, "the limit 0.8 is not the upper bound of a bucket"),
        (
            bounds("0.5", "1.0", "0.1", "+Inf"),
            "the limit 0.8 is not the upper bound of a bucket: write max: 0.5 or 1",
        ),
        (
            bounds("1", "2.5", "+Inf"),
            "the limit 0.8 is not the upper bound of a bucket: write max: 1",
        ),
        (
            bounds("0.5", "+Inf"),
            "the limit 0.8 is not the upper bound of a bucket: write max: 0.5",
        ),
        (bounds("+Inf"), "the limit 0.8 is not the upper bound of a bucket"),
    ],
    ids=["not known yet", "between", "below all", "above all", "no buckets"],
)
def test_nearest_bounds_are_named(known: Window | None, sentence: str) -> None:
    assert no_bucket(0.8, known) == sentence


def test_native_histogram_is_told_from_a_wrong_limit() -> None:
    assert "no classic buckets" in no_bucket(0.8, bounds(""))
    assert "native histograms cannot be read" in no_bucket(0.8, bounds(""))
