"""The status of a `ModelRollout`: all that must survive a restart of the operator."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from model_rollout.api.record import RolloutRecordSpec
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.types import ApiModel, Timestamp, list_map

Word = Annotated[str, Field(max_length=64)]
Sentence = Annotated[str, Field(max_length=2048)]
Number = Annotated[int, Field(ge=1)]


class Phase(StrEnum):
    """Where the guarded model stands."""

    INITIALIZING = "Initializing"
    PROGRESSING = "Progressing"
    HEALTHY = "Healthy"
    SUSPECT = "Suspect"
    ROLLING_BACK = "RollingBack"
    VERIFYING = "Verifying"
    ROLLED_BACK = "RolledBack"
    PAUSED = "Paused"
    FAILED = "Failed"


class TransactionKind(StrEnum):
    """Why a transaction was begun."""

    ROLLBACK = "Rollback"
    REVERT = "Revert"
    SWITCH = "Switch"


class Stage(StrEnum):
    """How far a transaction is: written, undone after somebody interfered, or being verified."""

    APPLYING = "Applying"
    COMPENSATING = "Compensating"
    VERIFYING = "Verifying"


class Condition(ApiModel):
    """A condition as Kubernetes defines it."""

    type: Word = Field(description="Name of the condition.")
    status: Word = Field(description="True, False or Unknown.")
    reason: Word = Field(description="Why, as one word.")
    message: Sentence = Field("", description="Why, as one sentence.")
    last_transition_time: Timestamp = Field(description="When the status last changed.")


class RevisionRef(ApiModel):
    """A revision by number and by name of its ModelRevision."""

    revision: Number = Field(description="Number of the revision.")
    name: Annotated[str, Field(max_length=253)] = Field(description="Name of its ModelRevision.")


class CurrentRevision(RevisionRef):
    """The revision that is deployed, and its clocks."""

    digest: Annotated[str, Field(max_length=64)] = Field(description="Identity of the revision.")
    workload_uid: Annotated[str, Field(max_length=64)] = Field(
        "", description="UID of the workload that holds it."
    )
    template_digest: Annotated[str, Field(max_length=64)] = Field(
        "", description="Digest of the whole pod template, however spec.components describes it."
    )
    since: Timestamp = Field(description="When it was recorded; the deadline counts from here.")
    serving_since: Timestamp | None = Field(
        None, description="When it was completely rolled out; warm-up and bake count from here."
    )
    breached_since: Timestamp | None = Field(
        None, description="Since when a metric is breached; it cannot become Stable."
    )
    clear_since: Timestamp | None = Field(
        None, description="Since when they are clear again; the bake counts anew from here."
    )
    failing_since: Timestamp | None = Field(
        None, description="Since when its pods crash although it served before."
    )
    held_since: Timestamp | None = Field(
        None, description="Since when its clocks stand still (scaled to zero, paused)."
    )
    held_seconds: float = Field(0.0, description="How long its clocks stood still before that.")


class MetricStatus(ApiModel):
    """A snapshot of one metric, written when its class or state or the phase changes."""

    name: Word = Field(description="Name of the metric.")
    state: Word = Field(description="Good, Bad, NoData, Ambiguous or Error.")
    class_: Word = Field(alias="class", description="Clear, Suspect or Breached.")
    value: float | None = Field(None, description="The last value.")
    limit: Word = Field("", description="What is acceptable, for example >= 0.85.")
    message: Sentence = Field("", description="What was measured, as one sentence.")
    evidence: Annotated[str, Field(max_length=2048)] = Field(
        "",
        description="A checkpoint of the sequential test, for the operator: it goes on from here "
        "after a restart.",
    )


class LastDecision(ApiModel):
    """The last decision that changed or held something."""

    action: Word = Field(description="What was done.")
    reason: Word = Field(description="Why, as one word.")
    message: Sentence = Field(description="Why, as one sentence.")
    time: Timestamp = Field(description="When it was made.")
    from_: Number | None = Field(None, alias="from", description="Number of the revision left.")
    to: Number | None = Field(None, description="Number of the revision gone to.")
    transaction: Annotated[str, Field(max_length=64)] | None = Field(
        None,
        description="Id of the transaction that was begun, or that a brake holds: what the annotation "
        "modelrollout.dev/approve names.",
    )


class Transaction(ApiModel):
    """A change of the workload that was decided and is not finished."""

    id: Annotated[str, Field(max_length=64)] = Field(
        description="SHA-256 of the ModelRollout, the workload, from, to and the attempt, cut to "
        "16 digits."
    )
    kind: TransactionKind = Field(description="Why it was begun.")
    reason: Word = Field(description="Why, as one word.")
    message: Sentence = Field(description="Why, as one sentence.")
    from_: Number = Field(alias="from", description="Number of the revision that is left.")
    to: Number = Field(description="Number of the revision whose components are restored.")
    result: Number = Field(
        description="Number of the revision that results: `to`, or a new one when another rest of "
        "the pod template is live."
    )
    attempt: Number = Field(description="The counter that makes the id unique.")
    workload_uid: Annotated[str, Field(max_length=64)] = Field(
        description="UID of the workload that it was decided for."
    )
    stage: Stage = Field(description="How far it is.")
    started_at: Timestamp = Field(description="When it was decided.")
    metrics: Annotated[tuple[Word, ...], Field(max_length=20)] = Field(
        (), description="The metrics that must be clear afterwards; empty: all that roll back."
    )
    components: Annotated[tuple[Word, ...], Field(max_length=16)] = Field(
        (), description="The components that are restored; empty: all."
    )
    fallback: Word | None = Field(None, description="Name of the fallback that is applied.")
    outcome: Word | None = Field(None, description="Why it is undone, as one word.")
    outcome_message: Sentence | None = Field(None, description="Why it is undone, as one sentence.")
    tried: Annotated[tuple[Number, ...], Field(max_length=100)] = Field(
        (), description="Revisions that this chain left or tried and will not go to again."
    )
    interrupted: bool = Field(False, description="True while the kill switch stops it.")


class LastTransaction(ApiModel):
    """How the last transaction ended."""

    id: Annotated[str, Field(max_length=64)] = Field(description="Its id.")
    kind: TransactionKind = Field(description="Why it was begun.")
    from_: Number = Field(alias="from", description="Number of the revision that was left.")
    to: Number = Field(description="Number of the revision whose components were restored.")
    started_at: Timestamp = Field(description="When it was decided.")
    ended_at: Timestamp = Field(description="When it ended.")
    outcome: Word = Field(description="Succeeded, StillBreached, Unverified, Overtaken, …")
    message: Sentence = Field(description="How it ended, as one sentence.")


class QuarantineEntry(ApiModel):
    """A revision that must not serve."""

    revision: Number = Field(description="Number of the revision.")
    digest: Annotated[str, Field(max_length=64)] = Field(
        description="Its identity: recognised when it is applied again, even after pruning."
    )
    phase: RevisionPhase = Field(description="Quarantined (found bad) or Unusable (never came up).")
    reason: Word = Field(description="Why, as one word.")
    message: Sentence = Field(description="Why, as one sentence.")
    since: Timestamp = Field(description="When it was found out.")
    expires: Timestamp | None = Field(None, description="When an Unusable one may be tried again.")
    reverts: int = Field(
        0, description="How many times it was reverted after it was applied again."
    )


class SwitchStatus(ApiModel):
    """The kill switch as the operator last saw it."""

    value: KillSwitch = Field(description="Its value.")
    since: Timestamp = Field(description="When the operator saw it change.")
    transaction: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The transaction that this flip led to; one per flip."
    )


class Failure(ApiModel):
    """A rollback that did not help: no other until its metrics are clear or a new deploy."""

    reason: Word = Field(description="Why, as one word.")
    message: Sentence = Field(description="Why, as one sentence.")
    since: Timestamp = Field(description="When it was found out.")
    metrics: Annotated[tuple[Word, ...], Field(max_length=20)] = Field(
        (), description="The metrics that must be clear once."
    )
    revisions: Annotated[tuple[Number, ...], Field(max_length=100)] = Field(
        (), description="The revisions that the transaction knew."
    )


class ModelRolloutStatus(ApiModel):
    """What the operator knows. Written only when something changed."""

    observed_generation: int = Field(0, description="Generation of the spec that this speaks of.")
    phase: Phase = Field(Phase.INITIALIZING, description="Where the guarded model stands.")
    reason: Word = Field("", description="What the operator does or waits for, as one word.")
    message: Sentence = Field("", description="What the operator does or waits for.")
    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))
    ] = Field((), description="Conditions as Kubernetes defines them.")
    current: CurrentRevision | None = Field(None, description="The revision that is deployed.")
    stable: RevisionRef | None = Field(None, description="The newest revision proven good.")
    breached: Annotated[str, Field(max_length=1300)] = Field(
        "", description="Names of the metrics that are breached."
    )
    metrics: Annotated[
        tuple[MetricStatus, ...], Field(max_length=20, json_schema_extra=list_map())
    ] = Field((), description="A snapshot of the metrics.")
    last_decision: LastDecision | None = Field(
        None, description="The last decision that changed or held something."
    )
    transaction: Transaction | None = Field(
        None, description="A change of the workload that is not finished."
    )
    last_transaction: LastTransaction | None = Field(
        None, description="How the last transaction ended."
    )
    attempts: int = Field(0, description="How many transactions were begun.")
    rollbacks: Annotated[tuple[Timestamp, ...], Field(max_length=50)] = Field(
        (), description="When automatic rollbacks were begun, for cooldown and budget."
    )
    quarantine: Annotated[tuple[QuarantineEntry, ...], Field(max_length=100)] = Field(
        (), description="Revisions that must not serve."
    )
    kill_switch: SwitchStatus | None = Field(
        None, description="The kill switch as the operator last saw it."
    )
    failure: Failure | None = Field(None, description="A rollback that did not help.")
    records: Annotated[tuple[RolloutRecordSpec, ...], Field(max_length=3)] = Field(
        (),
        description="The newest records, oldest first, as RolloutRecords hold them: the last one is "
        "the head of the chain. Each is written as a RolloutRecord before anything else is done.",
    )
