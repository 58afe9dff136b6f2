"""One pod of the local node, from its binding to its deletion."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from localcluster.container import Container
from localcluster.kubeapi import STRATEGIC_MERGE, UNREACHABLE, ApiError, KubeApi
from localcluster.podstatus import ContainerState, pod_status, published_port, timestamp

# The local node's contract with Prometheus, by the annotation that is customary for it.
PORT_ANNOTATION = "prometheus.io/port"
_RETRY_AFTER = 0.5

log = logging.getLogger(__name__)


class Pod:
    """Runs a pod's containers and keeps its status in the API server up to date."""

    def __init__(self, api: KubeApi, pod: dict[str, Any], images: Path, workdir: Path) -> None:
        self._api = api
        self._pod = pod
        self._uid: str = pod["metadata"]["uid"]
        self._path = (
            f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        )
        self._changed = asyncio.Event()
        self._changed.set()
        self._deleting = False
        self._gone = False
        self._containers = [
            Container(api, pod, spec, images, workdir, self._changed.set)
            for spec in pod["spec"]["containers"]
        ]
        self._task = asyncio.create_task(self._run())
        self._deletion: asyncio.Task[None] | None = None

    def observe(self, pod: Mapping[str, Any]) -> None:
        """A new version of the object was seen."""
        if pod["metadata"].get("deletionTimestamp") and not self._deleting:
            self._deleting = True
            self._deletion = asyncio.create_task(
                self._delete(pod["metadata"].get("deletionGracePeriodSeconds", 30))
            )

    def vanished(self) -> None:
        """The object is gone, as after a forced deletion: no grace period any more."""
        self._gone = True
        self._deletion = asyncio.create_task(self._stop(0))

    async def _run(self) -> None:
        while not self._gone:
            await self._changed.wait()
            self._changed.clear()
            await self._write_status()

    async def _delete(self, grace: float) -> None:
        await self._stop(grace)
        await self._write_status()
        # The API server kept the object until now so that its process could end; this is the
        # kubelet's last word.
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
        await self._persist(lambda: self._api.delete(self._path, body))
        self._gone = True
        self._task.cancel()

    async def _stop(self, grace: float) -> None:
        await asyncio.gather(*(container.stop(grace) for container in self._containers))
        if self._gone:
            self._task.cancel()

    async def _write_status(self) -> None:
        states: list[ContainerState] = [container.state for container in self._containers]
        status = pod_status(self._pod, states, timestamp())
        metadata: dict[str, Any] = {"uid": self._uid}  # not another pod of the same name
        if (port := published_port(states)) is not None:
            metadata["annotations"] = {PORT_ANNOTATION: str(port)}
        body = {"metadata": metadata, "status": status}
        await self._persist(
            lambda: self._api.patch(f"{self._path}/status", body, kind=STRATEGIC_MERGE)
        )
        self._pod["status"] = self._pod.get("status", {}) | status

    async def _persist(self, call: Callable[[], Awaitable[object]]) -> None:
        """Try until the API server took it or refused it; it may be away for a while."""
        while not self._gone:
            try:
                await call()
                return
            except UNREACHABLE as error:
                log.warning("%s: %r; trying again", self._path, error)
            except ApiError as error:
                if not error.is_transient:
                    if error.status not in (
                        404,
                        409,
                    ):  # the pod is gone, or another one has its name
                        log.error("%s: %s", self._path, error)
                    return
            await asyncio.sleep(_RETRY_AFTER)
