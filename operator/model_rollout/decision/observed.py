"""Reads what a decision needs from the JSON of the workload, of its revisions and of its pods."""

import datetime

from model_rollout.decision.facts import Pods, Workload
from model_rollout.revisions.canonical import Json

FIELD_MANAGER = "model-rollout-operator"
"""The field manager of our own writes."""

_REVISION = "deployment.kubernetes.io/revision"
_HASHES = ("pod-template-hash", "controller-revision-hash")
"""Labels of the pods of a Deployment, and of a StatefulSet, that say which template they have."""
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
    """Return what decisions read of a Deployment or a StatefulSet."""
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
        waits=_waits(body, complete=complete),
        progress=_progress(desired, updated, status.get("replicas", 0), available),
        manager=_template_manager(metadata.get("managedFields") or ()),
    )


def _waits(body: Json, *, complete: bool) -> str:
    """Return why the controller does not replace the pods by itself; empty when it does."""
    spec = body["spec"]
    if spec.get("paused"):
        return "spec.paused of the Deployment is true"
    if body["kind"] != "StatefulSet" or complete:
        return ""
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return (
            "spec.updateStrategy.type of the StatefulSet is OnDelete, so no pod is replaced before "
            "somebody deletes it"
        )
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if partition > 0:
        return (
            f"spec.updateStrategy.rollingUpdate.partition of the StatefulSet is {partition}, so the "
            f"pods below number {partition} keep the template before"
        )
    return ""


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
    """Return the hash that pods of the newest template bear, if its controller gave one yet."""
    if workload["kind"] == "StatefulSet":
        found: str | None = (workload.get("status") or {}).get("updateRevision")
        return found
    wanted = (workload["metadata"].get("annotations") or {}).get(_REVISION)
    for replica_set in replica_sets:
        metadata = replica_set["metadata"]
        if owned_by(replica_set, workload) and (
            (metadata.get("annotations") or {}).get(_REVISION) == wanted
        ):
            return str((metadata.get("labels") or {}).get(_HASHES[0], ""))
    return None


def owned_by(body: Json, workload: Json) -> bool:
    """Tell whether an object belongs to this very workload."""
    owners = body["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == workload["metadata"]["uid"] for owner in owners)


def read_pods(pods: list[Json], newest: str | None) -> Pods:
    """Return what the pods report; without a hash no pod counts as one of the newest template."""
    new = [pod for pod in pods if template_hash(pod) == newest]
    stuck = sorted({reason for pod in new for reason in _stuck_reasons(pod)})
    unschedulable = next((why for pod in new if (why := _unschedulable(pod))), "")
    created = min((when for pod in new if (when := _created(pod)) is not None), default=None)
    return Pods(len(pods) - len(new), tuple(stuck), unschedulable, created)


def _created(pod: Json) -> float | None:
    text = pod["metadata"].get("creationTimestamp")
    return datetime.datetime.fromisoformat(text).timestamp() if text else None


def template_hash(pod: Json) -> str:
    """Return the hash of the template that a pod was made from."""
    labels = pod["metadata"].get("labels") or {}
    return str(next((labels[name] for name in _HASHES if name in labels), ""))


def is_ready(pod: Json) -> bool:
    """Tell whether a pod is Ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


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
