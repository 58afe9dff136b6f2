"""Everything about one ModelRollout, for people."""

from collections.abc import Iterator, Sequence

from model_rollout.cli.output import (
    Cell,
    Colour,
    Row,
    Style,
    age,
    clean,
    epoch,
    moment,
    paragraph,
    table,
)
from model_rollout.cli.view import NO_SWITCH, UNSEEN, Brakes, Rollout, colour_of, text, worrying
from model_rollout.ports.kubernetes import Json

_INDENT = "  "


def details(rollout: Rollout, now: float, style: Style) -> list[str]:
    """Return the status of one ModelRollout; `now` in seconds since the epoch."""
    sections = [
        _head(rollout, style),
        _metrics(rollout, style),
        _conditions(rollout, style),
        _transaction(rollout, now, style),
        _brakes(rollout, now, style),
        _quarantine(rollout, now, style),
    ]
    lines: list[str] = []
    for section in sections:
        if section:
            lines += [*([""] if lines else []), *section]
    return lines


def _head(rollout: Rollout, style: Style) -> list[str]:
    what = f"ModelRollout {rollout.namespace}/{rollout.name} of {rollout.workload}"
    facts: list[Row] = [
        ("Phase", Cell(rollout.phase, colour_of(rollout.phase))),
        ("Revision", _revision(rollout)),
        ("Stable", text(rollout.stable)),
        ("Switch", _switch(rollout)),
        ("Breached", Cell(str(rollout.status.get("breached") or ""), Colour.BAD)),
        ("Reason", rollout.reason),
    ]
    sentence = paragraph(rollout.message, style, _INDENT)
    unseen = paragraph(UNSEEN, style, _INDENT) if rollout.is_outdated else []
    head = [style.paint(clean(what), Colour.STRONG), *table(facts, style, _INDENT)]
    return [*head, "", *sentence, *unseen]


def _revision(rollout: Rollout) -> str:
    current = rollout.status.get("current") or {}
    if not current:
        return ""
    serving = moment(current.get("servingSince"))
    since = f"serving since {serving} UTC" if serving else "not serving yet"
    return f"{current.get('revision')} ({current.get('name')}), {since}"


def _switch(rollout: Rollout) -> Cell:
    if rollout.switch == NO_SWITCH:
        return Cell(rollout.switch)
    seen = rollout.status.get("killSwitch") or {}
    since = (
        f" since {moment(seen.get('since'))} UTC" if rollout.seen_switch == rollout.switch else ""
    )
    because = f": {rollout.switched_because}" if rollout.switched_because else ""
    return Cell(f"{rollout.switch}{since}{because}", Colour.WARN)


def _section(title: str, style: Style, lines: Sequence[str]) -> list[str]:
    return [style.paint(title, Colour.STRONG), *lines] if lines else []


def _metrics(rollout: Rollout, style: Style) -> list[str]:
    metrics = rollout.status.get("metrics") or ()
    rows: list[Row] = [("NAME", "CLASS", "VALUE", "LIMIT", "MESSAGE")]
    for metric in metrics:
        class_ = str(metric.get("class", ""))
        rows.append(
            (
                str(metric.get("name", "")),
                Cell(class_, colour_of(class_)),
                value_text(metric),
                str(metric.get("limit", "")),
                str(metric.get("message", "")),
            )
        )
    title = "Metrics, as of the last change of a phase, a class or a state"
    return _section(title, style, table(rows, style, _INDENT) if metrics else [])


def value_text(metric: Json) -> str:
    """Return the value of a metric; where nothing was measured, its state instead."""
    state, value = metric.get("state"), metric.get("value")
    if state not in ("Good", "Bad", None):
        return str(state)
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _conditions(rollout: Rollout, style: Style) -> list[str]:
    found = list(worrying(rollout))
    rows: list[Row] = [("TYPE", "STATUS", "REASON", "MESSAGE")]
    rows += [[str(c.get(name) or "") for name in _CONDITION] for c in found]
    return _section("Conditions", style, table(rows, style, _INDENT) if found else [])


_CONDITION = ("type", "status", "reason", "message")


def _transaction(rollout: Rollout, now: float, style: Style) -> list[str]:
    running, last = rollout.transaction, rollout.status.get("lastTransaction") or {}
    if running:
        since = age(now - epoch(running.get("startedAt")))
        stopped = ", stopped by the kill switch" if running.get("interrupted") else ""
        text_ = f"{_moves(running)}: {running.get('stage')} for {since}{stopped}"
        lines = [*paragraph(text_, style, _INDENT), *_told(running, style)]
        return _section("Transaction under way", style, lines)
    if not last:
        return []
    text_ = f"{_moves(last)}: {last.get('outcome')} at {moment(last.get('endedAt'))} UTC"
    return _section(
        "Last transaction", style, [*paragraph(text_, style, _INDENT), *_told(last, style)]
    )


def _moves(transaction: Json) -> str:
    return f"{transaction.get('kind')} from {transaction.get('from')} to {transaction.get('to')}"


def _told(transaction: Json, style: Style) -> list[str]:
    return paragraph(str(transaction.get("message") or ""), style, _INDENT)


def _brakes(rollout: Rollout, now: float, style: Style) -> list[str]:
    if not rollout.status:
        return []
    brakes = Brakes.of(rollout, now)
    return _section("Automatic rollbacks", style, list(_brake_lines(rollout, brakes, style)))


def _brake_lines(rollout: Rollout, brakes: Brakes, style: Style) -> Iterator[str]:
    mode = (rollout.spec.get("rollback") or {}).get("mode") or "Automatic"
    used = f"mode {mode}, {brakes.used} of {brakes.allowed} used within {brakes.window}"
    if brakes.cooldown_ends:
        used += f", cooldown until {moment(brakes.cooldown_ends)} UTC"
    yield from paragraph(used, style, _INDENT)


def _quarantine(rollout: Rollout, now: float, style: Style) -> list[str]:
    rows: list[Row] = [("REVISION", "PHASE", "REASON", "SINCE", "REVERTS", "MESSAGE")]
    for entry in rollout.quarantine(now):
        expires = f", until {moment(entry['expires'])}" if entry.get("expires") else ""
        rows.append(
            (
                str(entry.get("revision")),
                Cell(str(entry.get("phase")), Colour.BAD),
                str(entry.get("reason")),
                f"{moment(entry.get('since'))}{expires}",
                str(entry.get("reverts") or 0),
                str(entry.get("message") or ""),
            )
        )
    return _section("Quarantine", style, table(rows, style, _INDENT) if rows[1:] else [])
