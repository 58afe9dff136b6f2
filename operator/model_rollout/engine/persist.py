"""Persist: what was decided is written down before it is done. The order is what makes it crash-safe.

ModelRevisions are created before the status that names them; the status, with the intent, is
written before the workload; the phases of ModelRevisions are derived from the status and may lag.
"""

import logging
from collections.abc import Callable

from model_rollout.analysis.evidence import checkpoint
from model_rollout.api import API_VERSION
from model_rollout.api.status import MetricStatus, ModelRolloutStatus
from model_rollout.api.types import time_text
from model_rollout.decision.facts import Facts
from model_rollout.decision.notices import Notice, decided, notices
from model_rollout.decision.observed import FIELD_MANAGER
from model_rollout.decision.outcome import Decision
from model_rollout.decision.projection import prunable, revision_changes
from model_rollout.decision.status import complete, material
from model_rollout.engine.guard import Guard
from model_rollout.engine.memory import Memory
from model_rollout.engine.recorder import Recorder, Unrecorded
from model_rollout.engine.store import Store, key_of
from model_rollout.ports.kubernetes import ApiError, Cluster, Conflict, Json, Key, NotFound
from model_rollout.revisions.canonical import digest
from model_rollout.revisions.configmaps import snapshot_body
from model_rollout.revisions.history import NewRevision, revision_body
from model_rollout.revisions.places import pointer

log = logging.getLogger(__name__)

_OLD = 600.0
"""Seconds after which the Event of a decision made by a process that died is not caught up on."""


class NotLeading(Exception):
    """The Lease is lost: nothing may be written any more."""


