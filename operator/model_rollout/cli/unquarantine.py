"""`modelrollout unquarantine`: a revision that was condemned may serve again."""

import argparse
import time

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.diff import revision_number
from model_rollout.cli.flip import annotate_operations, change
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import FAILED, OK, REFUSED, CommandError, clean, show, tell
from model_rollout.cli.view import Rollout
from model_rollout.cli.waiting import add_waiting, wait_for
from model_rollout.decision.facts import UNQUARANTINE_ANNOTATION
from model_rollout.ports.kubernetes import Json


def add_unquarantine(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    unquarantine = commands.add_parser(
        "unquarantine",
        help="accept a revision that was found bad",
        description="Clears the quarantine of a revision: it may be deployed again without being "
        "reverted, and may be the target of a rollback. Nothing is deployed by that. Waits until the "
        "operator has done it.",
    )
    unquarantine.set_defaults(execute=in_cluster(_run))
    unquarantine.add_argument("name", type=object_name, metavar="NAME")
    unquarantine.add_argument("revision", type=revision_number, metavar="REVISION")
    add_waiting(unquarantine, "30s")
    add_place(unquarantine)


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    read = await cluster.rollout(chosen.name)
    if sentence := impossible(Rollout(read), chosen.revision, time.time()):
        raise CommandError(sentence, REFUSED)
    number = str(chosen.revision)
    if _annotation(read) != number:
        await change(
            cluster,
            place,
            read,
            lambda body: annotate_operations(body, UNQUARANTINE_ANNOTATION, number),
        )
    if chosen.no_wait:
        show([f"The operator is asked to clear the quarantine of revision {number}."])
        return OK
    after = await wait_for(
        cluster, chosen.name, lambda state: _obeyed(state, number), chosen.timeout
    )
    if after is None:
        look = place.hint("status", chosen.name)
        tell(f"the operator has not cleared it yet; look again with: {look}")
        return FAILED
    sentence = _told(after, chosen.revision)
    if after.quarantined(chosen.revision, time.time()):
        tell(f"revision {number} is still quarantined: {sentence}")
        return FAILED
    show([clean(f"{chosen.name}: {sentence}")])
    return OK


def impossible(rollout: Rollout, number: int, now: float) -> str:
    """Return why a quarantine cannot be cleared, as a sentence; empty when it can."""
    if rollout.quarantined(number, now) is None:
        entries = rollout.quarantine(now)
        there_are = ", ".join(str(entry.get("revision")) for entry in entries) or "none"
        return f"revision {number} is not quarantined; those that are: {there_are}"
    waiting = _annotation(rollout.body)
    if waiting not in (None, str(number)):
        return f"the operator has not cleared revision {waiting} yet, one is cleared at a time: try again"
    return ""


def _annotation(body: Json) -> str | None:
    found: str | None = (body["metadata"].get("annotations") or {}).get(UNQUARANTINE_ANNOTATION)
    return found


def _obeyed(rollout: Rollout, number: str) -> Rollout | None:
    """Return the state in which the annotation is gone: it was obeyed, or refused."""
    return None if _annotation(rollout.body) == number else rollout


def _told(rollout: Rollout, number: int) -> str:
    """Return what the operator said of it, as long as it said nothing newer."""
    last = rollout.status.get("lastDecision") or {}
    if last.get("reason") in ("Unquarantined", "UnquarantineRefused"):
        return str(last.get("message"))
    return f"the quarantine of revision {number} was cleared"
