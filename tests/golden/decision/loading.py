"""A situation as people write it down → the facts of a decision → what comes out, as people read it.

Times are relative to now (`-5m`), digests and names are filled in from the revisions, and everything
that is not written is calm: see `unit.decision.builders`.
"""

import re
from dataclasses import replace
from typing import Any

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.api.metric import MetricAction, OnNoData
from model_rollout.api.record import RolloutRecordSpec
from model_rollout.api.revision import ModelRevisionStatus, RevisionPhase, ServedPeriod
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.api.types import seconds, time_text
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.notices import notices
from model_rollout.decision.outcome import Decision
from model_rollout.decision.projection import revision_changes
from model_rollout.decision.status import complete, material
from model_rollout.records.chain import as_json
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.history import Revision
from model_rollout.revisions.objects import Write
from model_rollout.revisions.places import ComponentProblem
from unit.decision import builders

_RELATIVE = re.compile(r"^([+-])([0-9]+[a-z0-9]*)$")
_SETTLED = ("observedGeneration", "conditions", "records")


def load(situation: Json) -> Facts:
    """The facts of a situation."""
    data = dict(situation)
    data.pop("about")
    used = builders.spec(**data.pop("spec", {}))
    items = data.pop("revisions")
    revisions = tuple(_revision(item) for item in items)
    live = data.pop("live", {})
    body = None if live is None else builders.deployment(**live)
    problem = data.pop("problem", None)
    changes: dict[str, Any] = {
        "spec": used,
        "live": body,
        "revisions": revisions,
        "status": _status(data.pop("status", {}), revisions, items),
        "reports": tuple(_report(item) for item in data.pop("metrics", [{}])),
    }
    if problem:
        changes["content"] = ComponentProblem(**problem)
    if "pods" in data:
        pods = data.pop("pods")
        changes["pods"] = Pods(**pods | {"stuck": tuple(pods.get("stuck", ()))})
    if "earlier" in data:
        changes["earlier"] = tuple(builders.content(image) for image in data.pop("earlier"))
    if "unchanged_for" in data:
        changes["unchanged_for"] = seconds(data.pop("unchanged_for"))
    return builders.facts(**changes, **data)


def _revision(item: Json) -> Revision:
    data = dict(item)
    phase = RevisionPhase(data.pop("phase", "Stable"))
    since = data.pop("served", "-1d")
    until = data.pop("until", None)
    found = builders.revision(data.pop("number"), phase=phase, **data)
    periods: tuple[ServedPeriod, ...] = ()
    if since is not None:
        ended = None if until is None else _moment(until)
        periods = (ServedPeriod(from_=_moment(since), to=ended),)
    status = ModelRevisionStatus(phase=phase, reason=found.status.reason, served=periods)
    return replace(found, status=status)


def _report(item: Json) -> MetricReport:
    data = dict(item)
    make = {"Good": builders.report, "Bad": builders.bad, "NoData": builders.silent}
    kind = data.pop("state", "Good")
    if "class" in data:
        data["metric_class"] = MetricClass(data.pop("class"))
        data["breached"] = data["metric_class"] is MetricClass.BREACHED and kind == "Bad"
    if "action" in data:
        data["action"] = MetricAction(data["action"] or "None")  # YAML reads None as nothing
    if "on_no_data" in data:
        data["on_no_data"] = OnNoData(data["on_no_data"])
    if kind not in make:
        data["state"] = State(kind)
    return make.get(kind, builders.silent)(**data)


def _status(item: Json, revisions: tuple[Revision, ...], items: list[Json]) -> ModelRolloutStatus:
    data: Json = _absolute(item)
    held = {i["number"]: (i.get("image", f"m:{i['number']}"), i.get("rest", "info")) for i in items}
    by_number = {revision.number: revision for revision in revisions}
    if current := data.get("current"):
        found = by_number[current["revision"]]
        filled = {"name": found.name, "digest": found.spec.digest, "since": _text("-11m")}
        template = builders.content(*held[found.number]).template_digest
        places = {"workloadUid": builders.WORKLOAD_UID, "templateDigest": template}
        data["current"] = filled | places | current
    for entry in data.get("quarantine", ()):
        filled = {"phase": "Quarantined", "reason": "MetricBreached", "since": _text("-1h")}
        filled["message"] = "accuracy is 0.5 (limit >= 0.85)"
        entry |= filled | {"digest": by_number[entry["revision"]].spec.digest} | entry
    if flight := data.get("transaction"):
        asked = builders.transaction(by_number[flight["from"]], by_number[flight["to"]])
        filled = asked.model_dump(mode="json", by_alias=True)
        data["transaction"] = filled | {"result": flight["to"]} | flight
    return ModelRolloutStatus.model_validate(data)


def _absolute(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _absolute(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    return _text(value) if isinstance(value, str) and _RELATIVE.match(value) else value


def _moment(text: str) -> float:
    sign, length = _RELATIVE.match(text).groups()  # type: ignore[union-attr]
    return builders.NOW + seconds(length) * (1 if sign == "+" else -1)


def _text(text: str) -> str:
    return time_text(_moment(text))


def outcome(facts: Facts) -> Json:
    """Everything that follows from one decision, as plain data."""
    decision = decide(facts)
    after = complete(facts, decision)
    before = material(facts.status)
    changed = {
        key: value
        for key, value in material(after).items()
        if before.get(key) != value and key not in _SETTLED
    }
    gone = sorted(before.keys() - material(after).keys())
    found: Json = {
        "decision": _decision(decision),
        "status": changed,
        "removed": gone,
        "conditions": {c.type: c.status for c in after.conditions},
        "create": [new.spec.model_dump(mode="json", exclude_none=True) for new in decision.create],
        "revisions": {
            name: f"{status.phase} {status.reason}".strip()
            for name, status in revision_changes(facts, decision)
        },
        "writes": [_write(write) for write in decision.writes],
        "records": [
            _recorded(record) for record in after.records if record not in facts.status.records
        ],
        "events": [
            f"{'Warning' if told.warning else 'Normal'} {told.reason}: {told.note}"
            for told in notices(facts, after, decision)
        ],
    }
    for new in found["create"]:
        for long in ("rollout_ref", "observed", "observed_digest", "components"):
            del new[long]
    return {key: value for key, value in found.items() if value}


def _write(write: Write) -> Json:
    done: Json = {"create": write.create} if write.create else {"patch": list(write.patch)}
    return {"object": str(write.ref), **done}


def _recorded(record: RolloutRecordSpec) -> Json:
    """What is not in the decision or in its status anyway."""
    data = as_json(record)
    found = {name: data.get(name) for name in ("stage", "transaction", "outcome")}
    found["actor"] = data["actor"]["kind"]
    for end in ("from", "to"):
        found[end] = data[end]["revision"] if end in data else None
    found["changed"] = [c.name for c in record.components if c.before != c.after]
    return {name: value for name, value in found.items() if value}


def _decision(decision: Decision) -> Json:
    found: Json = {
        "action": decision.action.value,
        "reason": decision.reason.value,
        "phase": decision.phase.value,
        "message": decision.message,
        "from": decision.from_,
        "to": decision.to,
        "again": decision.again or None,
        "removeAnnotation": ", ".join(decision.drop) or None,
    }
    return {key: value for key, value in found.items() if value is not None}
