"""A rollback that a person began: the question before it, and how it ends."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from model_rollout.api.types import duration_text
from model_rollout.cli.cluster import Cluster
from model_rollout.cli.kubeconfig import Place
from model_rollout.cli.output import (
    FAILED,
    OK,
    REFUSED,
    Columns,
    CommandError,
    Style,
    clock,
    show,
    tell,
)
from model_rollout.cli.view import Rollout, component_text
from model_rollout.cli.waiting import wait_for
from model_rollout.ports.kubernetes import Json


@dataclass(frozen=True, slots=True)
class End:
    """How a rollback ended."""

    outcome: str
    message: str


def confirmed() -> bool:
    """Ask. Raises CommandError where nobody can answer."""
    if not sys.stdin.isatty():
        raise CommandError("nobody can be asked here: write --yes", REFUSED)
    # asyncio has its own handler, which would wait for the answer first.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input("Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
    finally:
        signal.signal(signal.SIGINT, handler)


def called(found: dict[int, Json], number: int | None) -> str:
    """Return a revision as people know it: its number, and what it is."""
    text = component_text(found[number]) if number in found else ""
    return f"revision {number} ({text})" if text else f"revision {number}"


async def wait_for_end(
    cluster: Cluster,
    place: Place,
    chosen: argparse.Namespace,
    end_of: Callable[[Rollout], End | None],
    asked: str,
) -> int:
    """Tell what happens, and how it ended; `asked` says what goes on without the person."""
    columns, told = Columns(Style(), least=(8, 11)), [""]
    look = place.hint("status", chosen.name, "--watch")

    def progress(rollout: Rollout) -> None:
        if rollout.is_seen and rollout.message != told[-1]:
            told.append(rollout.message)
            show(columns.lines([(clock(time.time()), rollout.phase, rollout.message)]))

    try:
        end = await wait_for(cluster, chosen.name, end_of, chosen.timeout, progress)
    except (asyncio.CancelledError, CommandError):
        tell(f"{asked}, and the operator goes on; to follow it: {look}")
        raise
    if end is None:
        tell(f"not finished after {duration_text(chosen.timeout)}; to follow it: {look}")
        return FAILED
    show(columns.lines([(clock(time.time()), end.outcome, end.message)]))
    return OK if end.outcome == "Succeeded" else FAILED
