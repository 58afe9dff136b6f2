"""What the engine asks of the API server, and the ways in which it can say no."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from model_rollout.revisions.objects import ObjectRef, Write

Json = dict[str, Any]
"""A Kubernetes object, or a part of one, as decoded JSON. Never changed in place."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ApiError(Exception):
    """The API server did not do what was asked. The message never holds a body of a reply."""


class NotFound(ApiError):
    """404: the object is not there."""


class Conflict(ApiError):
    """409: somebody else was first (also: the name is taken). Read again and decide again."""


class TestFailed(ApiError):
    """422 without causes: a `test` of a JSON Patch did not hold. Read again and decide again."""

    __test__ = False  # pytest would collect the name


class Rejected(ApiError):
    """400, 422 with causes or a denial by admission: the same request will fail again."""


class Forbidden(ApiError):
    """403 by RBAC: a rule is missing in the roles of the operator."""


class Unauthorized(ApiError):
    """401: the token is not accepted."""


class Unavailable(ApiError):
    """No answer, 429 or 5xx: try again later. A write may or may not have happened."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Cluster(Protocol):
    """Everything that the engine reads from and writes to the API server.

    Every method raises a subclass of `ApiError`; a read of one object returns None for 404.
    """

    async def rollout(self, key: Key) -> Json | None:
        """Read one ModelRollout, past every cache."""
        ...

    def rollouts(self) -> AsyncIterator[Json]:
        """List all watched ModelRollouts, page by page."""
        ...

    def templates(self) -> AsyncIterator[Json]:
        """List all watched MetricTemplates, page by page."""
        ...

    async def read(self, ref: ObjectRef) -> Json | None:
        """Read one object, past every cache; `Forbidden` where no role allows its kind."""
        ...

    async def secret(self, key: Key) -> Json | None:
        """Read one Secret; `Forbidden` where its namespace does not let us."""
        ...

    async def config_map(self, key: Key) -> Json | None:
        """Read one ConfigMap; `Forbidden` where its namespace does not let us."""
        ...

    async def pods(self, namespace: str, selector: Json) -> list[Json]:
        """List the pods that a `LabelSelector` (as in `spec.selector`) matches."""
        ...

    async def replica_sets(self, namespace: str, selector: Json) -> list[Json]:
        """List the ReplicaSets that a `LabelSelector` matches."""
        ...

    async def controller_revisions(self, namespace: str, selector: Json) -> list[Json]:
        """List the ControllerRevisions (of StatefulSets) that a `LabelSelector` matches."""
        ...

    async def revisions(self, namespace: str, rollout_uid: str) -> list[Json]:
        """List the ModelRevisions of one ModelRollout."""
        ...

    async def create_revision(self, body: Json) -> Json:
        """Create a ModelRevision; `Conflict` when the name is taken."""
        ...

    async def write_revision_status(self, revision: Json, status: Json) -> Json:
        """Replace the status of the ModelRevision that was read as `revision`."""
        ...

    async def delete_revision(self, key: Key, uid: str) -> None:
        """Delete a ModelRevision; that it is gone already is no error."""
        ...

    async def record(self, key: Key) -> Json | None:
        """Read one RolloutRecord."""
        ...

    def records(self) -> AsyncIterator[Json]:
        """List all watched RolloutRecords, page by page."""
        ...

    async def create_record(self, body: Json) -> Json:
        """Create a RolloutRecord; `Conflict` when the name is taken."""
        ...

    async def delete_record(self, key: Key, uid: str) -> None:
        """Delete a RolloutRecord; that it is gone already is no error."""
        ...

    async def write_rollout_status(self, rollout: Json, status: Json) -> Json:
        """Replace the status of the ModelRollout that was read as `rollout`.

        `Conflict` when it changed since (its resourceVersion is sent along): this is what fences
        a second operator.
        """
        ...

    async def patch_rollout(self, key: Key, operations: list[Json]) -> Json:
        """Apply a JSON Patch to a ModelRollout."""
        ...

    async def write(self, write: Write, *, dry_run: bool = False) -> Json:
        """Patch, create or delete an object; with `dry_run` the API server does all but store it."""
        ...

    async def snapshots(self, namespace: str, rollout_uid: str) -> list[Json]:
        """List name and UID of the ConfigMaps that keep contents for one ModelRollout."""
        ...

    async def create_snapshot(self, body: Json) -> None:
        """Create an immutable ConfigMap; that it exists already is no error."""
        ...

    async def delete_config_map(self, key: Key, uid: str) -> None:
        """Delete a ConfigMap; that it is gone already is no error."""
        ...

    async def create_event(self, namespace: str, body: Json) -> None:
        """Create an Event (`events.k8s.io/v1`); that it exists already is no error."""
        ...
