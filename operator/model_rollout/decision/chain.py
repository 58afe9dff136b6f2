"""Where a chain goes on when its last target could not be restored, did not come up or did not help."""

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import Transaction, TransactionKind
from model_rollout.decision.begin import Cause, begin_towards
from model_rollout.decision.facts import Facts
from model_rollout.decision.goals import Goal, best_goal, restoring
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason
from model_rollout.decision.targets import eligible


def go_on(
    facts: Facts,
    transaction: Transaction,
    reason: Reason,
    sentence: str,
    condemn: RevisionPhase | None,
) -> Decision | None:
    """Return the decision to try the next candidate; None when there is none left."""
    return _begin(facts, transaction, _next(facts, transaction), reason, sentence, condemn)


def whole_instead(facts: Facts, transaction: Transaction, sentence: str) -> Decision | None:
    """Return the decision to restore everything after a part did not help, which is done once."""
    origin = facts.by_number.get(transaction.to)
    if not transaction.components or origin is None or facts.live is None:
        return None
    if not eligible(facts, origin):
        return None
    reason, condemn = Reason(transaction.reason), RevisionPhase.QUARANTINED
    return _begin(facts, transaction, restoring(facts, origin), reason, sentence, condemn)


def _next(facts: Facts, transaction: Transaction) -> Goal | None:
    live = facts.live
    if live is None:
        return None
    # The same components over another rest are live already.
    same = {r.number for r in facts.revisions if r.components_digest == live.components_digest}
    return best_goal(
        facts,
        (),
        frozenset(transaction.tried) | same,
        fallbacks=transaction.kind is not TransactionKind.SWITCH,
    )


def _begin(
    facts: Facts,
    transaction: Transaction,
    goal: Goal | None,
    reason: Reason,
    sentence: str,
    condemn: RevisionPhase | None,
) -> Decision | None:
    if goal is None:
        return None
    reverts = transaction.kind is TransactionKind.REVERT
    cause = Cause(
        # A revert that cannot be done becomes a rollback; a person's stays a person's.
        kind=TransactionKind.ROLLBACK if reverts else transaction.kind,
        reason=reason,
        sentence=sentence,
        condemn=condemn,
        metrics=transaction.metrics,
        tried=transaction.tried,
    )
    decision = begin_towards(facts, cause, goal)
    return decision if decision.action is Action.ROLL_BACK else None