class Persister:
    """Writes what was decided; every write is preceded by a look at the Lease."""

    def __init__(
        self, cluster: Cluster, store: Store, leading: Callable[[], bool], identity: str
    ) -> None:
        """`identity` is the name of this process in Events."""
        self._cluster = cluster
        self._store = store
        self._leading = leading
        self._identity = identity
        self._recorder = Recorder(cluster, self.fence)

    def fence(self) -> None:
        """Raise NotLeading when the Lease is lost, for example after the process was stopped."""
        if not self._leading():
            raise NotLeading

    async def catch_up(self, guard: Guard, memory: Memory) -> None:
        """Write the records of the stored status, where that did not happen yet.

        Where it fails, `memory.unrecorded` says why, and the decision holds what needs a record.
        """
        try:
            await self._recorder.write(guard.body, memory)
        except ApiError as error:
            log.warning("record not written", extra={"error": str(error)})

    async def persist(self, guard: Guard, memory: Memory, facts: Facts, decision: Decision) -> None:
        """Write revisions, status, records, revision phases and Events, in this order.

        Raises `ApiError`; `Conflict` after the newest object was put into the store, so that the
        next check decides on it.
        """
        for revision in decision.create:
            await self._keep_contents(guard, revision)
            await self._create_revision(guard, memory, revision)
        status = complete(facts, decision)
        if status.records != guard.status.records and memory.unrecorded:
            # It would replace the only copy of the record that is not written yet.
            raise Unrecorded(memory.unrecorded)
        await self._write_status(guard, memory, status)
        self._note(guard, memory, facts, status, decision)
        if status.records != guard.status.records:
            await self._record(guard, memory)
        await self._write_revisions(guard, memory, facts, decision)
        for annotation in decision.drop:
            await self._drop_annotation(guard, annotation)
        await self._announce(guard, memory, facts)
        await self._prune(guard, memory, facts, status)

    async def _keep_contents(self, guard: Guard, new: NewRevision) -> None:
        """Contents of ConfigMaps are kept before the ModelRevision that refers to them is there."""
        for contents in new.contents:
            self.fence()
            body = snapshot_body(new.spec.rollout_ref, guard.namespace, contents)
            await self._cluster.create_snapshot(body)

    async def _record(self, guard: Guard, memory: Memory) -> None:
        written = self._store.rollout(key_of(guard.body))
        if written is not None:
            await self._recorder.write(written, memory)

    async def _create_revision(self, guard: Guard, memory: Memory, new: NewRevision) -> None:
        self.fence()
        try:
            body = await self._cluster.create_revision(revision_body(new, guard.namespace))
        except Conflict:
            # Number and content are in the name: a predecessor created the very same one.
            memory.revisions = None
            raise
        assert memory.revisions is not None
        memory.revisions[new.name] = body

    async def _write_status(self, guard: Guard, memory: Memory, status: ModelRolloutStatus) -> None:
        if material(status) == guard.material:
            return
        self.fence()
        status = status.model_copy(update={"metrics": _with_evidence(status, memory)})
        data = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        try:
            self._store.put_rollout(await self._cluster.write_rollout_status(guard.body, data))
        except (Conflict, NotFound):
            await self._refresh(key_of(guard.body))
            raise

    async def _refresh(self, key: Key) -> None:
        body = await self._cluster.rollout(key)
        if body is None:
            self._store.drop_rollout(key)
        else:
            self._store.put_rollout(body)

    async def _write_revisions(
        self, guard: Guard, memory: Memory, facts: Facts, decision: Decision
    ) -> None:
        if memory.revisions is None:
            return
        for name, status in revision_changes(facts, decision):
            self.fence()
            data = status.model_dump(mode="json", by_alias=True, exclude_none=True)
            try:
                body = await self._cluster.write_revision_status(memory.revisions[name], data)
            except (Conflict, NotFound):
                memory.revisions = None
                raise
            memory.revisions[name] = body

    async def _drop_annotation(self, guard: Guard, name: str) -> None:
        """Remove what was obeyed, and nothing that was written meanwhile."""
        metadata = guard.body["metadata"]
        path = pointer(("metadata", "annotations", name))
        value = metadata["annotations"][name]
        self.fence()
        body = await self._cluster.patch_rollout(
            key_of(guard.body),
            [
                {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
                {"op": "test", "path": path, "value": value},
                {"op": "remove", "path": path},
            ],
        )
        self._store.put_rollout(body)

    def _note(
        self,
        guard: Guard,
        memory: Memory,
        facts: Facts,
        status: ModelRolloutStatus,
        decision: Decision,
    ) -> None:
        """Keep what is to be announced: a write in between may fail, and be made by a later check."""
        if not memory.announced:
            memory.untold += _catch_up(guard.status, facts.now)
            memory.announced = True
        memory.untold += notices(facts, status, decision)

    async def _announce(self, guard: Guard, memory: Memory, facts: Facts) -> None:
        while memory.untold:
            self.fence()
            notice = memory.untold.pop(0)
            try:
                event = _event(guard.body, notice, facts.now, self._identity)
                await self._cluster.create_event(guard.namespace, event)
            except ApiError as error:
                # An Event is a courtesy; the status says the same and is already written.
                log.warning("event not written", extra={"error": str(error)})

    async def _prune(
        self, guard: Guard, memory: Memory, facts: Facts, status: ModelRolloutStatus
    ) -> None:
        for revision in prunable(facts, status):
            if memory.revisions is None or revision.name not in memory.revisions:
                continue
            self.fence()
            uid = memory.revisions[revision.name]["metadata"]["uid"]
            await self._cluster.delete_revision(Key(guard.namespace, revision.name), uid)
            del memory.revisions[revision.name]
            memory.swept = False
        if not memory.swept and memory.revisions is not None:
            await self._sweep_snapshots(guard, memory.revisions)
            memory.swept = True

    async def _sweep_snapshots(self, guard: Guard, revisions: dict[str, Json]) -> None:
        """Delete contents that no ModelRevision refers to any more."""
        if all(component.config_map is None for component in guard.spec.components):
            return
        values = [v for body in revisions.values() for v in body["spec"].get("components", ())]
        used = {value.get("snapshotRef") for value in values}
        for body in await self._cluster.snapshots(guard.namespace, guard.body["metadata"]["uid"]):
            if body["metadata"]["name"] not in used:
                self.fence()
                await self._cluster.delete_config_map(key_of(body), body["metadata"]["uid"])


def _with_evidence(status: ModelRolloutStatus, memory: Memory) -> tuple[MetricStatus, ...]:
    """Add what the evidence is at this moment; only a status that is written anyway carries it."""
    texts = {name: checkpoint(m.evidence, m.rule) for name, m in memory.measured.items()}
    return tuple(
        metric.model_copy(update={"evidence": texts.get(metric.name, "")})
        for metric in status.metrics
    )


def _catch_up(status: ModelRolloutStatus, now: float) -> list[Notice]:
    """The Event of a decision whose process died after writing the status: the name is the same."""
    last = status.last_decision
    if last is None or now - last.time > _OLD:
        return []
    return [decided(last)]


def _event(rollout: Json, notice: Notice, now: float, identity: str) -> Json:
    metadata = rollout["metadata"]
    # Named by content and time: the same notice, emitted again after a crash, is the same Event.
    told = [notice.reason, notice.action, notice.note, time_text(notice.time)]
    suffix = digest([metadata["uid"], *told])[:12]
    regarding = {
        "apiVersion": API_VERSION,
        "kind": "ModelRollout",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:200]}.{suffix}",
            "namespace": metadata["namespace"],
        },
        "eventTime": time_text(now).replace("Z", "000Z"),
        "type": "Warning" if notice.warning else "Normal",
        "reason": notice.reason,
        "action": notice.action,
        "note": notice.note[:1000],
        "regarding": regarding,
        "reportingController": FIELD_MANAGER,
        "reportingInstance": identity,
    }
