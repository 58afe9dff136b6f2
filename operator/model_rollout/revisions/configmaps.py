"""ConfigMaps as components: their contents, the snapshots that keep them, and how they are restored."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from model_rollout.api.revision import ROLLOUT_UID_LABEL, RolloutRef
from model_rollout.revisions.canonical import TRANSACTION_ANNOTATION, Json, canonical_json, digest
from model_rollout.revisions.objects import ObjectRef, Write, owner_reference
from model_rollout.revisions.places import Unrestorable, pointer

SNAPSHOT_LABEL = "modelrollout.dev/snapshot"
"""Label of a ConfigMap that keeps contents: the first digits of their digest."""

_SECTIONS = ("data", "binaryData")
_LARGEST_PATCH = 2_500_000
"""Bytes. The API server takes 3 MiB; a test of the old and a new 1 MiB map with escapes is more."""


@dataclass(frozen=True)
class Contents:
    """What a ConfigMap holds, or the part of it that a component names."""

    data: Mapping[str, str] = field(default_factory=dict)
    binary_data: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of both: the value of a ConfigMap component."""
        return digest([self.data, self.binary_data])

    def section(self, name: str) -> Mapping[str, str]:
        """Return `data` or `binaryData`."""
        return self.data if name == "data" else self.binary_data


def contents_of(body: Json, keys: tuple[str, ...] = ()) -> Contents:
    """Return what a ConfigMap holds under `keys`; empty means all. A key that is absent is left out."""
    data, binary = (body.get(section) or {} for section in _SECTIONS)
    if keys:
        data = {key: data[key] for key in keys if key in data}
        binary = {key: binary[key] for key in keys if key in binary}
    return Contents(data, binary)


def snapshot_name(rollout: RolloutRef, contents_digest: str) -> str:
    """Return the name of the ConfigMap that keeps contents; the same for the same contents."""
    suffix = f"-{rollout.uid[:8]}-{contents_digest[:12]}"
    return rollout.name[: 253 - len(suffix)] + suffix


def snapshot_body(rollout: RolloutRef, namespace: str, contents: Contents) -> Json:
    """Return the immutable ConfigMap that keeps contents; it is owned by the ModelRollout."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": snapshot_name(rollout, contents.digest),
            "namespace": namespace,
            "labels": {
                ROLLOUT_UID_LABEL: rollout.uid,
                SNAPSHOT_LABEL: contents.digest[:12],
            },
            "ownerReferences": [owner_reference(rollout)],
        },
        "immutable": True,
        **_sections(contents),
    }


def restoring_write(
    ref: ObjectRef,
    body: Json | None,
    keys: tuple[str, ...],
    wanted: Contents,
    transaction: str,
) -> Write | None:
    """Return the write that gives a ConfigMap these contents, None when it has them.

    A map that was pruned is created again. Keys that the component does not name are not touched.
    """
    if body is None:
        return Write(ref, create=_created(ref, wanted, transaction))
    observed = contents_of(body, keys)
    if observed.digest == wanted.digest:
        return None
    changes = [change for name in _SECTIONS for change in _section(body, name, observed, wanted)]
    changes += _annotation(body, transaction)
    return Write(ref, read=body, patch=_within_limits(body, changes))


def created_write(
    ref: ObjectRef, body: Json | None, wanted: Contents, transaction: str
) -> Write | None:
    """Return the write that creates a map which a pod template names by its hash, if it is gone.

    Raises:
        Unrestorable: when a map of this name holds something else; others may read it.
    """
    if body is None:
        return Write(ref, create=_created(ref, wanted, transaction))
    if contents_of(body).digest != wanted.digest:
        raise Unrestorable(
            f"ConfigMap {ref.name} exists with other contents than the revision had; delete it, or "
            "restore its contents"
        )
    return None


def _created(ref: ObjectRef, contents: Contents, transaction: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "annotations": {TRANSACTION_ANNOTATION: transaction},
        },
        **_sections(contents),
    }


def _sections(contents: Contents) -> Json:
    return {name: dict(contents.section(name)) for name in _SECTIONS if contents.section(name)}


def _section(body: Json, name: str, observed: Contents, wanted: Contents) -> Iterator[Json]:
    before, after = observed.section(name), wanted.section(name)
    if after and not body.get(name):
        # A `test` of null holds only while the member is absent.
        yield {"op": "test", "path": f"/{name}", "value": None}
        yield {"op": "add", "path": f"/{name}", "value": {}}
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) == after.get(key):
            continue
        path = pointer((name, key))
        yield {"op": "test", "path": path, "value": before.get(key)}
        if key not in after:
            yield {"op": "remove", "path": path}
        else:
            yield {"op": "replace" if key in before else "add", "path": path, "value": after[key]}


def _annotation(body: Json, transaction: str) -> list[Json]:
    changes: list[Json] = []
    if not body["metadata"].get("annotations"):
        path = "/metadata/annotations"
        changes += [
            {"op": "test", "path": path, "value": None},
            {"op": "add", "path": path, "value": {}},
        ]
    path = pointer(("metadata", "annotations", TRANSACTION_ANNOTATION))
    return [*changes, {"op": "add", "path": path, "value": transaction}]


def _within_limits(body: Json, changes: list[Json]) -> tuple[Json, ...]:
    metadata = body["metadata"]
    uid = {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]}
    if len(canonical_json(changes)) <= _LARGEST_PATCH:
        return (uid, *changes)
    # Too large to repeat what was read: then nobody may have written the map since.
    version = {
        "op": "test",
        "path": "/metadata/resourceVersion",
        "value": metadata["resourceVersion"],
    }
    return (uid, version, *(change for change in changes if change["op"] != "test"))


def changed_at(body: Json) -> float:
    """Return when the contents of a ConfigMap were last written, in seconds since the epoch."""
    times = [
        datetime.datetime.fromisoformat(entry["time"]).timestamp()
        for entry in body["metadata"].get("managedFields") or ()
        if entry.get("time") and _writes_contents(entry)
    ]
    return max(times, default=0.0)


def _writes_contents(entry: Json) -> bool:
    fields = entry.get("fieldsV1") or {}
    return "f:data" in fields or "f:binaryData" in fields


def read_once(template: Json, name: str) -> bool:
    """Tell whether pods read a ConfigMap only when they start: through a variable or a subPath."""
    spec: Any = template.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    volumes = {
        volume["name"]
        for volume in spec.get("volumes") or ()
        if (volume.get("configMap") or {}).get("name") == name
    }
    return any(_reads_once(container, name, volumes) for container in containers)


def _reads_once(container: Json, name: str, volumes: set[str]) -> bool:
    sources = [source.get("configMapRef") for source in container.get("envFrom") or ()]
    sources += [
        (variable.get("valueFrom") or {}).get("configMapKeyRef")
        for variable in container.get("env") or ()
    ]
    mounts = container.get("volumeMounts") or ()
    through_variable = any(source and source.get("name") == name for source in sources)
    through_sub_path = any(
        mount["name"] in volumes and (mount.get("subPath") or mount.get("subPathExpr"))
        for mount in mounts
    )
    return through_variable or through_sub_path
