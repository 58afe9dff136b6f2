"""The cluster as the core can tell: objects, what people do to them, what controllers do by themselves."""

import copy
from typing import Any

import jsonpatch

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch, ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.facts import Pods
from model_rollout.ports.kubernetes import Conflict, NotFound, Rejected, TestFailed
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import Revision, parse_revision
from unit.decision.builders import NOW, deployment, spec
from unit.revisions.oracle import apply_patch

IMAGE: Json = {"name": "model", "image": {"container": "server"}}
LEVEL: Json = {"name": "level", "env": {"container": "server", "name": "LOG_LEVEL"}}
COMPONENTS: dict[str, list[Json]] = {
    "image": [IMAGE],
    "image and level": [IMAGE, LEVEL],
    "template": [{"name": "template", "podTemplate": {}}],
}
"""What the owner lists: LOG_LEVEL is an unlisted part, or a component as well."""

QUICK: Json = {
    "analysis": {"interval": "10s", "warmUp": "20s", "settle": "15s", "bakeTime": "2m"},
    "metrics": [{"name": n, "query": n, "min": 0.85} for n in ("accuracy", "latency", "drift")],
    "rollback": {"verifyFor": "20s", "deadline": "2m", "cooldown": "1m"},
}


class Cluster:
    """One guarded Deployment, its ModelRollout and ModelRevisions, and the time."""

    def __init__(self, image: str = "good:1", **changes: Any) -> None:
        self.now = NOW
        self.spec: ModelRolloutSpec = spec(**_merged(QUICK, changes))
        self.version = 1
        self.stored: Json = {}
        self.revisions: dict[str, Json] = {}
        self.unquarantine: str | None = None
        self.uids = 0
        self.workload: Json | None = None
        self.serving = ""
        self.old_pods = 0
        self.broken: set[str] = set()
        self.crowded = False
        self.controller_down = False
        self.denies = False
        self.taken_by = ""
        self.earlier: tuple[str, ...] = ()
        self.apply(image, "info")

    # What people and other controllers do.

    def apply(self, image: str | None = None, level: str | None = None) -> None:
        """Apply a manifest. None leaves a part as it is; the level "" takes the variable away."""
        if self.workload is None:
            self.uids += 1
            self.workload = deployment(image or "good:1", uid=f"workload-{self.uids}", ready=0)
            self.workload["status"] = {}
            self.serving = ""
        body = copy.deepcopy(self.workload)
        container = body["spec"]["template"]["spec"]["containers"][0]
        container["image"] = image or container["image"]
        if level is not None:
            container["env"] = [{"name": "LOG_LEVEL", "value": level}] if level else []
        self.edit(body)

    def edit(self, body: Json) -> None:
        """Store another body of the workload; a new template makes new pods."""
        assert self.workload is not None
        if body["spec"] != self.workload["spec"]:
            body["metadata"]["generation"] += 1
        if body["spec"]["template"] != self.workload["spec"]["template"]:
            body["status"]["updatedReplicas"] = 0
        self.workload = body

    def set_field(self, field: str, value: Any) -> None:
        """Scale or pause the workload, where there is one."""
        if self.workload is not None:
            body = copy.deepcopy(self.workload)
            body["spec"][field] = value
            self.edit(body)

    def delete(self) -> None:
        """Delete the workload."""
        self.workload, self.serving = None, ""

    def flip(self, value: str, to_revision: int | None = None) -> None:
        """Flip the kill switch."""
        self.edit_rollout(kill_switch=KillSwitch(value), rollback={"to_revision": to_revision})

    def edit_rollout(self, **changes: Any) -> None:
        """Edit the spec of the ModelRollout; groups are merged."""
        update = {
            field: getattr(self.spec, field).model_copy(update=value)
            if isinstance(value, dict)
            else value
            for field, value in changes.items()
        }
        self.spec = self.spec.model_copy(update=update)
        self.version += 1

    def describe(self, kind: str) -> None:
        """Edit spec.components."""
        self.edit_rollout(components=spec(components=COMPONENTS[kind]).components)

    def annotate(self, value: str | None) -> None:
        """Set or remove the unquarantine annotation."""
        self.unquarantine = value
        self.version += 1

    # What happens by itself.

    def settle_pods(self) -> None:
        """Pods of the newest template come up, those of the one before leave; unless they cannot."""
        if self.workload is None or self.controller_down:
            return
        self.workload = body = copy.deepcopy(self.workload)
        status, desired = body["status"], body["spec"]["replicas"]
        status["observedGeneration"] = body["metadata"]["generation"]
        complete = status.get("updatedReplicas") == desired
        self.old_pods = 0 if complete or not self.serving else desired
        if body["spec"]["paused"] or (self.crowded and not complete):
            return
        if self.image in self.broken:
            status["availableReplicas"] = 0
            return
        status |= dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), desired)
        self.serving = self.image

    # What the API server answers.

    def write_status(self, version: int, data: Json) -> None:
        """Replace the status; raises Conflict when the ModelRollout changed since it was read."""
        if version != self.version:
            raise Conflict("the object has been modified")
        self.stored = data
        self.version += 1

    def write_revision(self, name: str, status: Json) -> None:
        """Replace the status of a ModelRevision; raises NotFound when it was deleted."""
        if name not in self.revisions:
            raise NotFound(name)
        self.revisions[name] = self.revisions[name] | {"status": status}

    def create_revision(self, body: Json) -> None:
        """Create a ModelRevision; raises Conflict when the name is taken."""
        name = body["metadata"]["name"]
        if name in self.revisions:
            raise Conflict(f"{name} already exists")
        self.revisions[name] = body

    def patch(self, operations: tuple[Json, ...], *, dry_run: bool) -> None:
        """Patch the workload as the API server does."""
        if self.workload is None:
            raise NotFound("deployment")
        if self.denies:
            raise Rejected("denied by admission")
        try:
            patched = apply_patch(self.workload, operations)
        except jsonpatch.JsonPatchTestFailed as error:
            raise TestFailed(str(error)) from None
        if not dry_run:
            self.edit(patched)

    # What is to be seen.

    @property
    def status(self) -> ModelRolloutStatus:
        """The stored status, parsed."""
        return ModelRolloutStatus.model_validate(self.stored)

    @property
    def parsed(self) -> tuple[Revision, ...]:
        """The stored ModelRevisions, parsed."""
        return tuple(parse_revision(body) for body in self.revisions.values())

    @property
    def image(self) -> str:
        """The image of the newest template; empty without a workload."""
        if self.workload is None:
            return ""
        return str(self.workload["spec"]["template"]["spec"]["containers"][0]["image"])

    @property
    def content(self) -> Content | None:
        """What the workload holds, where it can be read."""
        if self.workload is None:
            return None
        found = read_content(self.workload["spec"]["template"], self.spec.components)
        return found if isinstance(found, Content) else None

    @property
    def condemned(self) -> tuple[str, ...]:
        """Digests that must not serve, as the stored status says."""
        return tuple(
            entry.digest
            for entry in self.status.quarantine
            if entry.phase is RevisionPhase.QUARANTINED or (entry.expires or 0.0) > self.now
        )

    @property
    def pods(self) -> Pods:
        """What the pods of the workload report."""
        waiting = ("ImagePullBackOff",) if self.image in self.broken else ()
        complete = self.workload is not None and self.serving == self.image
        no_room = "Unschedulable: 0/3 nodes are available" if self.crowded and not complete else ""
        return Pods(old=self.old_pods, stuck=waiting, unschedulable=no_room)


def _merged(defaults: Json, changes: Json) -> Json:
    merged = dict(defaults)
    for field, value in changes.items():
        group = isinstance(value, dict) and isinstance(defaults.get(field), dict)
        merged[field] = {**defaults[field], **value} if group else value
    return merged
