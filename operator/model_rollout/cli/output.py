"""What commands print: tables as kubectl prints them, JSON, YAML; colours only on a terminal.

Names and messages come from the cluster. Whoever may write an object could put escape sequences into
them, so nothing that cannot be printed reaches the terminal as it is.
"""

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import Any, TextIO

import yaml

OK, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: it went well; something went wrong in the cluster; wrong use, or input that is
refused; Ctrl-C."""

NONE = "<none>"
_GAP = "   "  # as kubectl
_LEAST_WIDTH = 40


class CommandError(Exception):
    """Why a command ends without what was asked for: one sentence that says what to do."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


class Colour(StrEnum):
    """Colours by what they mean, as SGR parameters."""

    PLAIN = ""
    STRONG = "1"
    BAD = "31"
    GOOD = "32"
    WARN = "33"


@dataclass(frozen=True, slots=True)
class Cell:
    """A text of a table with a colour."""

    text: str
    colour: Colour = Colour.PLAIN


Row = Sequence[str | Cell]


@dataclass(frozen=True, slots=True)
class Style:
    """How texts are laid out."""

    colours: bool = False
    width: int | None = None
    """Columns of the terminal; None: it is none, nothing is cut or wrapped."""

    def paint(self, text: str, colour: Colour) -> str:
        """Return the text in a colour, where there are colours."""
        return f"\x1b[{colour.value}m{text}\x1b[0m" if self.colours and colour else text


def style_of(stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> Style:
    """Return the style for a stream (default: the standard output).

    $NO_COLOR (https://no-color.org) and TERM=dumb are obeyed.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        return Style()
    plain = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return Style(not plain, max(shutil.get_terminal_size((120, 24)).columns, _LEAST_WIDTH))


def clean(text: str) -> str:
    """Return one line in which everything that cannot be printed is written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Columns:
    """Rows in columns that never get narrower, so that rows may come later."""

    def __init__(self, style: Style, indent: str = "", least: Sequence[int] = ()) -> None:
        """`least`: widths to begin with, for rows that come later."""
        self._style = style
        self._indent = indent
        self._widths = list(least)

    def lines(self, rows: Sequence[Row]) -> list[str]:
        """Return rows as lines; an empty text shows as `<none>`.

        On a terminal the last column, which holds sentences, ends where the line does.
        """
        cells = [[_cell(text) for text in row] for row in rows]
        for row in cells:
            widths = [len(cell.text) for cell in row]
            self._widths = [max(pair) for pair in zip_longest(self._widths, widths, fillvalue=0)]
        return [self._line(row) for row in cells]

    def _line(self, row: Sequence[Cell]) -> str:
        *others, last = row
        widths = self._widths[: len(others)]
        before = sum(width + len(_GAP) for width in widths) + len(self._indent)
        room = None if self._style.width is None else max(self._style.width - before, 10)
        paint = self._style.paint
        texts = [
            paint(cell.text, cell.colour) + " " * (width - len(cell.text)) + _GAP
            for cell, width in zip(others, widths, strict=True)
        ]
        return "".join([self._indent, *texts, paint(cut(last.text, room), last.colour)])


def table(rows: Sequence[Row], style: Style, indent: str = "") -> list[str]:
    """Return rows in columns, the first row being the heads."""
    return Columns(style, indent).lines(rows)


def _cell(text: str | Cell) -> Cell:
    cell = text if isinstance(text, Cell) else Cell(text)
    return Cell(clean(cell.text) or NONE, cell.colour)


def cut(text: str, room: int | None) -> str:
    """Return a text of at most `room` characters; None: as it is."""
    return text if room is None or len(text) <= room else text[: room - 1] + "…"


def paragraph(text: str, style: Style, indent: str = "") -> list[str]:
    """Return a sentence as lines that fit the terminal; as one line where there is none."""
    text = clean(text)
    if style.width is None:
        return [indent + text]
    return textwrap.wrap(
        text,
        style.width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(document: Any) -> str:
    """Return a document as JSON, with escapes for what cannot be printed."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # Outside of strings JSON has nothing that cannot be printed but line breaks.
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def as_yaml(document: Any) -> str:
    """Return a document as YAML; where a text cannot be printed, in ASCII with escapes."""
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    if not all(c == "\n" or c.isprintable() for c in text):
        text = yaml.safe_dump(document, sort_keys=False, width=120)
    return text.rstrip("\n")


def documented(document: Any, output: str) -> str:
    """Return a document as `-o json` or `-o yaml` says."""
    return as_json(document) if output == "json" else as_yaml(document)


def add_output(command: argparse.ArgumentParser) -> None:
    """Add -o."""
    command.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "yaml"),
        default="table",
        help="default: table",
    )


def show(lines: Sequence[str]) -> None:
    """Print lines at once: who follows changes through a pipe must not wait for a full buffer."""
    if lines:
        print("\n".join(lines), flush=True)


def tell(text: str) -> None:
    """Print a sentence to the standard error."""
    print(clean(text), file=sys.stderr, flush=True)


def moment(time: str | float | None) -> str:
    """Return a time (RFC 3339, or seconds since the epoch) in UTC; empty when there is none."""
    if not time:
        return ""
    found = epoch(time) if isinstance(time, str) else time
    return datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(time: float) -> str:
    """Return the time of the day in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def epoch(text: str | None) -> float:
    """Return a time of the API in seconds since the epoch; 0 when there is none or it is malformed."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return 0.0


_AGES = ((365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def age(seconds: float) -> str:
    """Return a length with at most two units, of which the smaller is left out beside a great one."""
    rest = max(0, int(seconds))
    for index, (length, unit) in enumerate(_AGES):
        count, rest_of = divmod(rest, length)
        if count == 0 and unit != "s":
            continue
        if unit == "s" or count >= 10:
            return f"{count}{unit}"
        smaller, name = _AGES[index + 1]
        return f"{count}{unit}" + (f"{rest_of // smaller}{name}" if rest_of >= smaller else "")
    return "0s"


def program() -> str:
    """Return the name that the program was called by: a plugin of kubectl or a program of its own."""
    called = Path(sys.argv[0]).name if sys.argv else ""
    return "kubectl modelrollout" if called.startswith("kubectl-") else "modelrollout"
