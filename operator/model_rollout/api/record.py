"""`RolloutRecord`: what was decided and how it ended, chained by digests, for auditors."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from model_rollout.api.revision import RolloutRef
from model_rollout.api.types import ApiModel, Label, ObjectName, Timestamp, list_map

ROLLOUT_LABEL = "modelrollout.dev/rollout"
"""Label of a RolloutRecord: the name of its ModelRollout, cut to what a label may hold."""

LONGEST_QUERY = 512
"""A longer query is cut in the evidence."""

_Word = Annotated[str, Field(max_length=64)]
_Text = Annotated[str, Field(max_length=2048)]
_Number = Annotated[int, Field(ge=1)]
_Digest = Annotated[str, Field(max_length=64, pattern=r"^([0-9a-f]{64})?$")]
_Decimal = Annotated[str, Field(max_length=32)]


class RecordStage(StrEnum):
    """What a record is about."""

    INTENT = "Intent"
    OUTCOME = "Outcome"
    DECISION = "Decision"


class ActorKind(StrEnum):
    """Who decided."""

    OPERATOR = "Operator"
    PERSON = "Person"


class RecordActor(ApiModel):
    """Who decided, and how that is known."""

    kind: ActorKind = Field(description="Operator, or Person.")
    name: Annotated[str, Field(max_length=253)] = Field(
        "", description="Who it was; empty where that is not known."
    )
    known_by: _Word = Field(
        description="How it is known who it was: Itself (the operator speaks of itself), or Unknown "
        "(the API server tells the operator which program wrote a field, never which person)."
    )
    stated: Annotated[str, Field(max_length=512)] = Field(
        "",
        description="What the person gave as the reason, in the annotation modelrollout.dev/reason.",
    )


class RecordedRevision(ApiModel):
    """A revision, told so that it can be recognised when its ModelRevision is gone."""

    revision: _Number = Field(description="Number of the revision.")
    name: Annotated[str, Field(max_length=253)] = Field(
        "", description="Name of its ModelRevision; empty when that was gone already."
    )
    digest: _Digest = Field(
        "", description="Identity of the revision; empty when its ModelRevision was gone already."
    )


class RecordedComponent(ApiModel):
    """One component, before and after."""

    name: Label = Field(description="Name of the component.")
    before: _Digest = Field(
        "", description="SHA-256 of the value in the revision left; empty when it was unreadable."
    )
    after: _Digest = Field(
        "",
        description="SHA-256 of the value to restore; of an Outcome, of the value that is live at "
        "the end. Empty when it was unreadable.",
    )


class RecordedMetric(ApiModel):
    """What one metric said at the moment of the decision. Numbers are decimal text."""

    name: _Word = Field(description="Name of the metric.")
    query: Annotated[str, Field(max_length=LONGEST_QUERY)] = Field(
        "", description="What Prometheus was asked: a query or the selectors; a long one is cut."
    )
    value: _Decimal = Field("", description="The last value; empty when there was none.")
    limit: _Word = Field("", description="What is acceptable, for example >= 0.85.")
    state: _Word = Field(description="Good, Bad, NoData, Ambiguous or Error.")
    class_: _Word = Field(alias="class", description="Clear, Suspect or Breached.")
    bad: _Decimal = Field("", description="Bad outcomes of this revision, where they are counted.")
    total: _Decimal = Field("", description="All outcomes of this revision, where counted.")
    sample_time: Timestamp | None = Field(
        None, description="When the newest value was made; absent where that is not known."
    )


class PreviousRecord(ApiModel):
    """The record before in the same chain."""

    name: ObjectName = Field(description="Its name.")
    digest: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] = Field(
        description="Its digest: whoever changes it has to change all that follow."
    )


class RolloutRecordSpec(ApiModel):
    """What was decided. Written once."""

    rollout: RolloutRef = Field(description="The ModelRollout that it speaks of.")
    sequence: _Number = Field(description="Counts up from 1 for each UID of a ModelRollout.")
    transaction: _Word = Field("", description="Id of the transaction; empty where there is none.")
    stage: RecordStage = Field(
        description="Intent: written before the first write of a transaction. Outcome: how it ended. "
        "Decision: what a person did, or what would have been done."
    )
    time: Timestamp = Field(description="When it was decided.")
    actor: RecordActor = Field(description="Who decided.")
    action: _Word = Field(description="What was done.")
    reason: _Word = Field(description="Why, as one word.")
    message: _Text = Field("", description="Why, as one sentence.")
    from_: RecordedRevision | None = Field(
        None, alias="from", description="The revision that is left."
    )
    to: RecordedRevision | None = Field(None, description="The revision that is gone to.")
    components: Annotated[
        tuple[RecordedComponent, ...], Field(max_length=16, json_schema_extra=list_map())
    ] = Field(
        (), description="The components of a transaction, before and after; empty in a Decision."
    )
    evidence: Annotated[
        tuple[RecordedMetric, ...], Field(max_length=20, json_schema_extra=list_map())
    ] = Field((), description="What each metric said.")
    outcome: _Word = Field(
        "", description="How the transaction ended; empty unless the stage is Outcome."
    )
    previous: PreviousRecord | None = Field(
        None, description="The record before in this chain; absent in the first one."
    )
    digest: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the canonical JSON (keys sorted, no white space, UTF-8) of this spec "
        "without this field."
    )
