"""Waits for what the operator makes of a change."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeVar

from model_rollout.api.types import duration_text, seconds
from model_rollout.cli.cluster import Cluster
from model_rollout.cli.output import tell
from model_rollout.cli.view import Rollout

T = TypeVar("T")

SEEN_WITHIN = 15.0
"""Seconds after which an operator that says nothing is probably not there."""


def timeout(text: str) -> float:
    """Return seconds; for argparse."""
    try:
        length = seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if length <= 0:
        raise argparse.ArgumentTypeError("write a time greater than zero, for example 30m")
    return length


def add_waiting(command: argparse.ArgumentParser, default: str) -> None:
    """Add --no-wait and --timeout."""
    command.add_argument(
        "--no-wait", action="store_true", help="do not wait for what the operator makes of it"
    )
    command.add_argument(
        "--timeout",
        type=timeout,
        default=default,
        metavar="TIME",
        help="how long to wait (default: %(default)s)",
    )


async def wait_for(
    cluster: Cluster,
    name: str,
    found: Callable[[Rollout], T | None],
    limit: float,
    progress: Callable[[Rollout], None] = lambda _: None,
) -> T | None:
    """Follow a ModelRollout until `found` finds something in it; return that.

    `progress` is told every state before that. None: nothing was found within `limit` seconds.
    """
    notice = asyncio.get_running_loop().call_later(SEEN_WITHIN, tell, _SILENT)
    try:
        async with asyncio.timeout(limit), aclosing(cluster.follow(name)) as states:
            async for body in states:
                rollout = Rollout(body)
                if rollout.is_seen:
                    notice.cancel()
                result = found(rollout)
                if result is not None:
                    return result
                progress(rollout)
    except TimeoutError:
        return None
    finally:
        notice.cancel()
    return None


_SILENT = (
    f"the operator has not looked at it for {duration_text(SEEN_WITHIN)}: is it running, and does it "
    "watch this namespace?"
)
