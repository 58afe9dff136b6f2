"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout: float,
    describe: str,
    *,
    until: Callable[[T], object] = bool,
    interval: float = 0.05,
) -> T:
    """Call `condition` until `until` accepts what it returns, and return that.

    An exception counts as "not yet", because what is waited for (a server that starts, an object
    that appears) often shows itself as an error first. What was last seen ends up in the error: a
    timeout without it says nothing.
    """
    deadline = time.monotonic() + timeout
    while True:
        cause: Exception | None = None
        try:
            value = condition()
            if until(value):
                return value
            last = repr(value)
        except Exception as error:
            last, cause = repr(error), error
        if time.monotonic() >= deadline:
            raise TimeoutError(
                f"{describe}: not within {timeout:g} s; last seen: {last}"
            ) from cause
        time.sleep(interval)
