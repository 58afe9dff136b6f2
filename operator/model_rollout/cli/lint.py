"""`modelrollout lint`: what the API server or the operator would refuse, told without a cluster."""

import argparse
from collections import Counter

from model_rollout.cli.connect import ended
from model_rollout.cli.linting import Report, Severity, Told, check
from model_rollout.cli.output import (
    OK,
    REFUSED,
    Colour,
    Style,
    add_output,
    clean,
    documented,
    show,
    style_of,
    tell,
)
from model_rollout.ports.kubernetes import Json


def add_lint(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    lint = commands.add_parser(
        "lint",
        help="check manifests without a cluster",
        description="Checks ModelRollouts and MetricTemplates in files: what the API server would "
        "refuse, in its words, and what the operator would: placeholders, templates, limits, "
        "analysis.when, and components against the Deployment where it is in the files. Other objects "
        "are left alone.",
        epilog="Exit status: 0 nothing is wrong, 2 something is (notes do not count).",
    )
    lint.set_defaults(execute=lambda chosen: ended(chosen, lambda: _run(chosen)))
    lint.add_argument(
        "-f",
        "--filename",
        action="extend",
        nargs="+",
        required=True,
        metavar="FILE",
        help="YAML; - reads the standard input",
    )
    add_output(lint)


def _run(chosen: argparse.Namespace) -> int:
    report = check(chosen.filename)
    if chosen.output == "table":
        show(as_text(report, style_of()))
        tell(_summary(report))
    else:
        show([documented(as_document(report), chosen.output)])
    return REFUSED if report.problems else OK


def as_text(report: Report, style: Style) -> list[str]:
    """Return one line for each problem and note."""
    return [_line(told, style) for told in report.told]


def _line(told: Told, style: Style) -> str:
    line = f", line {told.line}" if told.line else ""
    field = f"{told.field}: " if told.field else ""
    note = "note: " if told.severity is Severity.NOTE else ""
    return style.paint(clean(f"{told.file}{line}: "), Colour.STRONG) + clean(
        f"{note}{field}{told.message}"
    )


def _summary(report: Report) -> str:
    kinds = Counter(report.kinds)
    found = ", ".join(_counted(count, kind) for kind, count in sorted(kinds.items()))
    if not report.problems:
        return f"{found}: nothing to correct"
    return f"{found or 'no object of ours'}: {_counted(len(report.problems), 'problem')}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def as_document(report: Report) -> Json:
    """Return problems and notes as a document."""
    return {
        "problems": [_entry(told) for told in report.problems],
        "notes": [_entry(told) for told in report.notes],
    }


def _entry(told: Told) -> Json:
    return {
        "file": told.file,
        "line": told.line,
        "field": told.field or None,
        "message": told.message,
    }
