"""Which records a decision makes: read off the difference between two statuses, and written whole."""

from typing import Any

from model_rollout.analysis.report import MetricReport
from model_rollout.api.record import (
    LONGEST_QUERY,
    ActorKind,
    RecordActor,
    RecordedComponent,
    RecordedMetric,
    RecordedRevision,
    RecordStage,
    RolloutRecordSpec,
)
from model_rollout.api.revision import ComponentValue
from model_rollout.api.status import LastDecision, Transaction
from model_rollout.decision.brakes import approved
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason
from model_rollout.records.chain import next_record
from model_rollout.revisions.content import components_digest
from model_rollout.revisions.history import NewRevision, Revision

DECISIONS: dict[Reason, ActorKind] = {
    Reason.SWITCH_FLIPPED: ActorKind.PERSON,
    Reason.UNQUARANTINED: ActorKind.PERSON,
    Reason.SWITCH_ROLLBACK: ActorKind.OPERATOR,  # it adopts a rollback that is under way
    Reason.QUARANTINE_ALLOWED: ActorKind.OPERATOR,  # quarantine.policy: Allow
    Reason.DRY_RUN: ActorKind.OPERATOR,  # what would have been done
    Reason.AWAITING_APPROVAL: ActorKind.OPERATOR,  # what would be done
    Reason.PAUSED: ActorKind.OPERATOR,  # what would have been done
}
"""Reasons whose decisions are recorded although no transaction begins or ends, and whose they are."""

_OPERATOR = RecordActor(kind=ActorKind.OPERATOR, name="model-rollout-operator", known_by="Itself")
APPROVE = "Approve"
"""The action of a person who lets a transaction begin."""

_KEPT_NUMBERS = 12
"""Digits of a number; more are noise of the arithmetic."""

_LONGEST_REASON = 512


def records_after(
    facts: Facts, decision: Decision, last: LastDecision | None
) -> tuple[RolloutRecordSpec, ...]:
    """Return what `status.records` must hold after a decision: the new records, or those before.

    A transaction that follows another one in a chain ends that one, and a person may have let it
    begin: several records in one decision.
    `last` is `status.lastDecision` after the decision: the same hold at the next check is no news.
    """
    before, after = facts.status.transaction, decision.status.transaction
    found: list[dict[str, Any]] = []
    if before is not None and (after is None or after.id != before.id):
        found.append(_ended(facts, decision, before))
    if after is not None and (before is None or after.id != before.id):
        if approved(facts, after):
            found.append(_approval(facts, decision, after))
        found.append(_begun(facts, decision, after))
    if not found and decision.reason in DECISIONS and last != facts.status.last_decision:
        found.append(_noted(facts, decision))
    records = facts.status.records
    made: list[RolloutRecordSpec] = []
    for content in found:
        newest = made[-1] if made else next(reversed(records), None)
        made.append(next_record(newest, **_common(facts, decision), **content))
    return tuple(made) or records


def _common(facts: Facts, decision: Decision) -> dict[str, Any]:
    return {
        "rollout": facts.ref,
        "time": facts.now,
        "reason": decision.reason.value,
        "message": clipped(decision.message),
        "evidence": tuple(_metric(report) for report in facts.reports),
    }


def _ended(facts: Facts, decision: Decision, ended: Transaction) -> dict[str, Any]:
    last = decision.status.last_transaction
    concluded = last is not None and last.id == ended.id
    left = facts.by_number.get(ended.from_)
    live = facts.live.components if facts.live else ()
    return {
        "stage": RecordStage.OUTCOME,
        "transaction": ended.id,
        "actor": _OPERATOR,
        "action": Action.CONCLUDE.value,
        "from_": _revision(facts, decision, ended.from_),
        "to": _revision(facts, decision, ended.to),
        "components": _components(left.spec.components if left else (), live),
        "outcome": last.outcome if last is not None and concluded else decision.reason.value,
    }


def _begun(facts: Facts, decision: Decision, begun: Transaction) -> dict[str, Any]:
    left = facts.by_number.get(begun.from_)
    # Not `to`: a part of it may be restored, or a fallback be applied.
    wanted = _known(facts, decision).get(begun.result)
    return {
        "stage": RecordStage.INTENT,
        "transaction": begun.id,
        "actor": _OPERATOR,
        "action": decision.action.value,
        "from_": _revision(facts, decision, begun.from_),
        "to": _revision(facts, decision, begun.to),
        "components": _components(
            left.spec.components if left else (), wanted.spec.components if wanted else ()
        ),
    }


def _approval(facts: Facts, decision: Decision, begun: Transaction) -> dict[str, Any]:
    return {
        "stage": RecordStage.DECISION,
        "transaction": begun.id,
        "actor": _person(facts),
        "action": APPROVE,
        "from_": _revision(facts, decision, begun.from_),
        "to": _revision(facts, decision, begun.to),
    }


def _noted(facts: Facts, decision: Decision) -> dict[str, Any]:
    person = DECISIONS[decision.reason] is ActorKind.PERSON
    return {
        "stage": RecordStage.DECISION,
        "actor": _person(facts) if person else _OPERATOR,
        "action": decision.action.value,
        "from_": _revision(facts, decision, decision.from_),
        "to": _revision(facts, decision, decision.to),
    }


def _person(facts: Facts) -> RecordActor:
    stated = clipped(facts.stated, _LONGEST_REASON)
    return RecordActor(kind=ActorKind.PERSON, known_by="Unknown", stated=stated)


def _known(facts: Facts, decision: Decision) -> dict[int, Revision | NewRevision]:
    """All revisions by number, with those that the same decision creates."""
    return {**facts.by_number, **{new.spec.number: new for new in decision.create}}


def _revision(facts: Facts, decision: Decision, number: int | None) -> RecordedRevision | None:
    if number is None:
        return None
    found = _known(facts, decision).get(number)
    if found is None:
        return RecordedRevision(revision=number)
    return RecordedRevision(revision=number, name=found.name, digest=found.spec.digest)


def _components(
    before: tuple[ComponentValue, ...], after: tuple[ComponentValue, ...]
) -> tuple[RecordedComponent, ...]:
    old = {value.name: components_digest((value,)) for value in before}
    new = {value.name: components_digest((value,)) for value in after}
    return tuple(
        RecordedComponent(name=name, before=old.get(name, ""), after=new.get(name, ""))
        for name in dict.fromkeys((*old, *new))
    )[:16]


def _metric(report: MetricReport) -> RecordedMetric:
    return RecordedMetric(
        name=report.name,
        query=clipped(report.query, LONGEST_QUERY),
        value=_decimal(report.value),
        limit=report.limit,
        state=report.state.value,
        class_=report.metric_class.value,
        bad=_decimal(report.bad),
        total=_decimal(report.total),
        sample_time=report.sampled,
    )


def _decimal(number: float | None) -> str:
    """As text: a number would be written in another way by whoever reads and writes it next."""
    return "" if number is None else f"{number:.{_KEPT_NUMBERS}g}"
