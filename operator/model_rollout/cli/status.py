"""`modelrollout status`: one ModelRollout or all of them, once or as they change."""

import argparse
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from model_rollout.cli.cluster import Change, Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.details import details
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import (
    FAILED,
    OK,
    REFUSED,
    Cell,
    Colour,
    Columns,
    CommandError,
    Row,
    Style,
    add_output,
    clock,
    documented,
    show,
    style_of,
    tell,
)
from model_rollout.cli.view import NO_SWITCH, Rollout, colour_of, listed, shown, text
from model_rollout.ports.kubernetes import Json


def add_status(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    status = commands.add_parser(
        "status",
        help="show one ModelRollout, or all",
        description="Shows where models stand: phase, revisions, kill switch, breached metrics, and "
        "the sentence that says why. With NAME also metrics, conditions that are not as they should "
        "be, the transaction, brakes and quarantine.",
    )
    status.set_defaults(execute=in_cluster(_run))
    status.add_argument("name", nargs="?", type=object_name, metavar="NAME")
    status.add_argument("-w", "--watch", action="store_true", help="go on with every change")
    add_output(status)
    add_place(status, everywhere=True)


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    if chosen.name and place.everywhere:
        raise CommandError("a name is in one namespace: write -n NAMESPACE, not -A", REFUSED)
    if chosen.watch:
        return await _watch(cluster, place, chosen)
    if chosen.output != "table":
        found = await (cluster.rollout(chosen.name) if chosen.name else _all(cluster))
        show([documented(shown(found), chosen.output)])
    elif chosen.name:
        rollout = Rollout(await cluster.rollout(chosen.name))
        show(details(rollout, time.time(), style_of()))
    else:
        rollouts = [Rollout(body) for body in await cluster.rollouts()]
        _say_if_empty(rollouts, place)
        show(overview(rollouts, place.everywhere, style_of()))
    return OK


async def _all(cluster: Cluster) -> Json:
    return listed(await cluster.rollouts())


def _say_if_empty(rollouts: list[Rollout], place: Place) -> None:
    """As kubectl does, so that an empty output is not taken for a failure."""
    if not rollouts:
        where = "" if place.everywhere else f" in namespace {place.namespace}; -A shows all"
        tell(f"No ModelRollouts found{where}")


def overview(rollouts: list[Rollout], everywhere: bool, style: Style) -> list[str]:
    """Return one line for each ModelRollout, below a line of heads; nothing for none."""
    rows = [_in_one(row, everywhere) for row in (_HEADS, *map(_row, rollouts))]
    return Columns(style).lines(rows) if rollouts else []


def _in_one(row: Row, everywhere: bool) -> Row:
    """Leave out the namespace where there is only one."""
    return row if everywhere else row[1:]


_HEADS: Row = (
    "NAMESPACE",
    "NAME",
    "PHASE",
    "REVISION",
    "STABLE",
    "SWITCH",
    "BREACHED",
    "MESSAGE",
)


_LEAST = (10, 12, 11, 8, 6, 8, 8)
"""Widths of columns whose contents come later."""


def _row(rollout: Rollout, *, gone: bool = False) -> Row:
    switched = rollout.switch != NO_SWITCH
    return (
        rollout.namespace,
        rollout.name,
        Cell("Deleted") if gone else Cell(rollout.phase, colour_of(rollout.phase)),
        text(rollout.current),
        text(rollout.stable),
        Cell(rollout.switch, Colour.WARN if switched else Colour.PLAIN),
        Cell(str(rollout.status.get("breached") or ""), Colour.BAD),
        rollout.message,
    )


async def _watch(cluster: Cluster, place: Place, chosen: argparse.Namespace) -> int:
    """Print what there is and every change of it, until Ctrl-C."""
    if chosen.name and chosen.output == "table":
        return await _watch_one(cluster, chosen.name)
    async with aclosing(cluster.changes(chosen.name)) as changes:
        if chosen.output != "table":
            return await _watch_documents(changes, chosen)
        return await _watch_all(changes, place)


async def _watch_documents(changes: AsyncIterator[Change], chosen: argparse.Namespace) -> int:
    async for change in changes:
        separator = ["---"] if chosen.output == "yaml" else []
        show([*separator, documented(shown(change.body), chosen.output)])
    return FAILED  # only with a name that is not there


async def _watch_all(changes: AsyncIterator[Change], place: Place) -> int:
    least = _LEAST if place.everywhere else _LEAST[1:]
    columns, seen = Columns(style_of(), least=least), dict[str, Row]()
    show(columns.lines([_in_one(_HEADS, place.everywhere)]))
    async for change in changes:
        row = _row(Rollout(change.body), gone=change.gone)
        if seen.get(change.body["metadata"]["uid"]) != row:
            seen[change.body["metadata"]["uid"]] = row
            show(columns.lines([_in_one(row, place.everywhere)]))
    return FAILED


async def _watch_one(cluster: Cluster, name: str) -> int:
    style = style_of()
    # Sentences are not cut: they are what one waits for.
    columns, last = Columns(Style(style.colours), least=_LEAST_EVENT), None
    async with aclosing(cluster.follow(name)) as bodies:
        async for body in bodies:
            rollout = Rollout(body)
            row = _event(rollout)
            if last is None:
                show([*details(rollout, time.time(), style), ""])
                show(columns.lines([("TIME", *_EVENT)]))
            if row != last:
                show(columns.lines([(clock(time.time()), *row)]))
            last = row
    return FAILED  # never: `follow` ends with an error


_LEAST_EVENT = (8, 11, 8, 6, 8, 8, 15)
_EVENT = ("PHASE", "REVISION", "STABLE", "SWITCH", "BREACHED", "REASON", "MESSAGE")


def _event(rollout: Rollout) -> Row:
    *_, phase, revision, stable, switch, breached, message = _row(rollout)
    return phase, revision, stable, switch, breached, rollout.reason, message
