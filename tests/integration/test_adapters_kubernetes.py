"""The adapters against a real API server: what each refusal looks like and what it becomes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
import yaml

from localcluster.controlplane import ControlPlane
from model_rollout.adapters.kubernetes.client import KubernetesApi, load_api
from model_rollout.adapters.kubernetes.cluster import KubernetesCluster
from model_rollout.api.revision import ROLLOUT_UID_LABEL
from model_rollout.ports.kubernetes import (
    Cluster,
    Conflict,
    Forbidden,
    Key,
    NotFound,
    Rejected,
    TestFailed,
    Unauthorized,
    Unavailable,
)
from model_rollout.revisions.objects import ObjectRef, Write
from unit.records.made_up import bodies

NAMESPACE = "adapters"
WORKLOAD = ObjectRef("apps/v1", "Deployment", NAMESPACE, "sentiment")
ROLLOUT = Key(NAMESPACE, "guard")
_GUARD = (NAMESPACE, "guard")
IMAGE = "/spec/template/spec/containers/0/image"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": "server",
        "image": "sentiment:1",
        "env": [{"name": "A", "value": "hunter2"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def rollout(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "targetRef": {"name": "sentiment"},
            "metrics": [{"name": "accuracy", "query": "accuracy", "min": 0.9}],
        },
    }


@pytest.fixture(scope="module", autouse=True)
def namespace(crds: ControlPlane) -> None:
    manifests = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {**deployment("sentiment"), "metadata": {"name": "sentiment", "namespace": NAMESPACE}},
        rollout("guard"),
    ]
    for manifest in manifests:
        crds.kubectl("apply", "--filename", "-", stdin=json.dumps(manifest))


@pytest_asyncio.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[KubernetesApi]:
    api = await load_api(str(control_plane.kubeconfig), None)
    yield api
    await api.close()


@pytest.fixture
def cluster(api: KubernetesApi) -> KubernetesCluster:
    return KubernetesCluster(api)


async def until(condition: Callable[[], Any], *errors: type[Exception], timeout: float = 30) -> Any:
    """Call until it succeeds: caches of the API server (policies, roles) follow a moment later."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return await condition()
        except errors:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


def image(value: object) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": IMAGE, "value": value}]


def patch(operations: list[dict[str, Any]]) -> Write:
    return Write(WORKLOAD, patch=tuple(operations))


def test_implements_the_port(cluster: KubernetesCluster) -> None:
    port: Cluster = cluster
    assert port is cluster


async def test_reads(cluster: KubernetesCluster) -> None:
    workload = await cluster.read(WORKLOAD)
    assert workload is not None
    assert workload["metadata"]["name"] == "sentiment"
    assert await cluster.read(replace(WORKLOAD, name="nowhere")) is None
    assert await cluster.rollout(Key("nowhere", "guard")) is None
    sets = await until_some(lambda: cluster.replica_sets(NAMESPACE, workload["spec"]["selector"]))
    assert [s["metadata"]["ownerReferences"][0]["uid"] for s in sets] == [
        workload["metadata"]["uid"]
    ]
    assert await cluster.pods(NAMESPACE, workload["spec"]["selector"]) == []


async def until_some(read: Callable[[], Any]) -> Any:
    async def some() -> Any:
        found = await read()
        if not found:
            raise NotFound
        return found

    return await until(some, NotFound)


async def test_lists_rollouts(api: KubernetesApi, cluster: KubernetesCluster) -> None:
    names = {item["metadata"]["name"] async for item in cluster.rollouts()}
    assert "guard" in names
    elsewhere = KubernetesCluster(api, ("default", NAMESPACE))
    assert "guard" in {item["metadata"]["name"] async for item in elsewhere.rollouts()}
    nowhere = KubernetesCluster(api, ("default",))
    assert [item async for item in nowhere.rollouts()] == []


async def test_status_is_replaced_as_a_whole_and_fenced(cluster: KubernetesCluster) -> None:
    read = await cluster.rollout(ROLLOUT)
    assert read is not None
    first = await cluster.write_rollout_status(read, {"phase": "Healthy", "attempts": 3})
    assert first["status"]["attempts"] == 3
    second = await cluster.write_rollout_status(first, {"phase": "Suspect"})
    assert second["status"].get("attempts") in (None, 0)
    assert second["status"]["phase"] == "Suspect"
    assert second["spec"] == read["spec"]
    with pytest.raises(Conflict):
        await cluster.write_rollout_status(first, {"phase": "Failed"})
    with pytest.raises(Rejected, match=r"status\.phase"):
        await cluster.write_rollout_status(second, {"phase": "Nonsense"})


