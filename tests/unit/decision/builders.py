"""Builds what a decision is made of, everything with a default that is calm."""

from dataclasses import replace
from typing import Any

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.analysis.when import compile_when
from model_rollout.api.metric import MetricAction
from model_rollout.api.revision import ModelRevisionStatus, RevisionPhase, RolloutRef, ServedPeriod
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import (
    CurrentRevision,
    ModelRolloutStatus,
    Phase,
    QuarantineEntry,
    Stage,
    Transaction,
    TransactionKind,
)
from model_rollout.decision.facts import Facts
from model_rollout.decision.observed import read_workload
from model_rollout.engine.rulebook import Circumstances, RuleBook, RuleSet
from model_rollout.engine.store import Store
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import Revision, new_revision

NOW = 1_767_261_600.0
"""2026-01-01T10:00:00Z."""

REF = RolloutRef(name="sentiment", uid="rollout-uid")
WORKLOAD_UID = "workload-uid"

SPEC: Json = {
    "targetRef": {"name": "sentiment"},
    "components": [{"name": "model", "image": {"container": "server"}}],
    "prometheus": {"url": "http://prometheus:9090"},
    "metrics": [{"name": "accuracy", "query": "accuracy", "min": 0.85}],
    "analysis": {"warmUp": "2m", "settle": "30s", "bakeTime": "1h"},
}


def spec(**changes: Any) -> ModelRolloutSpec:
    """A spec from camelCase fields; groups such as `rollback` are merged with the defaults."""
    data = dict(SPEC)
    for field, value in changes.items():
        merged = isinstance(value, dict) and isinstance(data.get(field), dict)
        data[field] = {**data[field], **value} if merged else value
    return ModelRolloutSpec.model_validate(data)


def rules_of(of: ModelRolloutSpec) -> RuleSet:
    """The rules of a spec, where nothing else is known."""
    return RuleBook(Store(), "operators").rules(of, Circumstances("ml", "sentiment"), None)


def template(image: str = "m:1", rest: str = "info") -> Json:
    """A pod template: the image is the component, `rest` stands for what is only observed."""
    env = [{"name": "LOG_LEVEL", "value": rest}]
    container = {"name": "server", "image": image, "env": env}
    return {"metadata": {"labels": {"app": "sentiment"}}, "spec": {"containers": [container]}}


def deployment(
    image: str = "m:1",
    rest: str = "info",
    *,
    uid: str = WORKLOAD_UID,
    replicas: int = 2,
    ready: int | None = None,
    caught_up: bool = True,
    paused: bool = False,
    manager: str = "helm",
) -> Json:
    """A Deployment, completely rolled out unless `ready` says how many pods are."""
    available = replicas if ready is None else ready
    written = {"manager": manager, "time": "2026-01-01T09:00:00Z"}
    metadata = {
        "name": "sentiment",
        "namespace": "ml",
        "uid": uid,
        "generation": 2,
        "managedFields": [written | {"fieldsV1": {"f:spec": {"f:template": {}}}}],
    }
    status = {
        "observedGeneration": 2 if caught_up else 1,
        "replicas": replicas,
        "updatedReplicas": available,
        "availableReplicas": available,
    }
    body_spec = {
        "replicas": replicas,
        "paused": paused,
        "selector": {"matchLabels": {"app": "sentiment"}},
        "template": template(image, rest),
    }
    kind = {"apiVersion": "apps/v1", "kind": "Deployment"}
    return kind | {"metadata": metadata, "spec": body_spec, "status": status}


def content(image: str = "m:1", rest: str = "info", of: ModelRolloutSpec | None = None) -> Content:
    """What a Deployment of this image holds."""
    found = read_content(template(image, rest), (of or spec()).components)
    assert isinstance(found, Content)
    return found


def revision(
    number: int,
    image: str | None = None,
    phase: RevisionPhase = RevisionPhase.STABLE,
    reason: str = "Proven",
    *,
    rest: str = "info",
    served: float | None = None,
    imported: bool = False,
    of: ModelRolloutSpec | None = None,
) -> Revision:
    """A ModelRevision; by default number N runs image `m:N`, is Stable, and served N hours long ago."""
    new = new_revision(REF, number, content(image or f"m:{number}", rest, of), imported=imported)
    start = NOW - 86400.0 + 3600.0 * number if served is None else served
    periods = () if imported else (ServedPeriod(from_=start, to=start + 1800.0),)
    status = ModelRevisionStatus(phase=phase, reason=reason, served=periods)
    return Revision(new.name, new.spec, status)


def candidate(number: int, image: str | None = None, reason: str = "WarmedUp") -> Revision:
    """A revision that serves and is not proven."""
    found = revision(number, image, RevisionPhase.CANDIDATE, reason)
    period = ServedPeriod(from_=NOW - 600.0)
    return replace(found, status=found.status.model_copy(update={"served": (period,)}))


