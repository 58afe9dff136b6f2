"""The fleet brake: when many models would roll back at once, measuring or the platform is broken."""

from dataclasses import dataclass

from model_rollout.api.status import TransactionKind
from model_rollout.api.types import duration_text
from model_rollout.decision.outcome import Decision
from model_rollout.decision.reasons import Reason

NAMESPACES = 3
"""One team that breaks its own models is no outage."""

_DID_NOT_HELP = (Reason.STILL_BREACHED, Reason.ROLLBACK_DID_NOT_HELP)


@dataclass(frozen=True, slots=True)
class FleetLimits:
    """When so many models would roll back that none may."""

    window: float = 600.0
    """Seconds within which they are counted; 0 turns the brake off."""
    least: int = 5
    share: float = 0.2
    """Of all ModelRollouts."""

    def exceeded_by(self, count: int, total: int) -> bool:
        """Tell whether so many of all ModelRollouts are too many, wherever they are."""
        return count >= self.least and count >= self.share * total


def frozen(limits: FleetLimits, count: int, total: int, spread: int, existing: int) -> str:
    """Return why no rollback may begin, as a sentence; empty when one may.

    Args:
        limits: What is too many.
        count: How many ModelRollouts rolled back within the window, or would have.
        total: Of so many.
        spread: In how many namespaces.
        existing: Of so many with a ModelRollout.
    """
    if not limits.exceeded_by(count, total) or spread < min(NAMESPACES, existing):
        return ""
    where = "1 namespace" if spread == 1 else f"{spread} namespaces"
    return (
        f"{count} of {total} models in {where} roll back or would within "
        f"{duration_text(limits.window)}: that is an outage of the measurement or of the platform"
    )


def counts(decision: Decision) -> bool:
    """Tell whether a decision counts: a rollback begins, a brake holds one, or one did not help.

    Those of the kill switch do not: a person may roll back as many models as they want.
    """
    if decision.begins:
        transaction = decision.status.transaction
        return transaction is not None and transaction.kind is not TransactionKind.SWITCH
    return bool(decision.pending) or decision.reason in _DID_NOT_HELP
