"""A result as text for a terminal."""

import textwrap
from collections.abc import Iterator, Sequence

from model_rollout.backtest.episodes import Episode, Kind, PlainThreshold
from model_rollout.backtest.result import Result
from model_rollout.backtest.text import length, moment
from model_rollout.backtest.trace import Trace

_SHOWN = 10
"""Episodes of one kind that are listed, the longest ones; JSON has all of them."""
_WHAT = {
    Kind.ROLLBACK: "would have rolled back",
    Kind.HOLD: "would have held",
    Kind.NOTIFY: "would have told people",
    Kind.SUSPECT: "suspect",
}
_NONE = "-"

Row = Sequence[str]


def as_table(result: Result, width: int) -> str:
    """Return everything that a backtest says, in lines of at most `width` where words allow it."""
    parts = [
        _head(result),
        _section("Revisions", _revisions(result)),
        _section("What the policy would have done", _policy(result, width)),
        _section("What a plain threshold would have done on the same samples", _plain(result)),
    ]
    if result.unknown:
        parts.append(_section("What this cannot know", _unknown(result, width)))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(result: Result) -> Iterator[str]:
    period = result.period
    yield f"ModelRollout {result.namespace}/{result.name} of Deployment {result.workload}"
    metrics = f"{len(result.traces)} metric{'s' * (len(result.traces) != 1)}"
    yield (
        f"{moment(period.begin)} to {moment(period.end)} UTC "
        f"({length(period.end - period.begin)}): {period.count:,} checks every {result.interval} "
        f"of {metrics}, replayed in {result.elapsed:.1f} s"
    )


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield title
    for line in lines:
        yield f"  {line}".rstrip()


def _revisions(result: Result) -> Iterator[str]:
    rows = [("NUMBER", "FROM", "SERVING", "STABLE", "REPLICASET", "IMAGES")]
    for spell in result.spells:
        images = result.images.get(spell.replica_set, {})
        rows.append(
            (
                str(spell.revision),
                moment(spell.begin),
                _NONE if spell.serving is None else moment(spell.serving),
                _NONE if spell.stable is None else moment(spell.stable),
                spell.replica_set if images else "unknown",
                ", ".join(images[name] for name in sorted(images)) or "unknown",
            )
        )
    yield from _columns(rows)


def _policy(result: Result, width: int) -> Iterator[str]:
    for kind in Kind:
        found = result.of(kind)
        if found or kind is not Kind.NOTIFY:
            yield _counted(kind, found, result.period.end)
    for kind in Kind:
        found = result.of(kind)
        longest = sorted(found, key=lambda episode: -episode.length(result.period.end))[:_SHOWN]
        for episode in sorted(longest, key=lambda episode: episode.begin):
            yield ""
            yield from _episode(episode, result.period.end, width)
        if len(found) > _SHOWN:
            yield ""
            yield f"… and {len(found) - _SHOWN} shorter ones of these; -o json lists all"


def _counted(kind: Kind, found: tuple[Episode, ...], until: float) -> str:
    times = "never" if not found else "once" if len(found) == 1 else f"{len(found)} times"
    whole = f", {length(sum(e.length(until) for e in found))} in all" if found else ""
    return f"{_WHAT[kind]}: {times}{whole}"


def _episode(episode: Episode, until: float, width: int) -> Iterator[str]:
    seen = episode.sighting
    revision = "" if seen.revision is None else f", revision {seen.revision}"
    target = "" if seen.target is None else f" to {seen.target}"
    lasted = length(episode.length(until))
    until_end = " until the end" if episode.end is None else ""
    yield (
        f"{moment(episode.begin)}  {_WHAT[seen.kind]}{revision}{target}: {seen.reason} "
        f"(for {lasted}{until_end})"
    )
    yield from _wrapped(seen.message, width, "    ")


def _plain(result: Result) -> Iterator[str]:
    rows: list[Row] = [("METRIC", "LIMIT", "CHECKS WITH DATA", "ONE OUTSIDE", "3 IN A ROW OUTSIDE")]
    for trace in result.traces:
        fired = [_fired(trace, rule) for rule in trace.plain]
        rows.append((trace.name, trace.limit, f"{trace.checks_with_data:,}", *fired))
    yield from _columns(rows)


def _fired(trace: Trace, rule: PlainThreshold) -> str:
    if not rule.fired:
        return "never"
    times = "once" if len(rule.fired) == 1 else f"{len(rule.fired):,} times"
    return f"{times}, {rule.alone:,} while Clear" if trace.is_counted else times


def _unknown(result: Result, width: int) -> Iterator[str]:
    for note in result.unknown:
        first, *rest = _wrapped(note, width, "  ")
        yield f"- {first.lstrip()}"
        yield from rest


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        max(width - 2, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(wide) for text, wide in zip(row, widths, strict=True)).rstrip()
