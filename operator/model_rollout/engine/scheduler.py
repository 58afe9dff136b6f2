"""One heap of due times for all guards: nothing is queued twice, nothing runs twice at once."""

import asyncio
import heapq
import itertools
import zlib
from collections.abc import Awaitable, Callable

from model_rollout.api.types import seconds
from model_rollout.ports.kubernetes import Json, Key

Check = Callable[[Key], Awaitable[float]]
"""Checks one guard; returns the seconds until it is due again."""


def first_delay(rollout: Json) -> float:
    """Return in how many seconds a ModelRollout that exists at start-up is due.

    Spread over its interval by UID, the same every time; at once while a transaction is in flight.
    """
    if (rollout.get("status") or {}).get("transaction"):
        return 0.0
    interval = seconds(rollout["spec"].get("analysis", {}).get("interval", 30.0))
    share = zlib.crc32(rollout["metadata"]["uid"].encode()) % 10_000 / 10_000
    return share * interval


class Scheduler:
    """Runs the checks that are due, a bounded number at once.

    A guard that is woken while its check runs is checked once more afterwards, however often it was
    woken: a slow check never makes a pile-up.
    """

    def __init__(self, *, concurrency: int = 64, lagged: Callable[[float], None]) -> None:
        """`lagged` is told by how many seconds each check began too late."""
        self._heap: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._order = itertools.count()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(concurrency)
        self._lagged = lagged

    def schedule(self, key: Key, delay: float) -> None:
        """Make a guard due in `delay` seconds, or sooner if it already is."""
        due = asyncio.get_running_loop().time() + delay
        if key in self._running:
            self._again.add(key)
            return
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._changed.set()

    def wake(self, key: Key) -> None:
        """Make a guard due now."""
        self.schedule(key, 0.0)

    def remove(self, key: Key) -> None:
        """Forget a guard."""
        self._due.pop(key, None)
        self._again.discard(key)

    async def run(self, check: Check) -> None:
        """Run until cancelled. An exception of a check ends it: checks handle their own errors."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                # The slot first: a guard that waited for one could be woken, and run twice at once.
                await self._slots.acquire()
                key, due = await self._next()
                self._lagged(max(0.0, asyncio.get_running_loop().time() - due))
                self._running.add(key)
                tasks.create_task(self._run_one(key, check))

    async def _next(self) -> tuple[Key, float]:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
                heapq.heappop(self._heap)  # rescheduled or removed meanwhile
            if self._heap and self._heap[0][0] <= loop.time():
                due, _, key = heapq.heappop(self._heap)
                del self._due[key]
                return key, due
            timeout = self._heap[0][0] - loop.time() if self._heap else None
            try:
                await asyncio.wait_for(self._changed.wait(), timeout)
            except TimeoutError:
                continue

    async def _run_one(self, key: Key, check: Check) -> None:
        try:
            delay = await check(key)
        finally:
            self._running.discard(key)
            self._slots.release()
        if key in self._again:
            self._again.discard(key)
            delay = 0.0
        if delay >= 0.0:
            self.schedule(key, delay)
