"""The `Cluster` port over the API server."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from model_rollout.adapters.kubernetes.client import JSON_PATCH, KubernetesApi
from model_rollout.api import API_VERSION
from model_rollout.api.revision import ROLLOUT_UID_LABEL
from model_rollout.ports.kubernetes import Conflict, Json, Key, NotFound
from model_rollout.revisions.configmaps import SNAPSHOT_LABEL
from model_rollout.revisions.objects import ObjectRef, Write

_OWN = f"/apis/{API_VERSION}"
_APPS = "/apis/apps/v1"
_CORE = "/api/v1"
_EVENTS = "/apis/events.k8s.io/v1"
_PAGE = "500"
_PLURALS = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "ConfigMap": "configmaps",
    "Pod": "pods",
}
"""Resources of kinds that exist everywhere; others are asked for."""


class KubernetesCluster:
    """Implements `model_rollout.ports.kubernetes.Cluster`.

    Reads of one object name no resourceVersion: the API server then answers with the latest state,
    never with one from a cache that lags.
    """

    def __init__(self, api: KubernetesApi, namespaces: Sequence[str] = ()) -> None:
        """`namespaces`: where ModelRollouts are listed; empty means in the whole cluster."""
        self._api = api
        self._namespaces = tuple(namespaces)
        self._discovery: dict[tuple[str, str], str] = {}

    async def rollout(self, key: Key) -> Json | None:
        """Read one ModelRollout, past every cache."""
        return await self._read(_path(_OWN, key.namespace, "modelrollouts", key.name))

    async def rollouts(self) -> AsyncIterator[Json]:
        """List all watched ModelRollouts, page by page."""
        async for item in self._watched("modelrollouts"):
            yield item

    async def templates(self) -> AsyncIterator[Json]:
        """List all watched MetricTemplates, page by page."""
        async for item in self._watched("metrictemplates"):
            yield item

    async def _watched(self, plural: str) -> AsyncIterator[Json]:
        for namespace in self._namespaces or (None,):
            async for item in self._pages(_path(_OWN, namespace, plural), {}):
                yield item

    async def read(self, ref: ObjectRef) -> Json | None:
        """Read one object, past every cache; `Forbidden` where no role allows its kind."""
        return await self._read(await self._object_path(ref))

    async def secret(self, key: Key) -> Json | None:
        """Read one Secret. `Forbidden` unless a Role of its namespace allows it."""
        return await self._read(_path(_CORE, key.namespace, "secrets", key.name))

    async def config_map(self, key: Key) -> Json | None:
        """Read one ConfigMap. `Forbidden` unless a Role of its namespace allows it."""
        return await self._read(_path(_CORE, key.namespace, "configmaps", key.name))

    async def pods(self, namespace: str, selector: Json) -> list[Json]:
        """List the pods that a `LabelSelector` matches."""
        return await self._selected(_path(_CORE, namespace, "pods"), label_query(selector))

    async def replica_sets(self, namespace: str, selector: Json) -> list[Json]:
        """List the ReplicaSets that a `LabelSelector` matches."""
        return await self._selected(_path(_APPS, namespace, "replicasets"), label_query(selector))

    async def controller_revisions(self, namespace: str, selector: Json) -> list[Json]:
        """List the ControllerRevisions that a `LabelSelector` matches."""
        path = _path(_APPS, namespace, "controllerrevisions")
        return await self._selected(path, label_query(selector))

    async def revisions(self, namespace: str, rollout_uid: str) -> list[Json]:
        """List the ModelRevisions of one ModelRollout."""
        path = _path(_OWN, namespace, "modelrevisions")
        return await self._selected(path, f"{ROLLOUT_UID_LABEL}={rollout_uid}")

    async def create_revision(self, body: Json) -> Json:
        """Create a ModelRevision; `Conflict` when the name is taken."""
        path = _path(_OWN, body["metadata"]["namespace"], "modelrevisions")
        return await self._api.request("POST", path, body=body)

    async def write_revision_status(self, revision: Json, status: Json) -> Json:
        """Replace the status of the ModelRevision that was read as `revision`."""
        return await self._replace_status("modelrevisions", revision, status)

    async def delete_revision(self, key: Key, uid: str) -> None:
        """Delete a ModelRevision; that it is gone already is no error."""
        await self._delete(_path(_OWN, key.namespace, "modelrevisions", key.name), uid)

    async def record(self, key: Key) -> Json | None:
        """Read one RolloutRecord."""
        return await self._read(_path(_OWN, key.namespace, "rolloutrecords", key.name))

    async def records(self) -> AsyncIterator[Json]:
        """List all watched RolloutRecords, page by page."""
        async for item in self._watched("rolloutrecords"):
            yield item

    async def create_record(self, body: Json) -> Json:
        """Create a RolloutRecord; `Conflict` when the name is taken."""
        path = _path(_OWN, body["metadata"]["namespace"], "rolloutrecords")
        return await self._api.request("POST", path, body=body)

    async def delete_record(self, key: Key, uid: str) -> None:
        """Delete a RolloutRecord; that it is gone already is no error."""
        await self._delete(_path(_OWN, key.namespace, "rolloutrecords", key.name), uid)

    async def write_rollout_status(self, rollout: Json, status: Json) -> Json:
        """Replace the status of the ModelRollout that was read as `rollout`."""
        return await self._replace_status("modelrollouts", rollout, status)

    async def patch_rollout(self, key: Key, operations: list[Json]) -> Json:
        """Apply a JSON Patch to a ModelRollout."""
        return await self._patch(_path(_OWN, key.namespace, "modelrollouts", key.name), operations)

    async def write(self, write: Write, *, dry_run: bool = False) -> Json:
        """Patch, create or delete an object; with `dry_run` the API server does all but store it."""
        path = await self._object_path(write.ref)
        query = {"dryRun": "All"} if dry_run else {}
        if write.delete and write.read is not None:
            only = {"preconditions": {"uid": write.read["metadata"]["uid"]}}
            return await self._api.request("DELETE", path, body=only, query=query)
        if write.create is not None:
            path = path.rpartition("/")[0]
            return await self._api.request("POST", path, body=write.create, query=query)
        return await self._patch(path, list(write.patch), query)

    async def snapshots(self, namespace: str, rollout_uid: str) -> list[Json]:
        """List the ConfigMaps that keep contents for one ModelRollout."""
        labels = f"{ROLLOUT_UID_LABEL}={rollout_uid},{SNAPSHOT_LABEL}"
        return await self._selected(_path(_CORE, namespace, "configmaps"), labels)

    async def create_snapshot(self, body: Json) -> None:
        """Create an immutable ConfigMap; that it exists already is no error."""
        path = _path(_CORE, body["metadata"]["namespace"], "configmaps")
        try:
            await self._api.request("POST", path, body=body)
        except Conflict:
            return

    async def delete_config_map(self, key: Key, uid: str) -> None:
        """Delete a ConfigMap; that it is gone already is no error."""
        await self._delete(_path(_CORE, key.namespace, "configmaps", key.name), uid)

    async def _object_path(self, ref: ObjectRef) -> str:
        group = _CORE if ref.api_version == "v1" else f"/apis/{ref.api_version}"
        plural = _PLURALS.get(ref.kind) or await self._discovered(group, ref.kind)
        return _path(group, ref.namespace, plural, ref.name)

    async def _discovered(self, group: str, kind: str) -> str:
        """Ask the API server how the resource of a kind is called; it is asked once for each."""
        if (group, kind) not in self._discovery:
            listed = (await self._api.request("GET", group)).get("resources") or ()
            plurals = [r["name"] for r in listed if r["kind"] == kind and "/" not in r["name"]]
            if not plurals:
                raise NotFound(f"{group} has no kind {kind}")
            self._discovery[group, kind] = str(plurals[0])
        return self._discovery[group, kind]

    async def create_event(self, namespace: str, body: Json) -> None:
        """Create an Event (`events.k8s.io/v1`); that it exists already is no error."""
        try:
            await self._api.request("POST", _path(_EVENTS, namespace, "events"), body=body)
        except Conflict:
            return

    async def _delete(self, path: str, uid: str) -> None:
        try:
            await self._api.request("DELETE", path, body={"preconditions": {"uid": uid}})
        except (NotFound, Conflict):
            # Conflict: another object bears the name now; the one that was meant is gone.
            return

    async def _read(self, path: str) -> Json | None:
        try:
            return await self._api.request("GET", path)
        except NotFound:
            return None

    async def _selected(self, path: str, labels: str) -> list[Json]:
        return [item async for item in self._pages(path, {"labelSelector": labels})]

    async def _pages(self, path: str, query: dict[str, str]) -> AsyncIterator[Json]:
        """Pages keep one answer small; the same snapshot is read to its end, or the list fails."""
        token = ""
        while True:
            page = await self._api.request(
                "GET", path, query={**query, "limit": _PAGE, "continue": token}, timeout=30
            )
            for item in page.get("items") or ():
                yield item
            token = page.get("metadata", {}).get("continue") or ""
            if not token:
                return

    async def _patch(
        self, path: str, operations: list[Json], query: dict[str, str] | None = None
    ) -> Json:
        return await self._api.request(
            "PATCH", path, body=operations, content_type=JSON_PATCH, query=query
        )

    async def _replace_status(self, plural: str, read: Json, status: Json) -> Json:
        """PUT, not PATCH: a merge patch would keep fields that the new status no longer has.

        The resourceVersion (and the UID) of what was read goes along, so that a status computed
        from an older state never overwrites a newer one.
        """
        metadata = read["metadata"]
        path = _path(_OWN, metadata["namespace"], plural, metadata["name"], "status")
        return await self._api.request("PUT", path, body={**read, "status": status})


def label_query(selector: Json) -> str:
    """Write a `LabelSelector` as the `labelSelector` parameter of a list request."""
    terms = [f"{label}={value}" for label, value in (selector.get("matchLabels") or {}).items()]
    expressions = selector.get("matchExpressions") or ()
    return ",".join([*terms, *(_expression(expression) for expression in expressions)])


def _expression(expression: dict[str, Any]) -> str:
    label, values = expression["key"], ",".join(expression.get("values") or ())
    match expression["operator"]:
        case "In":
            return f"{label} in ({values})"
        case "NotIn":
            return f"{label} notin ({values})"
        case "Exists":
            return str(label)
        case "DoesNotExist":
            return f"!{label}"
        case other:
            raise ValueError(f"unknown operator {other!r} in a label selector")


def _path(
    group: str, namespace: str | None, plural: str, name: str = "", subresource: str = ""
) -> str:
    place = f"namespaces/{namespace}/" if namespace is not None else ""
    return "/".join(filter(None, (group, f"{place}{plural}", name, subresource)))
