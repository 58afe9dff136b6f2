"""Deletes RolloutRecords that are older than they have to be kept."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from model_rollout.ports.clock import Clock
from model_rollout.ports.kubernetes import ApiError, Cluster, Json, Key
from model_rollout.records.retention import Kept, outdated

log = logging.getLogger(__name__)

_PERIOD = 6 * 3600.0
"""Seconds between two sweeps: records are kept for months."""


class Retention:
    """Sweeps the records of all watched namespaces."""

    def __init__(
        self, cluster: Cluster, clock: Clock, leading: Callable[[], bool], keep: float
    ) -> None:
        """`keep`: seconds for which every record stays."""
        self._cluster = cluster
        self._clock = clock
        self._leading = leading
        self._keep = keep

    async def check(self) -> None:
        """Look whether records can be read. Raises `ApiError`: without them nothing may be done."""
        async for _ in self._cluster.records():
            return

    async def run(self) -> None:
        """Sweep until cancelled; an API server that is away is tried again at the next sweep."""
        while True:
            try:
                await self.sweep()
            except ApiError as error:
                log.warning("old records not deleted", extra={"error": str(error)})
            await asyncio.sleep(_PERIOD)

    async def sweep(self) -> None:
        """Delete what is old enough, the oldest of each chain first: no chain ever gets a gap."""
        known = [_kept(body) async for body in self._cluster.records()]
        old = outdated(known, self._clock.wall() - self._keep)
        for record in old:
            if not self._leading():
                return
            await self._cluster.delete_record(Key(record.namespace, record.name), record.uid)
        if old:
            log.info("old records deleted", extra={"records": len(old)})


def _kept(body: Json) -> Kept:
    metadata, spec = body["metadata"], body["spec"]
    return Kept(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        chain=spec["rollout"]["uid"],
        sequence=spec["sequence"],
        time=datetime.fromisoformat(metadata["creationTimestamp"]).timestamp(),
    )
