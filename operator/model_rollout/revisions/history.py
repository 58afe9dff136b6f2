"""The revisions of one ModelRollout: parsing, naming, reading older ReplicaSets, pruning."""

from dataclasses import dataclass
from functools import cached_property

from model_rollout.api import API_VERSION
from model_rollout.api.component import Component
from model_rollout.api.revision import (
    ROLLOUT_UID_LABEL,
    ComponentValue,
    ModelRevisionSpec,
    ModelRevisionStatus,
    RevisionPhase,
    RolloutRef,
    ValueType,
)
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.configmaps import Contents, snapshot_name
from model_rollout.revisions.content import (
    Content,
    components_digest,
    read_content,
    summary,
)
from model_rollout.revisions.objects import owner_reference
from model_rollout.revisions.places import ComponentProblem

_REVISION_ANNOTATION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Revision:
    """One ModelRevision, parsed."""

    name: str
    spec: ModelRevisionSpec
    status: ModelRevisionStatus

    @property
    def number(self) -> int:
        """The number of the revision within its ModelRollout."""
        return self.spec.number

    @property
    def phase(self) -> RevisionPhase:
        """What is known about the revision."""
        return self.status.phase

    @cached_property
    def components_digest(self) -> str:
        """SHA-256 of the values of the components: what a rollback restores."""
        return components_digest(self.spec.components)

    @property
    def last_served(self) -> float:
        """When it last began to serve, in seconds since the epoch; 0 when it never did."""
        return self.status.served[-1].from_ if self.status.served else 0.0


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A ModelRevision to create."""

    name: str
    spec: ModelRevisionSpec
    contents: tuple[Contents, ...] = ()
    """What its ConfigMaps hold, to be kept in snapshots."""


def parse_revision(body: Json) -> Revision:
    """Return a ModelRevision from its JSON; raises pydantic's ValidationError when it is malformed."""
    return Revision(
        name=body["metadata"]["name"],
        spec=ModelRevisionSpec.model_validate(body["spec"]),
        status=ModelRevisionStatus.model_validate(body.get("status") or {}),
    )


def new_revision(
    rollout: RolloutRef,
    number: int,
    content: Content,
    *,
    imported: bool = False,
    restored_from: int | None = None,
    inherits_from: int | None = None,
) -> NewRevision:
    """Return the ModelRevision to create for `content`. Its name is the same for the same content."""
    spec = ModelRevisionSpec(
        rollout_ref=rollout,
        number=number,
        digest=content.digest,
        components=tuple(_kept(rollout, value) for value in content.components),
        observed_digest=content.observed_digest,
        observed=content.observed,
        summary=summary(content.components),
        imported=imported,
        restored_from=restored_from,
        inherits_from=inherits_from,
    )
    suffix = f"-{number}-{content.digest[:4]}"
    return NewRevision(rollout.name[: 253 - len(suffix)] + suffix, spec, content.contents)


def _kept(rollout: RolloutRef, value: ComponentValue) -> ComponentValue:
    if value.type is not ValueType.SNAPSHOT:
        return value
    return value.model_copy(update={"snapshot_ref": snapshot_name(rollout, value.value)})


def revision_body(revision: NewRevision, namespace: str) -> Json:
    """Return the JSON of a ModelRevision to create; it is owned by its ModelRollout."""
    ref = revision.spec.rollout_ref
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelRevision",
        "metadata": {
            "name": revision.name,
            "namespace": namespace,
            "labels": {ROLLOUT_UID_LABEL: ref.uid},
            "ownerReferences": [owner_reference(ref)],
        },
        "spec": revision.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def earlier_contents(
    kept: tuple[Json, ...], workload_uid: str, components: tuple[Component, ...]
) -> tuple[Content, ...]:
    """Return what a workload held before, oldest first, each content once.

    `kept`: ReplicaSets, or the ControllerRevisions of a StatefulSet. Those of other workloads, and
    those that lack a component, are left out.
    """
    owned = [body for body in kept if _owned_by(body, workload_uid)]
    contents: dict[str, Content] = {}
    for body in sorted(owned, key=_age):
        content = read_content(kept_template(body), components)
        if not isinstance(content, ComponentProblem):
            contents.pop(content.digest, None)
            contents[content.digest] = content
    return tuple(contents.values())


def kept_template(body: Json) -> Json:
    """Return the pod template that a ReplicaSet or a ControllerRevision keeps."""
    spec = body["spec"] if "spec" in body else body["data"]["spec"]
    template: Json = spec["template"]
    return template


def _owned_by(body: Json, uid: str) -> bool:
    owners = body["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == uid for owner in owners)


def _age(body: Json) -> int:
    if "revision" in body:
        return int(body["revision"])
    text = (body["metadata"].get("annotations") or {}).get(_REVISION_ANNOTATION, "0")
    return int(text) if text.isdigit() else 0


def surplus(
    revisions: tuple[Revision, ...], limit: int, protected: frozenset[int]
) -> tuple[Revision, ...]:
    """Return the revisions to delete so that at most `limit` remain: the oldest unprotected ones."""
    excess = len(revisions) - limit
    candidates = [r for r in sorted(revisions, key=lambda r: r.number) if r.number not in protected]
    return tuple(candidates[: max(0, excess)])
