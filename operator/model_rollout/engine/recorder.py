"""RolloutRecords are written exactly once: from the status that was written before, to its letter."""

from collections.abc import Callable

from model_rollout.engine.memory import Memory
from model_rollout.ports.kubernetes import ApiError, Cluster, Conflict, Json, Key, NotFound
from model_rollout.records.chain import content_digest, record_body


class Unrecorded(ApiError):
    """A record is not written as it must be, and nothing that needs it may be done."""


class Recorder:
    """Creates the RolloutRecords that a status holds."""

    def __init__(self, cluster: Cluster, fence: Callable[[], None]) -> None:
        """`fence` raises when nothing may be written any more."""
        self._cluster = cluster
        self._fence = fence

    async def write(self, rollout: Json, memory: Memory) -> None:
        """Create the records of a stored status, oldest first, unless they are known to exist.

        Raises `ApiError` after it was noted in `memory.unrecorded`, which is empty when all exist.
        """
        records = (rollout.get("status") or {}).get("records") or ()
        if not records or records[-1]["digest"] == memory.recorded:
            memory.unrecorded = ""
            return
        try:
            for spec in records:
                await self._write(record_body(spec, rollout["metadata"]["namespace"]))
        except ApiError as error:
            memory.unrecorded = f"a record of what was decided cannot be written ({error})"
            raise
        memory.recorded, memory.unrecorded = records[-1]["digest"], ""

    async def _write(self, wanted: Json) -> None:
        """Read first: a process that starts finds it there in nearly all cases."""
        if content_digest(wanted["spec"]) != wanted["spec"]["digest"]:
            raise Unrecorded("status.records was changed by somebody else")
        metadata = wanted["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        found = await self._cluster.record(key)
        if found is None:
            self._fence()
            try:
                found = await self._cluster.create_record(wanted)
            except NotFound as error:
                raise Unrecorded(
                    f"{error}: is the CustomResourceDefinition installed? modelrollout crds | "
                    "kubectl apply --server-side -f -"
                ) from None
            except Conflict:
                # Sent twice, or a process that was thought dead was faster: with the same content?
                found = await self._cluster.record(key)
        if found is None:
            raise Conflict(f"RolloutRecord {key} was created and deleted")
        if content_digest(found["spec"]) != wanted["spec"]["digest"]:
            raise Unrecorded(
                f"RolloutRecord {key} exists with another content than the operator has for it; "
                "keep a copy for your auditors and delete it, or install the "
                "CustomResourceDefinitions of this version: modelrollout crds"
            )
