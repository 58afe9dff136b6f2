"""`modelrollout approve`: let the transaction that a brake holds begin."""

import argparse
import re

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.ending import End, called, confirmed, wait_for_end
from model_rollout.cli.flip import annotate_operations, change
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import FAILED, OK, REFUSED, CommandError, clean, show
from model_rollout.cli.switch import PAUSE
from model_rollout.cli.targets import blocked
from model_rollout.cli.view import NO_SWITCH, Rollout, by_number
from model_rollout.cli.waiting import add_waiting
from model_rollout.decision.facts import APPROVE_ANNOTATION
from model_rollout.ports.kubernetes import Json

_ID = re.compile(r"^[0-9a-f]{1,64}$")


def add_approve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    approve = commands.add_parser(
        "approve",
        help="let a rollback begin that waits for a person",
        description="Lets the transaction begin that rollback.mode Manual or another brake holds "
        "(cooldown, budget, window, fleet), and no other one: when there is another by the time it is "
        "read, it is refused. Waits for the end, which includes verification.",
        epilog="Exit status: 0 it succeeded, 1 it did not, 2 nothing waits (nothing was written).",
    )
    approve.set_defaults(execute=in_cluster(_run))
    approve.add_argument("name", type=object_name, metavar="NAME")
    approve.add_argument(
        "id",
        nargs="?",
        type=_transaction_id,
        metavar="ID",
        help="the transaction that is meant, as status names it (default: ask about what waits)",
    )
    approve.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_waiting(approve, "30m")
    add_place(approve)


def _transaction_id(text: str) -> str:
    if not _ID.match(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the id of a transaction: write for example 0123456789abcdef"
        )
    return text


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    read = await cluster.rollout(chosen.name)
    rollout = Rollout(read)
    if sentence := impossible(rollout, chosen.id, place):
        raise CommandError(sentence, REFUSED)
    show([clean(line) for line in plan(rollout, await cluster.revisions(read))])
    # Who writes the id has seen what it stands for.
    if not (chosen.yes or chosen.id or confirmed()):
        show(["Nothing was changed."])
        return FAILED
    wanted = str(rollout.waiting["transaction"])
    if _annotation(rollout) != wanted:
        await change(
            cluster,
            place,
            read,
            lambda body: annotate_operations(body, APPROVE_ANNOTATION, wanted),
        )
    if chosen.no_wait:
        show([f"The operator is asked to begin transaction {wanted}."])
        return OK
    asked = f"Transaction {wanted} is approved"
    return await wait_for_end(cluster, place, chosen, Followed(wanted).end_of, asked)


def impossible(rollout: Rollout, wanted: str | None, place: Place) -> str:
    """Return why nothing can be approved, as a sentence; empty when it can."""
    if sentence := blocked(rollout):
        return sentence
    if rollout.transaction:
        to = rollout.transaction.get("to")
        return f"a rollback to revision {to} is under way already, and none waits"
    if rollout.switch != NO_SWITCH:
        which = "no approval overrides" if rollout.switch == PAUSE else "is in charge now"
        resume = place.hint("resume", rollout.name)
        return f"the kill switch is {rollout.switch}, which {which}; first: {resume}"
    waits = rollout.waiting
    if rollout.reason == "DryRun":
        return (
            "rollback.mode is DryRun, in which nothing is written, approved or not: set it to Manual "
            f"first, or go back now with: {place.hint('rollback', rollout.name)}"
        )
    if not waits:
        return f"nothing waits for approval: {rollout.message} ({rollout.reason})"
    if wanted not in (None, waits["transaction"]):
        return (
            f"transaction {wanted} does not wait, {waits['transaction']} does: "
            f"{place.hint('approve', rollout.name, waits['transaction'])}"
        )
    if _annotation(rollout) not in (None, waits["transaction"]):
        return "the operator has not answered another approval yet: try again in a moment"
    return ""


def _annotation(rollout: Rollout) -> str | None:
    annotations = rollout.body["metadata"].get("annotations") or {}
    found: str | None = annotations.get(APPROVE_ANNOTATION)
    return found


def plan(rollout: Rollout, revisions: list[Json]) -> list[str]:
    """Return what an approval leads to, and why it is asked for."""
    waits, found = rollout.waiting, by_number(revisions)
    left, target = called(found, waits.get("from")), called(found, waits.get("to"))
    moves = f"{rollout.workload} goes from {left} to {target}"
    return [
        f"{rollout.name}: {moves} (transaction {waits['transaction']})",
        f"Why it waits: {rollout.message}",
    ]


class Followed:
    """One transaction, and those that its chain goes on with."""

    def __init__(self, id_: str) -> None:
        """`id_`: what was approved."""
        self._approved = id_
        self._ids = {id_}
        self._begun = False

    def end_of(self, rollout: Rollout) -> End | None:
        """Return how it ended; None while it has not."""
        running, status = rollout.transaction.get("id"), rollout.status
        last = status.get("lastTransaction") or {}
        if running is not None and (self._begun or running in self._ids):
            self._begun = True
            self._ids.add(running)
            return None
        if last.get("id") in self._ids:
            return End(str(last.get("outcome")), str(last.get("message")))
        if _annotation(rollout) == self._approved:
            return None
        return End(rollout.reason, rollout.message)  # refused, or somebody took it away
