"""Where a rollback goes: the candidates in order of preference."""

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import RollbackTo
from model_rollout.decision.facts import Facts
from model_rollout.decision.reasons import Reason
from model_rollout.revisions.content import identity, shape
from model_rollout.revisions.history import Revision

IMPORTED = "Imported"
EXPIRED = "Expired"

UNPROVEN = (Reason.WARMED_UP.value, EXPIRED, IMPORTED)
"""Reasons of revisions that served without being measured to the end, best first."""


def find_target(facts: Facts, tried: frozenset[int] = frozenset()) -> Revision | None:
    """Return the best revision to go back to, or None.

    Never the current revision, one that was tried in the same chain, one that is quarantined or
    unusable, or one that lacks a component of the spec.
    """
    ranked = _previous(facts) if facts.spec.rollback.to is RollbackTo.PREVIOUS else _stable(facts)
    return next((revision for revision in ranked if eligible(facts, revision, tried)), None)


def eligible(facts: Facts, revision: Revision, tried: frozenset[int] = frozenset()) -> bool:
    """Tell whether a rollback may go to this revision."""
    current = facts.current
    if revision.number in tried or (current and revision.number == current.revision):
        return False
    if facts.quarantined(revision.spec.digest) or facts.live is None:
        return False
    if shape(revision.spec.components) != shape(facts.live.components):
        return False
    # Over another rest of the template the same components may be a content known to be bad, or one
    # that this chain was at.
    result = identity(revision.spec.components, facts.live.observed_digest)
    been = {r.spec.digest for r in facts.revisions if r.number in tried}
    return result not in been and facts.quarantined(result) is None


def _latest(revision: Revision) -> tuple[float, int]:
    return (revision.last_served, revision.number)


def _stable(facts: Facts) -> list[Revision]:
    stable = [r for r in facts.revisions if r.phase is RevisionPhase.STABLE]
    ranked = sorted(stable, key=_latest, reverse=True)
    if facts.spec.rollback.allow_unproven:
        for reason in UNPROVEN:
            ranked += sorted(_superseded(facts, reason), key=_latest, reverse=True)
    return ranked


def _previous(facts: Facts) -> list[Revision]:
    finished = [r for r in facts.revisions if r.phase is RevisionPhase.STABLE]
    finished += _superseded(facts, Reason.WARMED_UP.value)
    ranked = sorted(finished, key=_latest, reverse=True)
    if facts.spec.rollback.allow_unproven:
        for reason in (EXPIRED, IMPORTED):
            ranked += sorted(_superseded(facts, reason), key=_latest, reverse=True)
    return ranked


def _superseded(facts: Facts, reason: str) -> list[Revision]:
    return [
        r
        for r in facts.revisions
        if r.phase in (RevisionPhase.SUPERSEDED, RevisionPhase.CANDIDATE)
        and r.status.reason == reason
    ]
