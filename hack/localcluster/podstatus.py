"""What a kubelet would report of a pod, built from the states of its containers. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

POD_IP = "127.0.0.1"

Json = dict[str, Any]


@dataclass
class ContainerState:
    """One container as its pod's status shows it."""

    name: str
    image: str
    state: Json = field(default_factory=lambda: waiting("ContainerCreating"))
    last_state: Json = field(default_factory=dict)
    restart_count: int = 0
    ready: bool = False
    port: int | None = None
    command: Sequence[str] = ()
    process: int | None = None

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        ended = self.state.get("terminated") or self.last_state.get("terminated")
        return ended["exitCode"] if ended else None


def timestamp(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def running(started_at: str) -> Json:
    return {"running": {"startedAt": started_at}}


def terminated(
    exit_code: int, started_at: str, finished_at: str, *, reason: str = "", message: str = ""
) -> Json:
    reason = reason or ("Completed" if exit_code == 0 else "Error")
    ended: Json = {
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": started_at,
        "finishedAt": finished_at,
    }
    return {"terminated": ended | ({"message": message} if message else {})}


def restarts(policy: str, exit_code: int) -> bool:
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def pod_status(pod: Mapping[str, Any], containers: Sequence[ContainerState], now: str) -> Json:
    """The status to write. `pod` is the object as last written, for what must not change."""
    before = pod.get("status", {})
    phase = pod_phase(pod["spec"].get("restartPolicy", "Always"), containers)
    return {
        "phase": phase,
        "hostIP": POD_IP,
        "podIP": POD_IP,
        "podIPs": [{"ip": POD_IP}],
        "startTime": before.get("startTime") or now,
        "conditions": _conditions(phase, containers, before.get("conditions") or [], now),
        "containerStatuses": [_container_status(container) for container in containers],
    }


def pod_phase(restart_policy: str, containers: Sequence[ContainerState]) -> str:
    """As the kubelet: a container that never ran keeps its pod Pending, a crash does not."""
    if any(not container.is_running and container.exit_code is None for container in containers):
        return "Pending"
    if any(container.is_running for container in containers):
        return "Running"
    codes = [container.exit_code or 0 for container in containers]
    if any(restarts(restart_policy, code) for code in codes):
        return "Running"
    return "Failed" if any(codes) else "Succeeded"


def published_port(containers: Sequence[ContainerState]) -> int | None:
    """The port that Prometheus scrapes: the first container's, whose program serves the model."""
    return containers[0].port if containers else None


def _conditions(
    phase: str, containers: Sequence[ContainerState], before: Sequence[Json], now: str
) -> list[Json]:
    unready = [container.name for container in containers if not container.ready]
    ready: Json = {"status": "False" if unready or phase != "Running" else "True"}
    if phase == "Succeeded":
        ready["reason"] = "PodCompleted"
    elif unready:
        names = " ".join(unready)
        ready |= {
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{names}]",
        }
    wanted = {
        "PodReadyToStartContainers": {"status": "True"},
        "Initialized": {"status": "True"},
        "ContainersReady": ready,
        "Ready": ready,
    }
    return [_condition(kind, condition, before, now) for kind, condition in wanted.items()]


def _condition(kind: str, condition: Json, before: Sequence[Json], now: str) -> Json:
    earlier = next((one for one in before if one["type"] == kind), {})
    since = (
        earlier.get("lastTransitionTime") if earlier.get("status") == condition["status"] else None
    )
    # Explicit nulls: in a merge patch a reason that is left out would stay.
    cleared = {"reason": None, "message": None}
    return {"type": kind, "lastTransitionTime": since or now, **cleared, **condition}


def _container_status(container: ContainerState) -> Json:
    return {
        "name": container.name,
        "image": container.image,
        "imageID": _image_id(container),
        "containerID": f"process://{container.process}" if container.process else "",
        "ready": container.ready,
        "started": container.is_running,
        "restartCount": container.restart_count,
        "state": container.state,
        "lastState": container.last_state,
    }


def _image_id(container: ContainerState) -> str:
    """A digest, as real images have one: it changes with the program that stands for the image."""
    if not container.command:
        return ""
    program = json.dumps(list(container.command)).encode()
    return f"{container.image}@sha256:{hashlib.sha256(program).hexdigest()}"
