"""`ModelRollout`: what a model owner writes."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from model_rollout.api.component import COMPONENT_RULES, Components, whole_predictor, whole_template
from model_rollout.api.metric import Metric as Metric
from model_rollout.api.metric import MetricAction as MetricAction
from model_rollout.api.prometheus import Prometheus
from model_rollout.api.types import (
    ApiModel,
    Duration,
    Interval,
    Label,
    ObjectName,
    PositiveDuration,
    cel,
    list_map,
    seconds,
    validations,
)


class KillSwitch(StrEnum):
    """Who is in charge: the operator (`None`), nobody (`Pause`), a person (`Rollback`)."""

    NONE = "None"
    PAUSE = "Pause"
    ROLLBACK = "Rollback"


class RollbackMode(StrEnum):
    """Whether the operator writes to the workload by itself."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"
    DRY_RUN = "DryRun"


class RollbackTo(StrEnum):
    """Which earlier revision a rollback looks for."""

    LAST_STABLE = "LastStable"
    PREVIOUS = "Previous"


class QuarantinePolicy(StrEnum):
    """What becomes of a quarantined revision that is applied again."""

    REVERT = "Revert"
    ALLOW = "Allow"


class TargetRef(ApiModel):
    """The workload that serves the model, in the namespace of the ModelRollout."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "(self.kind == 'InferenceService') == "
                "(self.apiVersion == 'serving.kserve.io/v1beta1')",
                "write apiVersion: serving.kserve.io/v1beta1 for an InferenceService, and "
                "apps/v1, or nothing, for a Deployment or a StatefulSet",
            ),
            cel(
                "self.kind in ['Deployment', 'StatefulSet', 'InferenceService']",
                "write kind: Deployment, StatefulSet or InferenceService; of another kind name the "
                "workload that it makes, or write its values as components with field.ref",
            ),
        )
    )

    api_version: Annotated[str, Field(max_length=100, pattern=r"^([a-z0-9.-]+/)?v[a-z0-9]+$")] = (
        Field(
            "apps/v1",
            description="API version of the workload: apps/v1, or serving.kserve.io/v1beta1.",
        )
    )
    kind: Annotated[str, Field(max_length=63)] = Field(
        "Deployment",
        description="Kind of the workload: Deployment, StatefulSet or InferenceService.",
    )
    name: ObjectName = Field(description="Name of the workload.")


class Analysis(ApiModel):
    """When a revision is measured and when it counts as proven."""

    interval: Interval = Field(
        seconds("30s"), description="Time between two checks, for example 30s. At least 1s."
    )
    warm_up: Duration = Field(
        seconds("2m"),
        description="Measurements are discarded for this long after a revision serves.",
    )
    settle: Duration = Field(
        seconds("30s"),
        description="A change counts as a revision once nothing changed for this long.",
    )
    bake_time: Duration = Field(
        seconds("1h"),
        description="How long a revision must serve without a breach to become Stable.",
    )
    min_outcomes: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        100,
        description="So many outcomes of each metric with counts or histogram must be counted "
        "before a revision becomes Stable.",
    )
    false_rollback_every: PositiveDuration = Field(
        seconds("100d"),
        description="How rarely a model that is exactly at its limits may be rolled back by "
        "chance. Shorter decides sooner.",
    )
    when: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        "Any",
        description="Which metrics must be breached. Any: one of them. All: every one that rolls "
        "back. Or a CEL expression over NAME.breached, NAME.suspect and NAME.hasData, for example "
        "hallucination_rate.breached && !index_age.suspect.",
        json_schema_extra=validations(
            cel(
                "self in ['Any', 'All'] || self.contains('.')",
                "write Any, All, or an expression such as errors.breached && latency_p95.suspect",
            )
        ),
    )


class Budget(ApiModel):
    """How many automatic rollbacks are allowed in a sliding window."""

    max_rollbacks: Annotated[int, Field(ge=1, le=50)] = Field(
        3, description="The greatest number of rollbacks in the window."
    )
    per: PositiveDuration = Field(seconds("24h"), description="Length of the window.")


class Rollback(ApiModel):
    """What the operator does about a breach."""

    mode: RollbackMode = Field(
        RollbackMode.AUTOMATIC,
        description="Automatic. Manual: a rollback waits until a person approves it. DryRun: say what "
        "would have been done and write nothing.",
    )
    to: RollbackTo = Field(
        RollbackTo.LAST_STABLE,
        description="LastStable: the newest revision proven good. Previous: the last one that "
        "finished its warm-up.",
    )
    to_revision: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Number of the revision to go to; only read by killSwitch: Rollback."
    )
    allow_unproven: bool = Field(
        True,
        description="Allow a revision that served but was never proven Stable when there is "
        "nothing better.",
    )
    verify_for: Duration = Field(
        seconds("5m"),
        description="How long the metrics must be inside their bounds after a rollback.",
    )
    deadline: PositiveDuration = Field(
        seconds("30m"),
        description="How long a revision may take until it is completely rolled out.",
    )
    cooldown: Duration = Field(
        seconds("10m"), description="No second automatic rollback within this time of the last one."
    )
    budget: Budget = Field(default_factory=Budget, description="Limit of automatic rollbacks.")
    escalate: bool = Field(
        False,
        description="Go on to older revisions and to the fallbacks when a rollback did not help. "
        "Otherwise that is for a person: the version was not the cause.",
    )
    window: PositiveDuration | None = Field(
        None,
        description="A revision that has served for longer than this is reported and not rolled back: "
        "then the world has changed, not the model. Default: none, every revision is rolled back.",
    )


class Quarantine(ApiModel):
    """What happens when a revision that was found bad is deployed again."""

    policy: QuarantinePolicy = Field(
        QuarantinePolicy.REVERT,
        description="Revert: a quarantined revision that is applied again is reverted, maxReverts "
        "times. Allow: it is accepted, and measured again as any other.",
    )
    max_reverts: Annotated[int, Field(ge=0, le=10)] = Field(
        1,
        description="How many times a quarantined revision that is applied again is reverted "
        "before the operator stops and reports Contested.",
    )


AlternativeValue = Annotated[str, Field(max_length=4096)]


class Fallback(ApiModel):
    """What is done when there is no revision to go back to."""

    name: Label = Field(description="Name of the fallback, used in messages.")
    alternative: Annotated[dict[str, AlternativeValue], Field(min_length=1, max_length=16)] = Field(
        description="Values of components, by name, for example model: registry/rules:1. Components "
        "that are not named keep their values."
    )


class History(ApiModel):
    """How much is remembered."""

    limit: Annotated[int, Field(ge=2, le=100)] = Field(
        20, description="How many ModelRevisions are kept."
    )


_INFERENCE = "self.targetRef.kind == 'InferenceService'"
_INSIDE = "has(c.field) && !has(c.field.ref)"
_TARGET_RULES = (
    cel(
        f"{_INFERENCE} || !has(self.components) || self.components.all(c, !({_INSIDE}) || "
        "c.field.path.startsWith('spec.template.'))",
        "write a path into the pod template, such as "
        "spec.template.spec.volumes[name=model].image.reference; for a value in another object "
        "write field.ref",
    ),
    cel(
        f"!({_INFERENCE}) || !has(self.components) || self.components.all(c, !({_INSIDE}) || "
        r"c.field.path.matches(r'^spec\.(predictor|transformer|explainer)(\.|$)'))",
        "write a path into spec.predictor, spec.transformer or spec.explainer, such as "
        "spec.predictor.model.storageUri",
    ),
    cel(
        f"!({_INFERENCE}) || !has(self.components) || self.components.all(c, !has(c.image) && "
        "!has(c.env) && !has(c.arg) && !has(c.podTemplate) && "
        "!(has(c.configMap) && has(c.configMap.volume)))",
        "an InferenceService has no pod template: write field components, such as "
        "spec.predictor.model.storageUri, and configMap components with a name",
    ),
)


class ModelRolloutSpec(ApiModel):
    """What to guard, how to measure it, and what to do when it turns bad."""

    model_config = ConfigDict(json_schema_extra=validations(*_TARGET_RULES))

    kill_switch: KillSwitch = Field(
        KillSwitch.NONE,
        description="None: the operator acts. Pause: it measures and writes nothing to the "
        "workload. Rollback: it rolls back now, without waiting for metrics. Flipped by kubectl "
        "patch; leave it out of manifests that GitOps applies.",
    )
    target_ref: TargetRef = Field(
        description="The workload that serves the model. Immutable.",
        json_schema_extra=validations(
            cel(
                "self == oldSelf",
                "targetRef cannot be changed: delete this ModelRollout and create another",
            )
        ),
    )
    components: Components = Field(
        (),
        description="What makes up a version of the model; by default the whole pod template, of an "
        "InferenceService spec.predictor. What is not listed is observed: it belongs to the "
        "identity of a revision and is never written.",
        json_schema_extra=COMPONENT_RULES | {"default": None},
    )
    prometheus: Prometheus = Field(
        default_factory=Prometheus, description="Where the metrics are read."
    )
    metrics: Annotated[
        tuple[Metric, ...], Field(min_length=1, max_length=20, json_schema_extra=list_map())
    ] = Field(description="The quality metrics and their bounds.")
    analysis: Analysis = Field(
        default_factory=Analysis, description="When a revision is measured and proven."
    )
    rollback: Rollback = Field(
        default_factory=Rollback, description="What the operator does about a breach."
    )
    quarantine: Quarantine = Field(
        default_factory=Quarantine,
        description="What happens when a revision that was found bad is deployed again.",
    )
    fallbacks: Annotated[
        tuple[Fallback, ...], Field(max_length=8, json_schema_extra=list_map())
    ] = Field(
        (),
        description="What is done, in this order, when a rollback has no revision to go back to, "
        "or the last one cannot be brought up.",
    )
    history: History = Field(default_factory=History, description="How much is remembered.")

    @model_validator(mode="after")
    def _whole_by_default(self) -> Self:
        """Which components there are where none is listed depends on the kind of the target."""
        if not self.components:
            inference = self.target_ref.kind == "InferenceService"
            self.__dict__["components"] = whole_predictor() if inference else whole_template()
        return self
