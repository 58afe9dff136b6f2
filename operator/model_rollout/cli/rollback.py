"""`modelrollout rollback`: go back now, without waiting for metrics."""

import argparse
import time

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.diff import revision_number
from model_rollout.cli.ending import End, called, confirmed, wait_for_end
from model_rollout.cli.flip import change, flip_operations
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import FAILED, OK, REFUSED, CommandError, clean, show
from model_rollout.cli.switch import ROLLBACK, add_reason
from model_rollout.cli.targets import blocked, other_revisions, refusal
from model_rollout.cli.view import NO_SWITCH, Rollout, by_number
from model_rollout.cli.waiting import SEEN_WITHIN, add_waiting, wait_for
from model_rollout.ports.kubernetes import Json

_NOWHERE = ("NoTarget", "NothingToRestore")
"""Reasons of the operator to write nothing for the switch."""


def add_rollback(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    rollback = commands.add_parser(
        "rollback",
        help="roll back now, without waiting for metrics",
        description="Flips the kill switch to Rollback: the operator restores a revision now, whatever "
        "metrics, cooldown, budget and mode say, and quarantines the one that is left. Then no other "
        "automation acts until `resume`. Waits for the end, which includes verification.",
        epilog="Exit status: 0 it succeeded, 1 it did not, 2 it cannot be (nothing was written).",
    )
    rollback.set_defaults(execute=in_cluster(_run))
    rollback.add_argument("name", type=object_name, metavar="NAME")
    rollback.add_argument(
        "--to",
        type=revision_number,
        metavar="REVISION",
        help="number of the revision to restore (default: the one that the operator would choose)",
    )
    add_reason(rollback)
    rollback.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_waiting(rollback, "30m")
    add_place(rollback)


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    read = await _ready(cluster, place, chosen)
    revisions = await cluster.revisions(read)
    rollout = Rollout(read)
    if sentence := impossible(rollout, revisions, chosen.to, time.time(), place):
        raise CommandError(sentence, REFUSED)
    show([clean(plan(rollout, revisions, chosen.to))])
    if not chosen.yes and not confirmed():
        show(["Nothing was changed."])
        return FAILED
    await change(
        cluster,
        place,
        read,
        lambda body: flip_operations(body, ROLLBACK, chosen.to, chosen.reason),
    )
    back = f"No automation acts until: {place.hint('resume', chosen.name)}"
    if chosen.no_wait:
        show(["The kill switch is set to Rollback.", back])
        return OK
    try:
        asked = "The kill switch is set to Rollback"
        return await wait_for_end(cluster, place, chosen, end_of, asked)
    finally:
        show([back])


async def _ready(cluster: Cluster, place: Place, chosen: argparse.Namespace) -> Json:
    """Read the ModelRollout. A flip back that the operator has not noted would hide the next one."""
    read = await cluster.rollout(chosen.name)
    rollout = Rollout(read)
    if rollout.switch != NO_SWITCH or rollout.seen_switch != ROLLBACK:
        return read

    def noted(state: Rollout) -> Json | None:
        return state.body if state.seen_switch != ROLLBACK else None

    settled = await wait_for(cluster, chosen.name, noted, SEEN_WITHIN)
    if settled is None:
        raise CommandError(
            "the operator has not noted yet that the switch was flipped back to None, so nothing was "
            f"written: is it running? Look again with: {place.hint('status', chosen.name)}"
        )
    return settled


def impossible(
    rollout: Rollout, revisions: list[Json], to: int | None, now: float, place: Place
) -> str:
    """Return why there can be no rollback, as a sentence; empty when there can."""
    if sentence := blocked(rollout):
        return sentence
    done = (rollout.status.get("killSwitch") or {}).get("transaction")
    running = rollout.transaction.get("to")
    if rollout.switch == ROLLBACK and done and (running is None or to not in (None, running)):
        state = "has ended" if running is None else f"goes to revision {running}"
        return (
            f"the kill switch is Rollback already and its rollback {state}; for another one write "
            f"first: {place.hint('resume', rollout.name)}"
        )
    if to is not None:
        return refusal(rollout, revisions, to, now, place)
    available = rollout.condition("RollbackTargetAvailable")
    if available.get("status") != "False":
        return ""
    others = (
        "; ".join(other_revisions(rollout, revisions, now, place)) or "no other one is recorded"
    )
    return f"there is no revision to go back to: {others}"


def plan(rollout: Rollout, revisions: list[Json], to: int | None) -> str:
    """Return what a rollback will do, as a sentence."""
    if rollout.transaction:
        running = f"a rollback to revision {rollout.transaction.get('to')} is under way"
        if to in (None, rollout.transaction.get("to")):
            return f"{rollout.name}: {running}; the kill switch adopts it"
    found = by_number(revisions)
    target = called(found, to) if to else "the best one that there is"
    if to is None and (told := rollout.condition("RollbackTargetAvailable").get("message")):
        target += f" (as of the last change, {told})"
    left = called(found, rollout.current)
    return f"{rollout.name}: {rollout.workload} goes from {left} to {target}; {left} is quarantined"


def end_of(rollout: Rollout) -> End | None:
    """Return how the rollback of the present flip ended; None while it has not."""
    if rollout.switch != ROLLBACK:
        return End("Flipped", f"somebody flipped the kill switch to {rollout.switch}")
    if not rollout.is_seen or rollout.seen_switch != ROLLBACK:
        return None
    mine = rollout.status["killSwitch"].get("transaction")
    last = rollout.status.get("lastTransaction") or {}
    if mine is None:
        return End(rollout.reason, rollout.message) if rollout.reason in _NOWHERE else None
    if rollout.transaction or last.get("id") != mine:
        return None
    return End(str(last.get("outcome")), str(last.get("message")))
