"""`ModelRevision`: one combination of component values, and what became of it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from model_rollout.api.types import ApiModel, Label, ObjectName, Timestamp, list_map

ROLLOUT_UID_LABEL = "modelrollout.dev/rollout-uid"
"""Label of a ModelRevision: the UID of the ModelRollout that it belongs to."""


class RevisionPhase(StrEnum):
    """What is known about a revision."""

    CANDIDATE = "Candidate"
    STABLE = "Stable"
    QUARANTINED = "Quarantined"
    SUPERSEDED = "Superseded"
    UNUSABLE = "Unusable"


class ComponentKind(StrEnum):
    """Where the value of a component lives."""

    IMAGE = "Image"
    ENV = "Env"
    ARG = "Arg"
    FIELD = "Field"
    CONFIG_MAP = "ConfigMap"
    HTTP = "Http"
    POD_TEMPLATE = "PodTemplate"


class ValueType(StrEnum):
    """How the text of a value is meant."""

    STRING = "String"
    JSON = "Json"
    ABSENT = "Absent"
    SNAPSHOT = "Snapshot"


class ComponentValue(ApiModel):
    """The value that one component had."""

    name: Label = Field(description="Name of the component.")
    kind: ComponentKind = Field(description="Where the value lives.")
    source: Annotated[str, Field(max_length=400)] = Field(
        "", description="The place in the pod template, for example server/MODEL_URI."
    )
    value: Annotated[str, Field(max_length=262144)] = Field(
        description="The value as it was written; a pod template as canonical JSON."
    )
    type: ValueType = Field(
        ValueType.STRING,
        description="String: the value is the text. Json: the text is a number or a truth value as "
        "JSON. Absent: the flag was not there at all, and the value is empty. Snapshot: the value "
        "is the SHA-256 of the contents of a ConfigMap, which snapshotRef keeps.",
    )
    config_map: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="Name of the ConfigMap that held the contents."
    )
    snapshot_ref: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="Name of the immutable ConfigMap that keeps the contents."
    )
    pinned: bool = Field(
        True,
        description="False when the value names something that can change, such as an image tag: "
        "restoring it may not restore the same bytes.",
    )


class RolloutRef(ApiModel):
    """The ModelRollout that a revision belongs to."""

    name: ObjectName = Field(description="Name of the ModelRollout.")
    uid: Annotated[str, Field(max_length=64)] = Field(description="UID of the ModelRollout.")


class ModelRevisionSpec(ApiModel):
    """What the revision is. Written once."""

    rollout_ref: RolloutRef = Field(description="The ModelRollout that it belongs to.")
    number: Annotated[int, Field(ge=1)] = Field(description="Counts up within the ModelRollout.")
    digest: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the components and of the observed rest of the template: the "
        "identity of the revision."
    )
    components: Annotated[
        tuple[ComponentValue, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map())
    ] = Field(description="The values of the components.")
    observed_digest: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the rest of the pod template."
    )
    observed: Annotated[dict[str, Annotated[str, Field(max_length=16)]], Field(max_length=256)] = (
        Field(
            default_factory=dict,
            description="Short digests of the parts of the rest of the pod template, by place: "
            "names what changed without holding it.",
        )
    )
    summary: Annotated[str, Field(max_length=256)] = Field(
        "", description="The values in short, for people."
    )
    imported: bool = Field(
        False, description="True when it was read from a ReplicaSet older than the ModelRollout."
    )
    restored_from: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Number of the revision whose components a rollback restored over another "
        "rest of the template.",
    )
    inherits_from: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Number of the revision that described the same deployment before "
        "spec.components was edited; its phase is inherited.",
    )


class ServedPeriod(ApiModel):
    """A time in which the revision served, completely rolled out."""

    from_: Timestamp = Field(alias="from", description="When it was completely rolled out.")
    to: Timestamp | None = Field(None, description="When its content was replaced.")


class MetricSummary(ApiModel):
    """What one metric said about the revision, written when the revision's phase changes."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the metric.")
    value: float | None = Field(None, description="The last value.")
    min: float | None = Field(None, description="The smallest value seen.")
    max: float | None = Field(None, description="The greatest value seen.")
    checks: int = Field(0, description="How many checks gave a value.")
    good: float | None = Field(None, description="How many good outcomes were counted.")
    bad: float | None = Field(None, description="How many bad outcomes were counted.")
    total: float | None = Field(None, description="How many outcomes were counted.")


class ModelRevisionStatus(ApiModel):
    """What became of the revision."""

    phase: RevisionPhase = Field(RevisionPhase.CANDIDATE, description="What is known about it.")
    reason: Annotated[str, Field(max_length=64)] = Field(
        "", description="Why it is in this phase, as one word."
    )
    message: Annotated[str, Field(max_length=1024)] = Field(
        "", description="Why it is in this phase, as one sentence."
    )
    since: Timestamp | None = Field(None, description="When it entered this phase.")
    served: Annotated[tuple[ServedPeriod, ...], Field(max_length=20)] = Field(
        (), description="When it served; the latest twenty periods."
    )
    metrics: Annotated[tuple[MetricSummary, ...], Field(max_length=20)] = Field(
        (), description="What was measured, per metric."
    )
