"""Reads what a decision needs from the JSON of the workload, its ReplicaSets and its pods."""

import datetime

from model_rollout.decision.facts import Pods, Workload
from model_rollout.revisions.canonical import Json

FIELD_MANAGER = "model-rollout-operator"
"""The field manager of our own writes."""

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_BLAMED = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
    }
)
_CRASHES = 3


def read_workload(body: Json) -> Workload:
    """Return what decisions read of a Deployment."""
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    desired = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    caught_up = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    complete = updated == available == desired == status.get("replicas", 0)
    return Workload(
        body=body,
        uid=metadata["uid"],
        desired=desired,
        rolled_out=caught_up and desired > 0 and complete,
        caught_up=caught_up,
        paused=bool(spec.get("paused")),
        progress=_progress(desired, updated, status.get("replicas", 0), available),
        manager=_template_manager(metadata.get("managedFields") or ()),
    )


def _progress(desired: int, updated: int, total: int, available: int) -> str:
    # `available` counts pods of the old template too, so how many of those there are is said first.
    old = f", {total - updated} of the old template left" if total > updated else ""
    return f"{updated} of {desired} pods updated{old}, {available} available"


def _template_manager(entries: tuple[Json, ...]) -> str:
    """Return who wrote the pod template last, other than this operator and the status writers."""
    writers = [
        (entry.get("time", ""), entry.get("manager", ""))
        for entry in entries
        if "f:template" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        and entry.get("manager") != FIELD_MANAGER
    ]
    return max(writers, default=("", ""))[1]


def newest_hash(workload: Json, replica_sets: list[Json]) -> str | None:
    """Return the pod-template-hash of the ReplicaSet of the newest template, if there is one yet."""
    wanted = (workload["metadata"].get("annotations") or {}).get(_REVISION)
    for replica_set in replica_sets:
        metadata = replica_set["metadata"]
        owners = metadata.get("ownerReferences") or ()
        owned = any(owner.get("uid") == workload["metadata"]["uid"] for owner in owners)
        if owned and (metadata.get("annotations") or {}).get(_REVISION) == wanted:
            return str((metadata.get("labels") or {}).get(_HASH, ""))
    return None


def read_pods(pods: list[Json], template_hash: str | None) -> Pods:
    """Return what the pods report; without a hash no pod counts as one of the newest template."""
    new = [pod for pod in pods if _label(pod) == template_hash]
    stuck = sorted({reason for pod in new for reason in _stuck_reasons(pod)})
    unschedulable = next((why for pod in new if (why := _unschedulable(pod))), "")
    created = min((when for pod in new if (when := _created(pod)) is not None), default=None)
    return Pods(len(pods) - len(new), tuple(stuck), unschedulable, created)


def _created(pod: Json) -> float | None:
    text = pod["metadata"].get("creationTimestamp")
    return datetime.datetime.fromisoformat(text).timestamp() if text else None


def _label(pod: Json) -> str:
    return str((pod["metadata"].get("labels") or {}).get(_HASH, ""))


def _stuck_reasons(pod: Json) -> list[str]:
    status = pod.get("status") or {}
    reasons = []
    for group in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(group) or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _BLAMED:
                reasons.append(str(waiting["reason"]))
            elif not container.get("ready") and container.get("restartCount", 0) >= _CRASHES:
                # Between two crashes the container runs for a moment and has no waiting reason.
                reasons.append("CrashLoopBackOff")
    return reasons


def _unschedulable(pod: Json) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"[:300]
    return ""
