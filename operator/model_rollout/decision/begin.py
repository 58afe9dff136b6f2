"""How a transaction begins: the target, the intent, the quarantine of the revision that is left."""

from collections.abc import Container
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
from model_rollout.decision.goals import Goal, best_goal, restoring, resulting
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.plan import different
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold
from model_rollout.decision.sentences import listed
from model_rollout.revisions.canonical import digest
from model_rollout.revisions.content import Content, changed_parts
from model_rollout.revisions.history import Revision

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

    @property
    def by_metric(self) -> bool:
        """Tell whether metrics say which components are at fault."""
        return self.reason in (Reason.METRIC_BREACHED, Reason.METRIC_SILENT)


def begin(facts: Facts, cause: Cause, target: Revision | None = None) -> Decision:
    """Return the decision to begin a transaction, or to hold because there is no way back.

    Without `target` the best one is looked for. The content must be readable and recorded.
    """
    if facts.current is None or facts.live is None or facts.workload is None:
        raise ValueError("a transaction begins from a recorded, readable workload")
    goal = restoring(facts, target) if target is not None else _best(facts, cause)
    if goal is None:
        return hold(
            facts,
            Reason.NO_TARGET,
            f"{cause.sentence}; there is no revision to go back to, so nothing was changed",
            phase=Phase.FAILED,
            from_=facts.current.revision,
        )
    return begin_towards(facts, cause, goal)


def _best(facts: Facts, cause: Cause) -> Goal | None:
    return best_goal(
        facts,
        cause.metrics if cause.by_metric else (),
        frozenset(cause.tried),
        fallbacks=cause.kind is TransactionKind.ROLLBACK,
    )


def begin_towards(facts: Facts, cause: Cause, goal: Goal) -> Decision:
    """Return the decision to begin a transaction that leads to this goal, or why it cannot."""
    live = facts.live
    assert live is not None
    changed = different(live.components, goal.components)
    if not changed:
        return _nothing_to_restore(facts, cause, goal, live)
    if shared := changed & facts.shared.keys():
        message = f"{cause.sentence}; nothing was changed: {facts.shared[min(shared)]}"
        from_ = facts.current.revision if facts.current else None
        return hold(facts, Reason.SHARED_COMPONENT, message, phase=Phase.FAILED, from_=from_)
    return _intent(facts, cause, goal, live)


def _nothing_to_restore(facts: Facts, cause: Cause, goal: Goal, live: Content) -> Decision:
    assert goal.revision is not None
    observed = goal.revision.spec.observed
    places = ", ".join(changed_parts(observed, live.observed)[:5]) or "nothing else"
    return hold(
        facts,
        Reason.NOTHING_TO_RESTORE,
        f"{cause.sentence}; the components are those of revision {goal.revision.number} already, "
        f"and what changed is not listed as a component: {places}",
        phase=Phase.FAILED,
        from_=facts.current.revision if facts.current else None,
    )


def _intent(facts: Facts, cause: Cause, goal: Goal, live: Content) -> Decision:
    assert facts.current is not None
    assert facts.workload is not None
    status, source = facts.status, facts.current.revision
    result, create = resulting(facts, goal, live)
    to = goal.revision.number if goal.revision else result
    attempt = status.attempts + 1
    message = clipped(f"{_what(cause, goal, source, to)}: {cause.sentence}")
    transaction = Transaction(
        id=transaction_id(facts, source, to, attempt),
        kind=cause.kind,
        reason=cause.reason,
        message=message,
        from_=source,
        to=to,
        result=result,
        components=goal.scope,
        fallback=goal.fallback or None,
        attempt=attempt,
        workload_uid=facts.workload.uid,
        stage=Stage.APPLYING,
        started_at=facts.now,
        metrics=cause.metrics,
        tried=_tried(cause, source, to, result),
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
        to=to,
    )


def _what(cause: Cause, goal: Goal, source: int, to: int) -> str:
    verb = "Reverting" if cause.kind is TransactionKind.REVERT else "Rolling back"
    if goal.fallback:
        return f"{verb} revision {source} to fallback {goal.fallback} (revision {to})"
    part = f"{listed(list(goal.scope))} of " if goal.scope else ""
    return f"{verb} {part}revision {source} to revision {to}"


def _tried(cause: Cause, source: int, to: int, result: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*(cause.tried or (source,)), to, result)))


def transaction_id(facts: Facts, source: int, target: int, attempt: int) -> str:
    """Return the id of a transaction: the same for the same decision, whoever makes it."""
    workload = facts.workload.uid if facts.workload else ""
    return digest([facts.ref.uid, workload, source, target, attempt])[:16]


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
    if cause.condemn is None or facts.quarantined(facts.current.digest):
        # What is condemned already stays so, with its own reason and its own count of reverts.
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


def without_entries(
    status: ModelRolloutStatus, revisions: Container[int]
) -> tuple[QuarantineEntry, ...]:
    """Return the quarantine without the entries of some revisions."""
    return tuple(entry for entry in status.quarantine if entry.revision not in revisions)
