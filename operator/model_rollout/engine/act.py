"""Act: one write at a time, directly after the kill switch was read past every cache."""

import logging

from model_rollout.api.rollout import KillSwitch
from model_rollout.decision.facts import Facts
from model_rollout.decision.notices import Notice
from model_rollout.decision.outcome import Action, Decision
from model_rollout.engine.guard import Guard
from model_rollout.engine.memory import Memory
from model_rollout.engine.persist import Persister
from model_rollout.engine.servers import Servers
from model_rollout.engine.store import Store, key_of
from model_rollout.ports.kubernetes import (
    Cluster,
    Conflict,
    Forbidden,
    Json,
    NotFound,
    Rejected,
    TestFailed,
)
from model_rollout.revisions.objects import HttpWrite, ObjectRef, Write

_UNWRITTEN = frozenset({"metadata", "status"})
"""Parts of objects that change without anybody having edited what our patches speak of."""

log = logging.getLogger(__name__)


class Actor:
    """Writes to workloads, ConfigMaps and servers; deletes a pod that is in the way of a rollback."""

    def __init__(
        self, cluster: Cluster, store: Store, persister: Persister, servers: Servers
    ) -> None:
        """`persister` brings the fence: no write without the Lease."""
        self._servers = servers
        self._cluster = cluster
        self._store = store
        self._persister = persister

    async def act(self, guard: Guard, memory: Memory, facts: Facts, decision: Decision) -> None:
        """Do what a decision says, if nobody stopped it meanwhile."""
        if not decision.writes or not await self._allowed(guard):
            return
        transaction = facts.status.transaction
        assert transaction is not None
        dry_run = decision.action is Action.PREFLIGHT
        for write in decision.writes:
            if isinstance(write, HttpWrite):
                done = await self._put(guard, memory, write, transaction.id, dry_run=dry_run)
            else:
                done = await self._write(guard, memory, write, dry_run=dry_run)
            if not done:
                return
            if isinstance(write, Write) and write.delete:
                _tell(guard, memory, decision, facts.now)
        if dry_run:
            memory.preflighted = transaction.id

    async def _put(
        self, guard: Guard, memory: Memory, write: HttpWrite, transaction: str, *, dry_run: bool
    ) -> bool:
        """Send one write to a server; return whether it was accepted."""
        self._persister.fence()
        try:
            await self._servers.write(guard, memory, write, transaction, dry_run=dry_run)
        except Conflict as error:
            log.info("a value changed before it was written", extra={"error": str(error)})
        except Rejected as error:
            _refuse(guard, memory, f"component {write.component}: {error}")
        else:
            return True
        return False

    async def _write(self, guard: Guard, memory: Memory, write: Write, *, dry_run: bool) -> bool:
        """Send one write; return whether it was accepted."""
        self._persister.fence()
        try:
            body = await self._cluster.write(write, dry_run=dry_run)
        except TestFailed:
            if await self._is_unchanged(write):
                # Every `test` holds, so the patch itself is wrong and stays wrong.
                _refuse(guard, memory, "the patch does not fit the object that it was made for")
        except (Conflict, NotFound):
            await self._read_again(write.ref)
        except (Rejected, Forbidden) as error:
            _refuse(guard, memory, f"{write.ref.kind} {write.ref.name}: {error}")
        else:
            if not dry_run and not write.delete:
                self._store.put_workload(body)
            return True
        return False

    async def _allowed(self, guard: Guard) -> bool:
        """Read the switch itself, not a cache of it: a person who flipped it must be obeyed."""
        key = key_of(guard.body)
        live = await self._cluster.rollout(key)
        if live is None or live["metadata"]["uid"] != guard.body["metadata"]["uid"]:
            self._store.drop_rollout(key)
            return False
        self._store.put_rollout(live)
        return not _paused(live)

    async def _is_unchanged(self, write: Write) -> bool:
        body = await self._read_again(write.ref)
        if body is None or write.read is None:
            return body is write.read
        # A patch tests the annotations too, of a map that had none.
        same = all(
            body["metadata"].get(part) == write.read["metadata"].get(part)
            for part in ("uid", "annotations")
        )
        return same and _written(body) == _written(write.read)

    async def _read_again(self, ref: ObjectRef) -> Json | None:
        """Somebody was faster. What is there now decides: their edit, or ours from before."""
        log.info("an object changed before it was written", extra={"object": str(ref)})
        body = await self._cluster.read(ref)
        if body is None:
            self._store.drop_workload(ref)
        else:
            self._store.put_workload(body)
        return body


def _written(body: Json) -> Json:
    return {name: part for name, part in body.items() if name not in _UNWRITTEN}


def _tell(guard: Guard, memory: Memory, decision: Decision, now: float) -> None:
    """What was deleted is said once it is: the Event goes out with the next check."""
    log.info(decision.message, extra={"rollout": str(key_of(guard.body))})
    action, reason = decision.action.value, decision.reason.value
    memory.untold.append(Notice(True, reason, action, decision.message, now))


def _refuse(guard: Guard, memory: Memory, why: str) -> None:
    transaction = guard.status.transaction
    memory.refused = (transaction.id if transaction else "", why)


def _paused(rollout: Json) -> bool:
    """What cannot be read counts as Pause."""
    value = rollout["spec"].get("killSwitch", KillSwitch.NONE.value)
    return value not in (KillSwitch.NONE.value, KillSwitch.ROLLBACK.value)
