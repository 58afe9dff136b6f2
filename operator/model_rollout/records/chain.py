"""One record after another: sequence, digest, name, and the object that holds it."""

from typing import Any

from model_rollout.api import API_VERSION
from model_rollout.api.record import ROLLOUT_LABEL, PreviousRecord, RolloutRecordSpec
from model_rollout.api.revision import ROLLOUT_UID_LABEL
from model_rollout.revisions.canonical import Json, digest

_UNSEALED = "0" * 64
_LONGEST_NAME, _LONGEST_LABEL = 253, 63


def next_record(before: RolloutRecordSpec | None, **content: Any) -> RolloutRecordSpec:
    """Return the record with this content that follows `before`; the first one of its chain: None."""
    previous = None
    if before is not None:
        previous = PreviousRecord(name=record_name(as_json(before)), digest=before.digest)
    draft = RolloutRecordSpec(
        sequence=before.sequence + 1 if before else 1,
        previous=previous,
        digest=_UNSEALED,
        **content,
    )
    return draft.model_copy(update={"digest": content_digest(as_json(draft))})


def as_json(spec: RolloutRecordSpec) -> Json:
    """Return a record as it is written and digested."""
    found: Json = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def content_digest(spec: Json) -> str:
    """Return the digest that the spec of a record must bear."""
    return digest({field: value for field, value in spec.items() if field != "digest"})


def record_name(spec: Json) -> str:
    """Return the name of a record: the same for the same content, whoever writes it."""
    suffix = f"-{spec['sequence']}-{spec['digest'][:8]}"
    return str(spec["rollout"]["name"])[: _LONGEST_NAME - len(suffix)] + suffix


def record_body(spec: Json, namespace: str) -> Json:
    """Return the RolloutRecord to create. It has no owner, so that it survives its ModelRollout."""
    rollout = spec["rollout"]
    return {
        "apiVersion": API_VERSION,
        "kind": "RolloutRecord",
        "metadata": {
            "name": record_name(spec),
            "namespace": namespace,
            "labels": {
                ROLLOUT_UID_LABEL: rollout["uid"],
                ROLLOUT_LABEL: str(rollout["name"])[:_LONGEST_LABEL].rstrip("-."),
            },
        },
        "spec": spec,
    }
