"""The phase of every ModelRevision, derived anew at each check from what is stored.

Derived, not remembered: whatever was not written before a crash is written by the next check.
"""

from model_rollout.analysis.report import MetricReport
from model_rollout.api.revision import (
    MetricSummary,
    ModelRevisionStatus,
    RevisionPhase,
    ServedPeriod,
)
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason
from model_rollout.decision.targets import EXPIRED, IMPORTED, UNPROVEN
from model_rollout.revisions.history import Revision, surplus

_KEPT_PERIODS = 20


def revision_changes(
    facts: Facts, decision: Decision
) -> tuple[tuple[str, ModelRevisionStatus], ...]:
    """Return the names of the ModelRevisions whose status differs from what it should be, with it."""
    changes = []
    for revision in facts.revisions:
        wanted = _wanted(facts, decision, revision)
        if wanted != revision.status:
            changes.append((revision.name, wanted))
    return tuple(changes)


def prunable(facts: Facts, status: ModelRolloutStatus) -> tuple[Revision, ...]:
    """Return the ModelRevisions beyond `history.limit`, oldest first.

    Kept in any case: the current one, the newest stable one, all that a transaction names, and the
    one with the highest number, for the next number is counted from it.
    """
    kept = {max(facts.by_number, default=0)}
    kept |= {status.current.revision} if status.current else set()
    kept |= {status.stable.revision} if status.stable else set()
    if status.transaction is not None:
        transaction = status.transaction
        kept |= {transaction.from_, transaction.to, transaction.result, *transaction.tried}
    return surplus(facts.revisions, facts.spec.history.limit, frozenset(kept))


def _wanted(facts: Facts, decision: Decision, revision: Revision) -> ModelRevisionStatus:
    status = decision.status
    is_current = status.current is not None and status.current.revision == revision.number
    phase, reason, message = _phase(facts, decision, revision, is_current)
    changes: dict[str, object] = {"served": _served(facts, status, revision, is_current)}
    changed = (phase, reason) != (revision.phase, revision.status.reason)
    if changed:
        changes |= {"phase": phase, "reason": reason, "message": clipped(message, 1024)}
        changes["since"] = facts.now
    if (changed or _ends(facts, decision, revision)) and _measured(facts, revision):
        changes["metrics"] = tuple(_summary(report) for report in facts.reports)
    return revision.status.model_copy(update=changes)


def _measured(facts: Facts, revision: Revision) -> bool:
    now = facts.current is not None and facts.current.revision == revision.number
    return now and any(report.checks for report in facts.reports)


def _ends(facts: Facts, decision: Decision, revision: Revision) -> bool:
    """Its serving period ends: what was measured until now is what the next one is compared with."""
    served = bool(revision.status.served) and revision.status.served[-1].to is None
    after = decision.status.current
    if after is None or after.revision != revision.number:
        return served
    return served and after.serving_since is None


def _phase(
    facts: Facts, decision: Decision, revision: Revision, is_current: bool
) -> tuple[RevisionPhase, str, str]:
    old = revision.status
    for entry in decision.status.quarantine:
        if entry.revision == revision.number:
            return entry.phase, entry.reason, entry.message
    if is_current and decision.action is Action.PROMOTE:
        return RevisionPhase.STABLE, Reason.PROVEN, decision.message
    if old.phase is RevisionPhase.CANDIDATE and _inherited(facts, revision):
        return RevisionPhase.STABLE, Reason.COMPONENTS_CHANGED, "inherited"
    if old.phase is RevisionPhase.STABLE:
        return old.phase, old.reason, old.message
    if is_current:
        reason = _progress(facts, revision)
        return RevisionPhase.CANDIDATE, reason, old.message if reason == old.reason else ""
    return _replaced(revision)


def _inherited(facts: Facts, revision: Revision) -> bool:
    origin = facts.by_number.get(revision.spec.inherits_from or 0)
    return origin is not None and origin.phase is RevisionPhase.STABLE


def _progress(facts: Facts, revision: Revision) -> str:
    """How far the current candidate came; `Suspicious` stays, for it must not be a target."""
    old = revision.status
    if old.phase is RevisionPhase.CANDIDATE and old.reason == Reason.SUSPICIOUS:
        return old.reason
    # Clocks and reports speak of the revision that was current before this decision.
    measured = facts.current is not None and facts.current.revision == revision.number
    if measured and facts.warmed_up:
        suspicious = any(report.suspicious for report in facts.guarding)
        return Reason.SUSPICIOUS if suspicious else Reason.WARMED_UP
    # What was good enough to go back to stays so while it begins to serve once more.
    kept = old.phase is RevisionPhase.CANDIDATE or old.reason in UNPROVEN
    return old.reason if kept else ""


def _replaced(revision: Revision) -> tuple[RevisionPhase, str, str]:
    old = revision.status
    if old.phase in (RevisionPhase.QUARANTINED, RevisionPhase.UNUSABLE):
        # Its entry is gone: cleared by a person or by verification, or expired.
        reason = EXPIRED if old.phase is RevisionPhase.UNUSABLE else Reason.UNQUARANTINED
        return RevisionPhase.SUPERSEDED, reason, ""
    if revision.spec.imported and not old.served:
        return RevisionPhase.SUPERSEDED, IMPORTED, "read from a ReplicaSet; never measured"
    reason = old.reason or "ReplacedEarly"
    return RevisionPhase.SUPERSEDED, reason, old.message


def _served(
    facts: Facts, status: ModelRolloutStatus, revision: Revision, is_current: bool
) -> tuple[ServedPeriod, ...]:
    periods = revision.status.served
    start = status.current.serving_since if is_current and status.current else None
    if start is not None and not any(p.to is None for p in periods):
        return (*periods, ServedPeriod(from_=start))[-_KEPT_PERIODS:]
    if start is None and periods and periods[-1].to is None:
        ended = periods[-1].model_copy(update={"to": facts.now})
        return (*periods[:-1], ended)
    return periods


def _summary(report: MetricReport) -> MetricSummary:
    return MetricSummary(
        name=report.name,
        value=report.value,
        min=report.least,
        max=report.greatest,
        checks=report.checks,
        bad=report.bad,
        total=report.total,
    )