async def test_status_of_a_recreated_object_is_not_overwritten(
    api: KubernetesApi, cluster: KubernetesCluster
) -> None:
    path = f"/apis/modelrollout.dev/v1alpha1/namespaces/{NAMESPACE}/modelrollouts"
    old = await api.request("POST", path, body=rollout("again"))
    await api.request("DELETE", f"{path}/again")
    with pytest.raises((NotFound, Conflict)):
        await cluster.write_rollout_status(old, {"phase": "Healthy"})
    await api.request("POST", path, body=rollout("again"))
    with pytest.raises(Conflict):
        await cluster.write_rollout_status(old, {"phase": "Healthy"})


async def test_revisions(cluster: KubernetesCluster) -> None:
    owner = await cluster.rollout(ROLLOUT)
    assert owner is not None
    uid = owner["metadata"]["uid"]
    body = {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRevision",
        "metadata": {"name": "r1", "namespace": NAMESPACE, "labels": {ROLLOUT_UID_LABEL: uid}},
        "spec": {
            "rolloutRef": {"name": "guard", "uid": uid},
            "number": 1,
            "digest": "0" * 64,
            "observedDigest": "1" * 64,
            "components": [{"name": "model", "kind": "Image", "value": "sentiment:1"}],
        },
    }
    created = await cluster.create_revision(body)
    with pytest.raises(Conflict):
        await cluster.create_revision(body)
    written = await cluster.write_revision_status(created, {"phase": "Stable"})
    found = await cluster.revisions(NAMESPACE, uid)
    assert [item["status"]["phase"] for item in found] == ["Stable"]
    assert await cluster.revisions(NAMESPACE, "other") == []
    key = Key(NAMESPACE, "r1")
    await cluster.delete_revision(key, "another-uid")
    assert len(await cluster.revisions(NAMESPACE, uid)) == 1
    await cluster.delete_revision(key, written["metadata"]["uid"])
    await cluster.delete_revision(key, written["metadata"]["uid"])
    assert await cluster.revisions(NAMESPACE, uid) == []


async def test_records(api: KubernetesApi) -> None:
    cluster = KubernetesCluster(api, (NAMESPACE,))
    first, second = (
        {**b, "metadata": {**b["metadata"], "namespace": NAMESPACE}} for b in bodies(2)
    )
    key = Key(NAMESPACE, first["metadata"]["name"])
    assert await until(lambda: cluster.record(key), Unavailable) is None
    created = await cluster.create_record(first)
    with pytest.raises(Conflict):
        await cluster.create_record(first)
    await cluster.create_record(second)
    assert await cluster.record(key) == created
    listed = [body["spec"] async for body in cluster.records()]
    assert sorted(listed, key=lambda spec: spec["sequence"]) == [first["spec"], second["spec"]]
    await cluster.delete_record(key, "another-uid")
    assert await cluster.record(key) is not None
    await cluster.delete_record(key, created["metadata"]["uid"])
    await cluster.delete_record(key, created["metadata"]["uid"])
    assert await cluster.record(key) is None


async def test_patch_is_written_under_our_name(cluster: KubernetesCluster) -> None:
    patched = await cluster.write(patch(image("sentiment:2")))
    assert patched["spec"]["template"]["spec"]["containers"][0]["image"] == "sentiment:2"
    managers = {field["manager"] for field in patched["metadata"]["managedFields"]}
    assert "model-rollout-operator" in managers
    add = {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}
    assert (await cluster.patch_rollout(ROLLOUT, [add]))["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/uid", "value": "another"},
        {"op": "test", "path": "/metadata/labels/none", "value": "x"},
        {"op": "test", "path": "/spec/template/spec/containers/7/name", "value": "server"},
        {"op": "add", "path": "/spec/none/none", "value": "x"},
    ],
    ids=["other value", "no such key", "no such item", "no parent"],
)
async def test_failed_test(cluster: KubernetesCluster, operation: dict[str, Any]) -> None:
    with pytest.raises(TestFailed):
        await cluster.write(patch([operation, image("never")[0]]))


