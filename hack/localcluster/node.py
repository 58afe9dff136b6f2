"""The local node: a Kubernetes node that runs pods as processes of this machine.

    python -m localcluster.node --kubeconfig FILE --name local-node --images images.json
    [--workdir FOLDER]

`images.json` says what program stands for which image: {"digits-model:v1": ["python",
"serve.py"]}. Programs run in the folder of that file, and "python" is the interpreter of this
node. Each container gets a free port in $PORT; a readiness probe goes to that port, whatever port
the pod names.
"""

import argparse
import asyncio
import logging
import platform
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcluster.kubeapi import MERGE, STRATEGIC_MERGE, UNREACHABLE, ApiError, KubeApi
from localcluster.podlogs import serve_logs
from localcluster.pods import Pod
from localcluster.podstatus import POD_IP, timestamp

LOCAL_NODE_LABEL = "modelrollout.dev/local-node"
_PODS = "/api/v1/pods"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_HEARTBEAT = 10.0
_RETRY_AFTER = 0.5
# Generous, whatever this machine has: nothing enforces it, and a model that asks for 4 CPUs must
# find a place.
_CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "250"}
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

log = logging.getLogger(__name__)


class NodeAgent:
    """Registers the node, keeps it alive, and runs what the scheduler binds to it."""

    def __init__(self, api: KubeApi, name: str, images: Path, workdir: Path) -> None:
        self._api = api
        self._name = name
        self._images = images
        self._workdir = workdir
        self._pods: dict[str, Pod] = {}
        self._since = timestamp()
        self._logs_port = 0

    async def run(self) -> None:
        self._logs_port = await serve_logs(self._workdir, self._api.serving_context())
        await asyncio.gather(self._heartbeat(), self._watch_pods())

    async def _heartbeat(self) -> None:
        """Without it the controller manager evicts the pods after a while."""
        while True:
            try:
                await self._renew()
                await asyncio.sleep(_HEARTBEAT)
            except (*UNREACHABLE, ApiError) as error:
                log.warning("heartbeat: %r; trying again", error)
                await asyncio.sleep(_RETRY_AFTER)

    async def _renew(self) -> None:
        status = node_status(self._logs_port, timestamp(), self._since)
        path = f"/api/v1/nodes/{self._name}/status"
        try:
            await self._api.patch(path, {"status": status}, kind=STRATEGIC_MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._api.create("/api/v1/nodes", node_object(self._name, status))
            log.info("registered node %s", self._name)
        lease = lease_object(self._name, datetime.now(UTC))
        try:
            await self._api.patch(f"{_LEASES}/{self._name}", {"spec": lease["spec"]}, kind=MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            await self._api.create(_LEASES, lease)

    async def _watch_pods(self) -> None:
        while True:
            try:
                await self._list_and_watch()
            except (*UNREACHABLE, ApiError) as error:
                log.warning("watching pods: %r; listing again", error)
                await asyncio.sleep(_RETRY_AFTER)

    async def _list_and_watch(self) -> None:
        selector = f"spec.nodeName={self._name}"
        listed = await self._api.get(_PODS, fieldSelector=selector)
        alive = {pod["metadata"]["uid"] for pod in listed["items"]}
        for uid in set(self._pods) - alive:  # deleted while nobody watched
            self._vanished(uid)
        for pod in listed["items"]:
            await self._observe(pod)
        version = listed["metadata"]["resourceVersion"]
        async for event in self._api.watch(_PODS, fieldSelector=selector, resourceVersion=version):
            if event["type"] == "DELETED":
                self._vanished(event["object"]["metadata"]["uid"])
            elif event["type"] != "BOOKMARK":
                await self._observe(event["object"])

    async def _observe(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if (
            pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
            and uid not in self._pods
        ):
            self._pods[uid] = Pod(self._api, pod, self._images, self._workdir)
        if uid in self._pods:
            self._pods[uid].observe(pod)
        elif pod["metadata"].get("deletionTimestamp"):  # ended under an earlier local node
            await self._forget(pod)

    async def _forget(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        try:
            await self._api.delete(
                f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", body
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def _vanished(self, uid: str) -> None:
        if pod := self._pods.pop(uid, None):
            pod.vanished()


def node_object(name: str, status: Mapping[str, Any]) -> dict[str, Any]:
    labels = {
        LOCAL_NODE_LABEL: "true",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _ARCHITECTURE,
    }
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


def node_status(logs_port: int, now: str, since: str) -> dict[str, Any]:
    return {
        "capacity": _CAPACITY,
        "allocatable": _CAPACITY,
        # No Hostname: the API server would prefer it, and nothing resolves it.
        "addresses": [{"type": "InternalIP", "address": POD_IP}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": logs_port}},
        "conditions": node_conditions(now, since),
        "nodeInfo": {
            "architecture": _ARCHITECTURE,
            "operatingSystem": "linux",
            "kubeletVersion": "local-node",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
            "kernelVersion": platform.release(),
            "osImage": platform.system(),
            "containerRuntimeVersion": "process://1",
            "kubeProxyVersion": "",
        },
    }


def node_conditions(now: str, since: str) -> list[dict[str, str]]:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "the local node runs processes",
    }
    pressures = [
        {
            "type": kind,
            "status": "False",
            "reason": f"KubeletHasNo{kind}",
            "message": "not measured",
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    return [
        condition | {"lastHeartbeatTime": now, "lastTransitionTime": since}
        for condition in (ready, *pressures)
    ]


def lease_object(name: str, now: datetime) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": 40,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }


async def serve(arguments: argparse.Namespace) -> None:
    arguments.workdir.mkdir(parents=True, exist_ok=True)
    images = arguments.images.resolve()
    workdir = arguments.workdir.resolve()
    api = await KubeApi.from_kubeconfig(str(arguments.kubeconfig))
    node = asyncio.create_task(NodeAgent(api, arguments.name, images, workdir).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, node.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await node
    finally:
        await api.close()  # the pods' processes end with this one: the kernel sees to it


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m localcluster.node", description="run pods as local processes"
    )
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--name", default="local-node")
    parser.add_argument(
        "--images", type=Path, required=True, help="JSON: the program (a list) for each image"
    )
    parser.add_argument(
        "--workdir", type=Path, default=Path("local-node-logs"), help="folder for the pods' logs"
    )
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
