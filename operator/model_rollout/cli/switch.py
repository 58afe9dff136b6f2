"""`modelrollout pause` and `resume`: the kill switch of one ModelRollout."""

import argparse

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.flip import change, flip_operations
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import FAILED, OK, clean, show, tell
from model_rollout.cli.view import NO_SWITCH, Rollout
from model_rollout.cli.waiting import add_waiting, wait_for
from model_rollout.ports.kubernetes import Json

PAUSE, ROLLBACK = "Pause", "Rollback"
_LONGEST_REASON = 1024


def add_pause(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    pause = commands.add_parser(
        "pause",
        help="measure, and write nothing to the workload",
        description="Flips the kill switch to Pause: the model is measured, the status says what would "
        "have been done, and nothing is written to the workload. A rollback under way stops at its "
        "next step. The operator reads the switch before each of its writes.",
    )
    pause.set_defaults(execute=in_cluster(_pause))
    pause.add_argument("name", type=object_name, metavar="NAME")
    add_reason(pause)
    add_waiting(pause, "30s")
    add_place(pause)


def add_resume(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    resume = commands.add_parser(
        "resume",
        help="turn automation on again after pause or rollback",
        description="Flips the kill switch back to None, and takes away rollback.toRevision, which "
        "only the switch reads. Nothing is written to the workload by that; a rollback that Pause "
        "stopped goes on.",
    )
    resume.set_defaults(execute=in_cluster(_resume))
    resume.add_argument("name", type=object_name, metavar="NAME")
    add_waiting(resume, "30s")
    add_place(resume)


def add_reason(command: argparse.ArgumentParser) -> None:
    """Add --reason."""
    command.add_argument(
        "--reason", type=_reason, metavar="TEXT", help="why, for others and for the record"
    )


def _reason(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_REASON:
        raise argparse.ArgumentTypeError(f"write 1 to {_LONGEST_REASON} characters")
    return text.strip()


async def _pause(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    read = await cluster.rollout(chosen.name)
    back = f"To come back: {place.hint('resume', chosen.name)}"
    if Rollout(read).switch == PAUSE and not chosen.reason:
        show([f"{chosen.name} is paused already. {back}"])
        return OK
    written = await change(
        cluster, place, read, lambda body: flip_operations(body, PAUSE, _to(body), chosen.reason)
    )
    seen = chosen.no_wait or await _noted(cluster, written, chosen.timeout)
    if not seen:
        tell("the switch is set and will be obeyed; the operator has not said so yet")
    workload = Rollout(written).workload
    show(
        [clean(f"{chosen.name} is paused: it is measured, nothing is written to {workload}."), back]
    )
    return OK


def _to(body: Json) -> int | None:
    """Pause stops a rollback of the switch; what it goes to is not forgotten."""
    number: int | None = (body["spec"].get("rollback") or {}).get("toRevision")
    return number


async def _resume(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    read = await cluster.rollout(chosen.name)
    before = Rollout(read).switch
    if before == NO_SWITCH:
        show([f"{chosen.name} is not stopped: its kill switch is None."])
        return OK
    written = await change(
        cluster, place, read, lambda body: flip_operations(body, NO_SWITCH, None, None)
    )
    if not chosen.no_wait and not await _noted(cluster, written, chosen.timeout):
        tell(
            "the switch is None again; the operator has not said so yet, so nothing may guard the "
            f"model. Look again with: {place.hint('status', chosen.name)}"
        )
        return FAILED
    show([clean(f"{chosen.name}: automation is on again (the kill switch was {before}).")])
    return OK


async def _noted(cluster: Cluster, written: Json, limit: float) -> bool:
    """Wait until the operator has written down a flip (or somebody flipped again)."""
    wanted = Rollout(written).switch

    def noted(rollout: Rollout) -> bool | None:
        same = rollout.is_seen and rollout.seen_switch == wanted
        return True if same or rollout.switch != wanted else None

    return bool(await wait_for(cluster, Rollout(written).name, noted, limit))
