"""Chains of records as an operator writes them."""

from model_rollout.api.record import (
    ActorKind,
    RecordActor,
    RecordedMetric,
    RecordedRevision,
    RecordStage,
    RolloutRecordSpec,
)
from model_rollout.api.revision import RolloutRef
from model_rollout.records.chain import as_json, next_record, record_body
from model_rollout.records.verify import Stored, read_record
from model_rollout.revisions.canonical import Json

START = 1_767_261_600.0
OPERATOR = RecordActor(kind=ActorKind.OPERATOR, name="model-rollout-operator", known_by="Itself")
METRIC = RecordedMetric(
    name="accuracy", query="avg(accuracy)", value="0.4", limit=">= 0.85", state="Bad",
    class_="Breached", bad="60", total="100", sample_time=START,
)  # fmt: skip


def specs(count: int, uid: str = "uid-1", name: str = "sentiment") -> list[RolloutRecordSpec]:
    """A chain of rollbacks: Intent, Outcome, Intent, …"""
    made: list[RolloutRecordSpec] = []
    for index in range(count):
        intent = index % 2 == 0
        made.append(
            next_record(
                made[-1] if made else None,
                rollout=RolloutRef(name=name, uid=uid),
                transaction=f"transaction-{index // 2}",
                stage=RecordStage.INTENT if intent else RecordStage.OUTCOME,
                time=START + 60.0 * index,
                actor=OPERATOR,
                action="RollBack" if intent else "Conclude",
                reason="MetricBreached" if intent else "Succeeded",
                message="accuracy is 0.4 (limit >= 0.85)",
                from_=RecordedRevision(revision=2),
                to=RecordedRevision(revision=1),
                evidence=(METRIC,),
                outcome="" if intent else "Succeeded",
            )
        )
    return made


def bodies(count: int, uid: str = "uid-1", name: str = "sentiment") -> list[Json]:
    """The same as RolloutRecords."""
    return [record_body(as_json(spec), "ml") for spec in specs(count, uid, name)]


def stored(body: Json) -> Stored:
    """A RolloutRecord as it was found, labelled by its name."""
    found = read_record(body, body["metadata"]["name"])
    assert isinstance(found, Stored), found
    return found
