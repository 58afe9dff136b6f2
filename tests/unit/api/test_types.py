"""Durations and times: text on the wire, seconds in memory."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.api.types import (
    DURATION_PATTERN,
    ApiModel,
    Duration,
    Timestamp,
    duration_text,
    seconds,
    time_text,
)

LONGEST_MS = 100_000 * 24 * 3600 * 1000  # 100,000 days


class Sample(ApiModel):
    length: Duration
    at: Timestamp


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("250ms", 0.25),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("100d", 8_640_000.0),
        ("2w", 1_209_600.0),
    ],
)
def test_duration_is_read(text: str, length: float) -> None:
    assert seconds(text) == pytest.approx(length)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "1.5h", "-5m", "PT5M", "5M", "5m ", "5m\n", "٣s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 30s"):
        seconds(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "0s"), (-1, "0s"), (0.25, "250ms"), (90, "1m30s"), (86400, "1d"), (5400.001, "1h30m1ms")],
)
def test_duration_is_written_as_people_write_it(length: float, text: str) -> None:
    assert duration_text(length) == text


@given(st.integers(0, LONGEST_MS))
def test_duration_round_trip(milliseconds: int) -> None:
    text = duration_text(milliseconds / 1000)
    assert round(seconds(text) * 1000) == milliseconds


@given(st.integers(0, LONGEST_MS))
def test_api_server_takes_every_duration_that_is_written(milliseconds: int) -> None:
    text = duration_text(milliseconds / 1000)
    assert re.fullmatch(DURATION_PATTERN, text)
    assert len(text) <= 32


@given(st.from_regex(DURATION_PATTERN, fullmatch=True).filter(str.isascii))
def test_every_duration_that_the_api_server_takes_is_read(text: str) -> None:
    assert seconds(text) >= 0.0


@given(st.integers(0, 4_102_444_800_000))
def test_time_round_trip_to_the_millisecond(milliseconds: int) -> None:
    text = time_text(milliseconds / 1000)
    sample = Sample.model_validate({"length": "0s", "at": text})
    assert round(sample.at * 1000) == milliseconds
    assert sample.model_dump(mode="json")["at"] == text


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T10:00:00Z", "2026-01-01T10:00:00.000000Z", "2026-01-01T12:00:00+02:00"],
)
def test_times_of_others_are_read(text: str) -> None:
    sample = Sample.model_validate({"length": "0s", "at": text})
    assert time_text(sample.at) == "2026-01-01T10:00:00.000Z"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at"):
        Sample.model_validate({"length": "0s", "at": text})


def test_model_is_read_and_written_in_one_spelling() -> None:
    wire = {"length": "1h30m", "at": "2026-01-01T10:00:00.250Z"}
    assert Sample.model_validate(wire).model_dump(mode="json", by_alias=True) == wire


def test_unknown_fields_are_ignored() -> None:
    wire = {"length": "1s", "at": "2026-01-01T10:00:00.000Z"}
    known = Sample.model_validate(wire | {"later": 1})
    assert known.model_dump(mode="json", by_alias=True) == wire