async def test_null_tests_that_nothing_is_there(cluster: KubernetesCluster) -> None:
    path = "/metadata/annotations/modelrollout.dev~1transaction"
    await cluster.write(
        patch([{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}])
    )
    claim: list[dict[str, Any]] = [
        {"op": "test", "path": path, "value": None},
        {"op": "add", "path": path, "value": "t1"},
    ]
    patched = await cluster.write(patch(claim))
    assert patched["metadata"]["annotations"]["modelrollout.dev/transaction"] == "t1"
    with pytest.raises(TestFailed):
        await cluster.write(patch(claim))


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        (image(""), r"containers\[0\]\.image \(FieldValueRequired\)"),
        (image(5), "patch"),
        ([{"op": "replace", "path": "/spec/selector/matchLabels/app", "value": "x"}], "selector"),
        ([{"op": "replace", "path": "/spec/replicas", "value": "many"}], "patch"),
    ],
    ids=["empty image", "wrong type", "immutable", "no number"],
)
async def test_schema_violation(
    cluster: KubernetesCluster, operations: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(Rejected, match=message) as raised:
        await cluster.write(patch(operations))
    # The server's own message quotes the whole Deployment, environment variables included.
    assert "hunter2" not in str(raised.value)


async def test_rule_of_our_crd(cluster: KubernetesCluster) -> None:
    rename = {"op": "replace", "path": "/spec/targetRef/name", "value": "other"}
    with pytest.raises(Rejected, match=r"spec\.targetRef"):
        await cluster.patch_rollout(ROLLOUT, [rename])


async def test_missing_object(cluster: KubernetesCluster) -> None:
    with pytest.raises(NotFound):
        await cluster.write(Write(replace(WORKLOAD, name="nowhere"), patch=tuple(image("x:1"))))


@pytest.mark.parametrize("reason", [None, "Invalid", "Forbidden", "RequestEntityTooLarge"])
async def test_policy_denial(
    api: KubernetesApi, cluster: KubernetesCluster, reason: str | None
) -> None:
    async with policy(api, reason):
        with pytest.raises(Rejected, match="models may not change today"):
            await until_refused(lambda: cluster.write(patch(image(f"x:{time.time()}"))))


async def until_refused(write: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        await write()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def policy(api: KubernetesApi, reason: str | None) -> AsyncIterator[None]:
    name = f"adapters-{reason or 'default'}".lower()
    validation = {"expression": "false", "message": "models may not change today"}
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["deployments"],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], **here},
        "validations": [{**validation, **({"reason": reason} if reason else {})}],
    }
    policies = f"{ADMISSION}/validatingadmissionpolicies"
    bindings = f"{ADMISSION}/validatingadmissionpolicybindings"
    metadata = {"metadata": {"name": name}}
    await api.request("POST", policies, body={**metadata, "spec": spec})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    await api.request("POST", bindings, body={**metadata, "spec": binding})
    yield
    await api.request("DELETE", f"{bindings}/{name}")
    await api.request("DELETE", f"{policies}/{name}")
    cluster = KubernetesCluster(api)
    await until(lambda: cluster.write(patch(image("sentiment:3"))), Rejected)


@asynccontextmanager
async def logged_in(
    control_plane: ControlPlane, tmp_path: Any, token: str
) -> AsyncIterator[KubernetesCluster]:
    """As a user would: a kubeconfig with a token."""
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    api = await load_api(str(path), None)
    yield KubernetesCluster(api)
    await api.close()


async def test_dry_run_stores_nothing(cluster: KubernetesCluster) -> None:
    accepted = await cluster.write(patch(image("never:1")), dry_run=True)
    assert "never:1" in json.dumps(accepted["spec"])
    with pytest.raises(Rejected):
        await cluster.write(patch(image(5)), dry_run=True)
    stored = await cluster.read(WORKLOAD)
    assert stored is not None
    assert "never:1" not in json.dumps(stored["spec"])


async def test_kind_that_is_not_built_in_is_looked_up(cluster: KubernetesCluster) -> None:
    found = await cluster.read(ObjectRef("modelrollout.dev/v1alpha1", "ModelRollout", *_GUARD))
    assert found is not None
    assert found["spec"]["targetRef"]["name"] == "sentiment"
    with pytest.raises(NotFound, match="no kind Nothing"):
        await cluster.read(ObjectRef("apps/v1", "Nothing", *_GUARD))


async def test_missing_role(control_plane: ControlPlane, tmp_path: Any) -> None:
    token = control_plane.kubectl("create", "token", "default", "--namespace", "default").strip()
    async with logged_in(control_plane, tmp_path, token) as stranger:
        with pytest.raises(Forbidden, match="403 Forbidden"):
            await stranger.write(patch(image("x:1")))
        with pytest.raises(Forbidden):
            await stranger.read(WORKLOAD)


async def test_bad_token(control_plane: ControlPlane, tmp_path: Any) -> None:
    async with logged_in(control_plane, tmp_path, "nonsense") as nobody:
        with pytest.raises(Unauthorized):
            await nobody.read(WORKLOAD)


async def test_event_twice(cluster: KubernetesCluster, api: KubernetesApi) -> None:
    workload = await cluster.read(WORKLOAD)
    assert workload is not None
    event = {
        "metadata": {"name": "guard.1", "namespace": NAMESPACE},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "modelrollout.dev/operator",
        "reportingInstance": "test",
        "action": "Rollback",
        "reason": "MetricBreached",
        "type": "Warning",
        "note": "accuracy is 0.7",
        "regarding": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": NAMESPACE,
            "name": "sentiment",
            "uid": workload["metadata"]["uid"],
        },
    }
    await cluster.create_event(NAMESPACE, event)
    await cluster.create_event(NAMESPACE, event)
    bad = {**event, "eventTime": None, "metadata": {"name": "guard.2"}}
    with pytest.raises(Rejected, match="eventTime"):
        await cluster.create_event(NAMESPACE, bad)
