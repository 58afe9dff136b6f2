"""How a transaction ends."""

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import (
    Failure,
    LastTransaction,
    Phase,
    Transaction,
    TransactionKind,
)
from model_rollout.decision.begin import without_entries
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision, clipped
from model_rollout.decision.reasons import Reason


def conclude(
    facts: Facts,
    transaction: Transaction,
    outcome: Reason,
    message: str,
    *,
    phase: Phase = Phase.PROGRESSING,
    failure: Failure | None = None,
    lift: tuple[int, ...] = (),
) -> Decision:
    """Return the decision that ends the transaction; `lift` names quarantines that fall with it."""
    message = clipped(message)
    last = LastTransaction(
        id=transaction.id,
        kind=transaction.kind,
        from_=transaction.from_,
        to=transaction.to,
        started_at=transaction.started_at,
        ended_at=facts.now,
        outcome=outcome,
        message=message,
    )
    changes = {
        "transaction": None,
        "last_transaction": last,
        "failure": failure,
        "quarantine": without_entries(facts.status, lift),
    }
    return Decision(
        Action.CONCLUDE,
        outcome,
        message,
        phase,
        facts.status.model_copy(update=changes),
        again=True,
        from_=transaction.from_,
        to=transaction.to,
    )


def refused(facts: Facts, transaction: Transaction, message: str) -> Decision:
    """Return the decision that ends a transaction of which nothing is written."""
    lift = condemned_by_intent(facts, transaction)
    return conclude(facts, transaction, Reason.REFUSED, message, phase=Phase.FAILED, lift=lift)


def condemned_by_intent(facts: Facts, transaction: Transaction) -> tuple[int, ...]:
    """Return what the intent condemned: it is not where nothing was written, unless it was before."""
    by_switch = transaction.kind is TransactionKind.SWITCH
    return tuple(
        entry.revision
        for entry in facts.status.quarantine
        if entry.revision == transaction.from_
        # What was there before was reverted, or has a reason of its own.
        and entry.reverts == 0
        and (not by_switch or entry.reason == Reason.SWITCH_ROLLBACK)
    )


def condemned_by_chain(facts: Facts, transaction: Transaction) -> tuple[int, ...]:
    """Return the revisions that this chain left because of a metric: if nothing helps, wrongly so."""
    chain = frozenset(transaction.tried or (transaction.from_,))
    return tuple(
        entry.revision
        for entry in facts.status.quarantine
        if entry.revision in chain and entry.phase is RevisionPhase.QUARANTINED
    )
