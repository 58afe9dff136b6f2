"""How a transaction begins: the target, the intent, the quarantine of the revision that is left."""

from dataclasses import dataclass

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import (
    ModelRolloutStatus,
    Phase,
    QuarantineEntry,
    Stage,
    Transaction,
    TransactionKind,
)
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold
from model_rollout.decision.targets import find_target
from model_rollout.revisions.canonical import digest
from model_rollout.revisions.content import Content, changed_parts, identity
from model_rollout.revisions.history import NewRevision, Revision, new_revision

UNUSABLE_FOR = 86400.0
"""Seconds after which a revision that could not be brought up may be tried again."""

_KEPT_STARTS = 50
KEPT_ENTRIES = 100
"""So many quarantined revisions are remembered; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a transaction begins."""

    kind: TransactionKind
    reason: Reason
    sentence: str
    condemn: RevisionPhase | None
    """Quarantined or Unusable: what becomes of the revision that is left; None: nothing."""
    metrics: tuple[str, ...] = ()
    tried: tuple[int, ...] = ()
    """Revisions of the chain that this transaction continues."""


def begin(facts: Facts, cause: Cause, target: Revision | None = None) -> Decision:
    """Return the decision to begin a transaction, or to hold because there is no way back.

    Without `target` the best one is looked for. The content must be readable and recorded.
    """
    current, live = facts.current, facts.live
    if current is None or live is None or facts.workload is None:
        raise ValueError("a transaction begins from a recorded, readable workload")
    tried = frozenset(cause.tried)
    target = target or find_target(facts, tried)
    if target is None:
        return hold(
            facts,
            Reason.NO_TARGET,
            f"{cause.sentence}; there is no revision to go back to, so nothing was changed",
            phase=Phase.FAILED,
            from_=current.revision,
        )
    if target.components_digest == live.components_digest:
        return _nothing_to_restore(facts, cause, target, live)
    return _intent(facts, cause, target, live)


def _nothing_to_restore(facts: Facts, cause: Cause, target: Revision, live: Content) -> Decision:
    places = ", ".join(changed_parts(target.spec.observed, live.observed)[:5]) or "nothing else"
    return hold(
        facts,
        Reason.NOTHING_TO_RESTORE,
        f"{cause.sentence}; the components are those of revision {target.number} already, and what "
        f"changed is not listed as a component: {places}",
        phase=Phase.FAILED,
        from_=facts.current.revision if facts.current else None,
    )


def _intent(facts: Facts, cause: Cause, target: Revision, live: Content) -> Decision:
    assert facts.current is not None
    assert facts.workload is not None
    status, source = facts.status, facts.current.revision
    result, create = resulting(facts, target, live)
    attempt = status.attempts + 1
    verb = "Reverting" if cause.kind is TransactionKind.REVERT else "Rolling back"
    message = clipped(f"{verb} revision {source} to revision {target.number}: {cause.sentence}")
    transaction = Transaction(
        id=transaction_id(facts, source, target.number, attempt),
        kind=cause.kind,
        reason=cause.reason,
        message=message,
        from_=source,
        to=target.number,
        result=result,
        attempt=attempt,
        workload_uid=facts.workload.uid,
        stage=Stage.APPLYING,
        started_at=facts.now,
        metrics=cause.metrics,
        tried=(*(cause.tried or (source,)), target.number),
    )
    changes = {
        "attempts": attempt,
        "transaction": transaction,
        "failure": None,
        "quarantine": condemned(facts, cause),
        "rollbacks": _starts(facts, cause),
    }
    if cause.kind is TransactionKind.SWITCH and status.kill_switch is not None:
        changes["kill_switch"] = status.kill_switch.model_copy(
            update={"transaction": transaction.id}
        )
    return Decision(
        Action.ROLL_BACK,
        cause.reason,
        message,
        Phase.ROLLING_BACK,
        status.model_copy(update=changes),
        create=create,
        again=True,
        from_=source,
        to=target.number,
    )


def transaction_id(facts: Facts, source: int, target: int, attempt: int) -> str:
    """Return the id of a transaction: the same for the same decision, whoever makes it."""
    workload = facts.workload.uid if facts.workload else ""
    return digest([facts.ref.uid, workload, source, target, attempt])[:16]


def resulting(facts: Facts, target: Revision, live: Content) -> tuple[int, tuple[NewRevision, ...]]:
    """Return the revision that results: the target, or its components over the live rest."""
    wanted = identity(target.spec.components, live.observed_digest)
    for revision in (target, *facts.revisions):
        if revision.spec.digest == wanted:
            return revision.number, ()
    content = Content(target.spec.components, live.observed_digest, live.observed)
    created = new_revision(facts.ref, facts.next_number(), content, restored_from=target.number)
    return created.spec.number, (created,)


def condemned(facts: Facts, cause: Cause) -> tuple[QuarantineEntry, ...]:
    """Return the quarantine after the current revision is left for this cause."""
    assert facts.current is not None
    entries = facts.status.quarantine
    if cause.kind is TransactionKind.REVERT:
        return tuple(
            e.model_copy(update={"reverts": e.reverts + 1})
            if e.digest == facts.current.digest
            else e
            for e in entries
        )
    if cause.condemn is None:
        return entries
    unusable = cause.condemn is RevisionPhase.UNUSABLE
    entry = QuarantineEntry(
        revision=facts.current.revision,
        digest=facts.current.digest,
        phase=cause.condemn,
        reason=cause.reason,
        message=clipped(cause.sentence),
        since=facts.now,
        expires=facts.now + UNUSABLE_FOR if unusable else None,
    )
    others = tuple(e for e in entries if e.digest != entry.digest)
    return (*others, entry)[-KEPT_ENTRIES:]


def _starts(facts: Facts, cause: Cause) -> tuple[float, ...]:
    """A chain counts once; reverts and the switch's rollbacks do not count."""
    starts = facts.status.rollbacks
    if cause.kind is not TransactionKind.ROLLBACK or cause.tried:
        return starts
    return (*starts, facts.now)[-_KEPT_STARTS:]


def without_entry(status: ModelRolloutStatus, revision: int) -> tuple[QuarantineEntry, ...]:
    """Return the quarantine without the entry of one revision."""
    return tuple(entry for entry in status.quarantine if entry.revision != revision)
