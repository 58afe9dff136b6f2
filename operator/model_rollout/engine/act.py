"""Act: the one write to a workload, directly after the kill switch was read past every cache."""

import logging

from model_rollout.api.rollout import KillSwitch
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Decision
from model_rollout.engine.guard import Guard
from model_rollout.engine.memory import Memory
from model_rollout.engine.persist import Persister
from model_rollout.engine.store import Store, key_of, target_of
from model_rollout.ports.kubernetes import (
    Cluster,
    Conflict,
    Forbidden,
    Json,
    NotFound,
    Rejected,
    TestFailed,
)

log = logging.getLogger(__name__)


class Actor:
    """Patches workloads."""

    def __init__(self, cluster: Cluster, store: Store, persister: Persister) -> None:
        """`persister` brings the fence: no write without the Lease."""
        self._cluster = cluster
        self._store = store
        self._persister = persister

    async def act(self, guard: Guard, memory: Memory, facts: Facts, decision: Decision) -> None:
        """Apply the patch of a decision, if it has one and nobody stopped it meanwhile."""
        if not decision.patch or not await self._allowed(guard):
            return
        target = target_of(guard.body)
        self._persister.fence()
        try:
            body = await self._cluster.patch_deployment(target, list(decision.patch))
        except TestFailed:
            if await self._is_unchanged(guard, facts):
                # Every `test` holds, so the patch itself is wrong and stays wrong.
                _refuse(guard, memory, "the patch does not fit the workload that it was made for")
        except (Conflict, NotFound):
            await self._read_again(guard)
        except (Rejected, Forbidden) as error:
            _refuse(guard, memory, str(error))
        else:
            self._store.put_deployment(body)

    async def _allowed(self, guard: Guard) -> bool:
        """Read the switch itself, not a cache of it: a person who flipped it must be obeyed."""
        key = key_of(guard.body)
        live = await self._cluster.rollout(key)
        if live is None or live["metadata"]["uid"] != guard.body["metadata"]["uid"]:
            self._store.drop_rollout(key)
            return False
        self._store.put_rollout(live)
        return not _paused(live)

    async def _is_unchanged(self, guard: Guard, facts: Facts) -> bool:
        body = await self._read_again(guard)
        return (
            body is not None
            and facts.workload is not None
            and body["metadata"]["uid"] == facts.workload.uid
            and body["spec"] == facts.workload.body["spec"]
        )

    async def _read_again(self, guard: Guard) -> Json | None:
        """Somebody was faster. What is there now decides: their edit, or ours from before."""
        target = target_of(guard.body)
        log.info("the workload changed before the patch", extra={"target": str(target)})
        body = await self._cluster.deployment(target)
        if body is None:
            self._store.drop_deployment(target)
        else:
            self._store.put_deployment(body)
        return body


def _refuse(guard: Guard, memory: Memory, why: str) -> None:
    transaction = guard.status.transaction
    memory.refused = (transaction.id if transaction else "", why)


def _paused(rollout: Json) -> bool:
    """What cannot be read counts as Pause."""
    value = rollout["spec"].get("killSwitch", KillSwitch.NONE.value)
    return value not in (KillSwitch.NONE.value, KillSwitch.ROLLBACK.value)