def current(of: Revision, **changes: Any) -> CurrentRevision:
    """`of` as the current revision; it has served for ten minutes."""
    data: dict[str, Any] = {"since": NOW - 660.0, "serving_since": NOW - 600.0} | changes
    return CurrentRevision(revision=of.number, name=of.name, digest=of.spec.digest, **data)


def entry(of: Revision, **changes: Any) -> QuarantineEntry:
    """The quarantine of a revision."""
    data: dict[str, Any] = {
        "phase": RevisionPhase.QUARANTINED,
        "reason": "MetricBreached",
        "message": "accuracy is 0.5 (limit >= 0.85)",
        "since": NOW - 3600.0,
    }
    return QuarantineEntry(revision=of.number, digest=of.spec.digest, **data | changes)


def transaction(from_: Revision, to: Revision, **changes: Any) -> Transaction:
    """A rollback in flight, by default before its patch."""
    data: dict[str, Any] = {
        "id": "0123456789abcdef",
        "kind": TransactionKind.ROLLBACK,
        "reason": "MetricBreached",
        "message": f"Rolling back revision {from_.number} to revision {to.number}: it is bad",
        "result": to.number,
        "attempt": 1,
        "workload_uid": WORKLOAD_UID,
        "stage": Stage.APPLYING,
        "started_at": NOW - 60.0,
        "metrics": ("accuracy",),
        "tried": (from_.number, to.number),
    }
    return Transaction(from_=from_.number, to=to.number, **data | changes)


def report(name: str = "accuracy", **changes: Any) -> MetricReport:
    """A metric that is measured and clear."""
    calm = MetricReport(
        name=name,
        action=MetricAction.ROLLBACK,
        state=State.GOOD,
        metric_class=MetricClass.CLEAR,
        value=0.95,
        least=0.9,
        greatest=0.97,
        checks=20,
        limit=">= 0.85",
        message=f"{name} is 0.95 (limit >= 0.85)",
        breached=False,
        clear_for=590.0,
        unavailable="",
        answered=True,
        patience=300.0,
        discard=120.0,
    )
    return replace(calm, **{"enough": changes.get("checks", calm.checks) > 0} | changes)


def bad(name: str = "accuracy", **changes: Any) -> MetricReport:
    """A metric that is breached."""
    breached: dict[str, Any] = {
        "state": State.BAD,
        "metric_class": MetricClass.BREACHED,
        "value": 0.5,
        "message": f"{name} is 0.5 (limit >= 0.85)",
        "breached": True,
        "clear_for": 0.0,
    }
    return report(name, **breached | changes)


def suspect(name: str = "accuracy", **changes: Any) -> MetricReport:
    """A metric that is outside of its bounds, not for long enough."""
    return bad(name, **{"metric_class": MetricClass.SUSPECT, "breached": False} | changes)


def silent(name: str = "accuracy", **changes: Any) -> MetricReport:
    """A metric without data, for longer than `noDataAfter`."""
    nothing: dict[str, Any] = {
        "state": State.NO_DATA,
        "value": None,
        "message": f"{name} has no data (empty)",
        "unavailable": "NoData",
        "answered": False,
        "clear_for": 0.0,
        "checks": 0,
    }
    return report(name, **nothing | changes)


def facts(**changes: Any) -> Facts:
    """Revision 2 serves, is a warmed up candidate and measured; revision 1 is Stable.

    `status` may be a dict of changes to the calm status, `live` the JSON of the Deployment.
    """
    first, second = revision(1), candidate(2)
    live: Json | None = changes.pop("live", deployment("m:2"))
    used = changes.get("spec", spec())
    calm = ModelRolloutStatus(
        observed_generation=1,
        phase=Phase.PROGRESSING,
        reason="Baking",
        current=current(second),
        attempts=1,
    )
    status = changes.pop("status", {})
    if isinstance(status, dict):
        status = calm.model_copy(update=status)
    defaults: dict[str, Any] = {
        "now": NOW,
        "namespace": "ml",
        "ref": REF,
        "generation": 1,
        "spec": used,
        "status": status,
        "workload": read_workload(live) if live else None,
        "content": read_content(live["spec"]["template"], used.components) if live else None,
        "unchanged_for": 3600.0,
        "revisions": (first, second),
        "reports": (report(),),
    }
    data = defaults | changes
    acting = tuple(r.name for r in data["reports"] if r.action is MetricAction.ROLLBACK)
    names = tuple(r.name for r in data["reports"])
    return Facts(**{"when": compile_when(used.analysis.when, names, acting)} | data)
