"""Objects of the cluster that hold a part of the model, and the writes that restore it."""

from dataclasses import dataclass

from model_rollout.api import API_VERSION
from model_rollout.api.revision import RolloutRef
from model_rollout.revisions.canonical import Json


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One object, by API version, kind, namespace and name."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def config_map_ref(namespace: str, name: str) -> ObjectRef:
    """Return the reference of a ConfigMap."""
    return ObjectRef("v1", "ConfigMap", namespace, name)


def ref_of(body: Json) -> ObjectRef:
    """Return the reference of an object from its JSON."""
    metadata = body["metadata"]
    return ObjectRef(body["apiVersion"], body["kind"], metadata["namespace"], metadata["name"])


def owner_reference(rollout: RolloutRef) -> Json:
    """Return the reference by which an object goes when its ModelRollout does."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelRollout",
        "name": rollout.name,
        "uid": rollout.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


@dataclass(frozen=True, slots=True)
class Write:
    """One write: a JSON Patch (RFC 6902) of an object, an object to create, or one to delete."""

    ref: ObjectRef
    read: Json | None = None
    """The object as it was read: what the `test` operations speak of. None: it is not there."""
    patch: tuple[Json, ...] = ()
    create: Json | None = None
    delete: bool = False
    """Delete exactly the object that was read: another one of the same name is left alone."""


@dataclass(frozen=True, slots=True)
class HttpWrite:
    """One write of a transaction to a server that holds the value of a component."""

    component: str
    value: str
