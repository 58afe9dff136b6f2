"""What reaches the terminal, and what does not."""

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.cli.output import (
    Colour,
    Columns,
    Style,
    age,
    as_json,
    as_yaml,
    clean,
    cut,
    epoch,
    moment,
    paragraph,
    style_of,
    table,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printable(text: str) -> bool:
    return all(c == "\n" or c.isprintable() for c in text)


@given(st.text())
def test_nothing_raw_gets_through(text: str) -> None:
    assert clean(text).isprintable()
    assert printable("\n".join(table([("A", "B"), (text, text)], Style())))
    assert printable("\n".join(paragraph(text, Style(width=40))))


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(DOCUMENTS)
def test_json_is_safe_to_look_at_and_loses_nothing(document: Any) -> None:
    text = as_json(document)
    assert printable(text)
    assert json.loads(text) == document


@given(
    st.dictionaries(st.text("ab\x1b\x9b\n\u202e\x07\x85é"), st.text("ab\x1b\x9b\n\u202e\x07\x85é"))
)
def test_yaml_is_safe_to_look_at_and_loses_nothing(document: Any) -> None:
    text = as_yaml(document)
    assert printable(text)
    assert yaml.safe_load(text) == document


@pytest.mark.parametrize(
    ("environment", "colours"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_on_a_terminal(environment: dict[str, str], colours: bool) -> None:
    assert style_of(Terminal(), environment).colours is colours


def test_no_colours_and_no_cuts_where_there_is_no_terminal() -> None:
    assert style_of(io.StringIO(), {}) == Style()
    assert Style().paint("x", Colour.BAD) == "x"
    assert table([("A", "B"), ("1", "x" * 500)], Style())[1] == "1   " + "x" * 500


def test_the_last_column_ends_where_the_terminal_does() -> None:
    lines = table([("NAME", "MESSAGE"), ("a", "x" * 100)], Style(width=40))
    assert [len(line) for line in lines] == [14, 40]
    assert lines[1].endswith("…")


def test_empty_cells_are_shown_as_such() -> None:
    assert table([("A", "B"), ("", "")], Style()) == ["A        B", "<none>   <none>"]


def test_rows_that_come_later_stay_in_their_columns() -> None:
    columns = Columns(Style())
    assert columns.lines([("NAME", "PHASE"), ("ab", "x")]) == ["NAME   PHASE", "ab     x"]
    assert columns.lines([("longer", "y")]) == ["longer   y"]
    assert columns.lines([("a", "z")]) == ["a        z"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (-5, "0s"), (59.9, "59s"), (60, "1m"), (61, "1m1s"), (600, "10m"), (601, "10m"),
        (3600, "1h"), (3700, "1h1m"), (36_000, "10h"), (40_000, "11h"), (86_400, "1d"),
        (90_000, "1d1h"), (864_000, "10d"), (31_536_000, "1y"), (32_000_000, "1y5d"),
    ],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_times() -> None:
    assert moment("2026-03-01T13:00:00+01:00") == "2026-03-01 12:00:00"
    assert moment(None) == moment("") == moment(0.0) == ""
    assert epoch("no time") == epoch(None) == 0.0


def test_cut() -> None:
    assert (cut("abc", 3), cut("abcd", 3), cut("abcd", None)) == ("abc", "ab…", "abcd")
