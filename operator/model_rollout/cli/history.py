"""`modelrollout history`: the revisions of a model, and what became of them."""

import argparse
import time
from collections.abc import Sequence

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import (
    OK,
    Cell,
    Colour,
    Row,
    Style,
    add_output,
    age,
    documented,
    epoch,
    show,
    style_of,
    table,
    tell,
)
from model_rollout.cli.view import (
    Rollout,
    by_number,
    colour_of,
    component_text,
    listed,
    phase_of,
    shown,
)
from model_rollout.ports.kubernetes import Json

_SHOWN_METRICS = 3


def add_history(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    history = commands.add_parser(
        "history",
        help="list the revisions of one ModelRollout",
        description="Lists the revisions of a model: phase, why it is in it, how long it served, the "
        "first metrics (bad/all outcomes, or the last value), and what it is.",
    )
    history.set_defaults(execute=in_cluster(_run))
    history.add_argument("name", type=object_name, metavar="NAME")
    add_output(history)
    add_place(history)


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    body = await cluster.rollout(chosen.name)
    revisions = await cluster.revisions(body)
    if chosen.output != "table":
        show([documented(shown(listed(revisions)), chosen.output)])
        return OK
    if not revisions:
        tell(f"ModelRollout {chosen.name} has no revisions yet: {Rollout(body).message}")
    show(as_table(Rollout(body), revisions, time.time(), style_of()))
    return OK


def as_table(rollout: Rollout, revisions: list[Json], now: float, style: Style) -> list[str]:
    """Return one line for each revision, below a line of heads; nothing for none.

    Quarantined ones whose ModelRevision is gone are remembered by the ModelRollout, and listed too.
    """
    names = _metric_names(rollout, revisions)
    rows: dict[int, Row] = {
        entry["revision"]: _forgotten(entry, len(names)) for entry in rollout.quarantine(now)
    }
    for number, revision in by_number(revisions).items():
        rows[number] = _row(rollout, revision, names, now)
    heads = ("NUMBER", "PHASE", "REASON", "SERVED", *map(str.upper, names), "MODEL")
    return table([heads, *(rows[number] for number in sorted(rows))], style) if rows else []


def _metric_names(rollout: Rollout, revisions: list[Json]) -> list[str]:
    """The first metrics of the spec, then those that only older revisions had."""
    names = [str(metric.get("name")) for metric in rollout.spec.get("metrics") or ()]
    for revision in reversed(revisions):
        names += [name for name in _metrics(revision) if name not in names]
    measured = {name for revision in revisions for name in _metrics(revision)}
    return [name for name in names if name in measured][:_SHOWN_METRICS]


def _metrics(revision: Json) -> dict[str, Json]:
    found = (revision.get("status") or {}).get("metrics") or ()
    return {str(metric.get("name")): metric for metric in found}


def _row(rollout: Rollout, revision: Json, names: Sequence[str], now: float) -> Row:
    status = revision.get("status") or {}
    phase = phase_of(revision)
    metrics = _metrics(revision)
    return (
        str(revision["spec"]["number"]),
        Cell(phase, colour_of(phase)),
        str(status.get("reason") or ""),
        _served(rollout, revision, now),
        *(_measured(metrics.get(name)) for name in names),
        component_text(revision),
    )


def _forgotten(entry: Json, metrics: int) -> Row:
    phase = Cell(str(entry.get("phase")), Colour.BAD)
    unknown = [""] * (1 + metrics)
    return (str(entry["revision"]), phase, str(entry.get("reason") or ""), *unknown, "<pruned>")


def _served(rollout: Rollout, revision: Json, now: float) -> str:
    """How long it served in all, and whether it does now."""
    periods = (revision.get("status") or {}).get("served") or ()
    is_current = rollout.current == revision["spec"]["number"]
    if not periods:
        return "not yet" if is_current else "never"
    seconds = sum((epoch(p.get("to")) or now) - epoch(p.get("from")) for p in periods)
    serves = is_current and not periods[-1].get("to")
    return f"{age(seconds)}, now" if serves else age(seconds)


def _measured(metric: Json | None) -> str:
    """Bad of all outcomes where they are counted, else the last value."""
    if metric is None:
        return ""
    bad, good, total = (metric.get(name) for name in ("bad", "good", "total"))
    if total is not None and (bad is not None or good is not None):
        wrong = bad if bad is not None else total - good
        return f"{wrong:.6g}/{total:.6g}"
    value = metric.get("value")
    return "" if value is None else f"{value:.4g}"
