"""A paged LIST every few minutes: what a watch lost is found, and a watch that fell silent is told."""

import asyncio
import logging

from model_rollout.engine.store import Store, key_of
from model_rollout.ports.kubernetes import ApiError, Cluster, Json, Key

log = logging.getLogger(__name__)

_GRACE = 30.0
"""Seconds that a watch may lag behind a list."""


class Sweeper:
    """Compares the store with the API server.

    Deletions that a watch lost in a re-list never surface by themselves; a watch that is open and
    silent looks like a quiet cluster.
    """

    def __init__(self, cluster: Cluster, store: Store, period: float = 300.0) -> None:
        """`period`: seconds between two sweeps."""
        self._cluster = cluster
        self._store = store
        self._period = period
        self.silent = ""
        """What the watch missed, for the liveness probe; empty while it keeps up."""

    async def fill(self) -> None:
        """Take in all templates and ModelRollouts. Raises `ApiError`: without them nothing works."""
        async for body in self._cluster.templates():
            self._store.put_template(body)
        async for body in self._cluster.rollouts():
            self._store.put_rollout(body)

    async def run(self) -> None:
        """Sweep until cancelled; an API server that is away is tried again."""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self._sweep()
            except ApiError as error:
                log.warning("sweep not finished", extra={"error": str(error)})

    async def _sweep(self) -> None:
        await self._sweep_templates()
        listed: dict[Key, Json] = {}
        async for body in self._cluster.rollouts():
            listed[key_of(body)] = body
        missed = [key for key, body in listed.items() if self._lags(key, body)]
        if missed:
            await asyncio.sleep(_GRACE)
            missed = [key for key in missed if self._lags(key, listed[key])]
        for body in listed.values():
            self._store.put_rollout(body)
        await self._drop_deleted(set(listed))
        self.silent = f"the watch missed {len(missed)} changes" if missed else ""

    async def _sweep_templates(self) -> None:
        known = self._store.template_keys()  # before the list: what comes later is not in it
        listed = {key_of(body): body async for body in self._cluster.templates()}
        for body in listed.values():
            self._store.put_template(body)
        for key in known - set(listed):
            self._store.drop_template(key)

    async def _drop_deleted(self, listed: set[Key]) -> None:
        for key, _ in self._store.rollouts():
            # One that was created after the list is not in it: ask for it before forgetting it.
            if key not in listed and await self._cluster.rollout(key) is None:
                self._store.drop_rollout(key)

    def _lags(self, key: Key, body: Json) -> bool:
        known = self._store.rollout(key)
        if known is None:
            return True
        seen = int(known["metadata"]["resourceVersion"])
        return seen < int(body["metadata"]["resourceVersion"])
