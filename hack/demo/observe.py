"""Steps watch what happens, with a limit, and say what they saw last when it did not happen."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.1


class StepFailed(Exception):
    """Something that a step waits for did not happen, or something happened that must not."""


def until(what: str, look: Callable[[], tuple[T | None, str]], timeout: float) -> T:
    """Look until something is there to return; `look` also tells in words what it sees.

    Raises:
        StepFailed: when the time is over, with what was seen last.
    """
    deadline = time.monotonic() + timeout
    while True:
        found, seen = look()
        if found is not None:
            _show("")
            return found
        if time.monotonic() >= deadline:
            _show("")
            raise StepFailed(f"{what}: not within {timeout:.0f} s; last seen: {seen}")
        _show(f"   … {what}; now: {seen}")
        time.sleep(_PAUSE)


def require(fact: bool, otherwise: str) -> None:
    """Raise StepFailed with `otherwise` unless `fact` holds."""
    if not fact:
        raise StepFailed(otherwise)


def _show(text: str) -> None:
    """One line that is overwritten, for people; nothing where the output is kept."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text[:150]}")
        sys.stderr.flush()
