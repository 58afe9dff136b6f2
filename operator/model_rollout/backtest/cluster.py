"""A cluster of a few objects in memory: what the engine reads and writes in a replay."""

from collections.abc import AsyncIterator
from typing import NoReturn

from model_rollout.backtest.workload import Objects
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Json, Key, NotFound, Rejected
from model_rollout.revisions.objects import ObjectRef, Write


class SimulatedCluster:
    """Implements `model_rollout.ports.kubernetes.Cluster` for one ModelRollout.

    The workload is what the history says. It is never written to: a replay runs in mode DryRun.
    """

    def __init__(self, rollout: Json, store: Store) -> None:
        """`store` hears of the workload, as it would from a watch."""
        self._rollout = rollout
        self._store = store
        self._revisions: dict[str, Json] = {}
        self._records: dict[str, Json] = {}
        self._objects: Objects | None = None
        self._version = 1

    def show(self, objects: Objects) -> None:
        """Let the workload be like this from now on."""
        self._objects = objects
        self._store.put_workload(objects.deployment)

    @property
    def replica_set(self) -> str:
        """The name of the ReplicaSet of the newest template."""
        return self._objects.replica_set if self._objects else ""

    async def rollout(self, key: Key) -> Json | None:
        """Read the ModelRollout."""
        return self._rollout

    async def rollouts(self) -> AsyncIterator[Json]:
        """List the ModelRollout."""
        yield self._rollout

    async def templates(self) -> AsyncIterator[Json]:
        """List no MetricTemplates: the store has those of the files."""
        nothing: tuple[Json, ...] = ()
        for body in nothing:
            yield body

    async def read(self, ref: ObjectRef) -> Json | None:
        """Read the Deployment as it was at this time; nobody knows what ConfigMaps held."""
        if self._objects is None or ref.kind == "ConfigMap":
            return None
        return self._objects.deployment

    async def secret(self, key: Key) -> Json | None:
        """Read no Secret: who is asked, and how, says the command line."""
        return None

    async def config_map(self, key: Key) -> Json | None:
        """Read no ConfigMap either."""
        return None

    async def pods(self, namespace: str, selector: Json) -> list[Json]:
        """List the pods as they were at this time."""
        return list(self._objects.pods) if self._objects else []

    async def replica_sets(self, namespace: str, selector: Json) -> list[Json]:
        """List the ReplicaSets as they were at this time."""
        return list(self._objects.replica_sets) if self._objects else []

    async def controller_revisions(self, namespace: str, selector: Json) -> list[Json]:
        """List none: only Deployments are replayed."""
        return []

    async def revisions(self, namespace: str, rollout_uid: str) -> list[Json]:
        """List the ModelRevisions that the replay has created."""
        return list(self._revisions.values())

    async def create_revision(self, body: Json) -> Json:
        """Create a ModelRevision."""
        name = body["metadata"]["name"]
        created = self._versioned(body | {"metadata": body["metadata"] | {"uid": name}})
        self._revisions[name] = created
        return created

    async def write_revision_status(self, revision: Json, status: Json) -> Json:
        """Replace the status of a ModelRevision."""
        name = revision["metadata"]["name"]
        if name not in self._revisions:
            raise NotFound(name)
        self._revisions[name] = self._versioned(revision | {"status": status})
        return self._revisions[name]

    async def delete_revision(self, key: Key, uid: str) -> None:
        """Delete a ModelRevision."""
        self._revisions.pop(key.name, None)

    async def record(self, key: Key) -> Json | None:
        """Read a RolloutRecord that the replay has created."""
        return self._records.get(key.name)

    async def records(self) -> AsyncIterator[Json]:
        """List the RolloutRecords that the replay has created."""
        for body in self._records.values():
            yield body

    async def create_record(self, body: Json) -> Json:
        """Create a RolloutRecord."""
        self._records[body["metadata"]["name"]] = body
        return body

    async def delete_record(self, key: Key, uid: str) -> None:
        """Delete a RolloutRecord."""
        self._records.pop(key.name, None)

    async def write_rollout_status(self, rollout: Json, status: Json) -> Json:
        """Replace the status of the ModelRollout."""
        self._rollout = self._versioned(rollout | {"status": status})
        return self._rollout

    async def patch_rollout(self, key: Key, operations: list[Json]) -> NoReturn:
        """Nobody annotates the ModelRollout of a replay."""
        raise Rejected("a replay changes no metadata")

    async def write(self, write: Write, *, dry_run: bool = False) -> NoReturn:
        """The past stays as it was."""
        raise Rejected("a replay changes no workload")

    async def snapshots(self, namespace: str, rollout_uid: str) -> list[Json]:
        """List no snapshots: a replay keeps no contents."""
        return []

    async def create_snapshot(self, body: Json) -> None:
        """A replay keeps no contents."""

    async def delete_config_map(self, key: Key, uid: str) -> None:
        """There is none."""

    async def create_event(self, namespace: str, body: Json) -> None:
        """Events are read off the decisions."""

    def _versioned(self, body: Json) -> Json:
        self._version += 1
        return body | {"metadata": body["metadata"] | {"resourceVersion": str(self._version)}}
