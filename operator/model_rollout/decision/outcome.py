"""What comes out of a decision."""

from dataclasses import dataclass
from enum import StrEnum

from model_rollout.api.status import ModelRolloutStatus, Phase
from model_rollout.decision.reasons import Reason
from model_rollout.revisions.history import NewRevision
from model_rollout.revisions.objects import HttpWrite, Write

LONGEST = 2048
"""The longest sentence that the API takes."""


def clipped(sentence: str, length: int = LONGEST) -> str:
    """Return a sentence that fits: twenty metrics that breach at once say more than one may hold."""
    return sentence if len(sentence) <= length else sentence[: length - 1] + "…"


class Action(StrEnum):
    """What is done."""

    CONTINUE = "Continue"  # nothing is wrong
    WAIT = "Wait"  # something happens by itself
    HOLD = "Hold"  # something should be done and is not; the reason says why
    NOTE = "Note"  # a person did something: flip, unquarantine, apply again
    RECORD = "Record"  # a revision begins
    SERVE = "Serve"  # the current revision begins to serve
    PROMOTE = "Promote"  # the current revision is Stable
    ROLL_BACK = "RollBack"  # a transaction begins
    PREFLIGHT = "Preflight"  # every write of a transaction is tried as a dry run
    APPLY = "Apply"  # an object is written
    UNBLOCK = "Unblock"  # a pod that keeps a rollback from coming up is deleted
    UNDO = "Undo"  # what a transaction wrote is put back
    CONCLUDE = "Conclude"  # a transaction ends


@dataclass(frozen=True)
class Decision:
    """One decision. Status, Event, log line and metric are all written from it."""

    action: Action
    reason: Reason
    message: str
    phase: Phase
    status: ModelRolloutStatus
    """The facts that the decision changes; `status.complete` adds what people read."""
    create: tuple[NewRevision, ...] = ()
    writes: tuple[Write | HttpWrite, ...] = ()
    """What is sent to the API server after the status is written; more than one as a dry run only."""
    again: bool = False
    """Decide again at once: the decision only wrote down what happened."""
    drop: tuple[str, ...] = ()
    """Annotations of the ModelRollout to remove once the status is written."""
    pending: str = ""
    """Id of the transaction that would begin, were it not for a brake."""
    from_: int | None = None
    to: int | None = None

    @property
    def writes_workload(self) -> bool:
        """Tell whether the decision leads to a write of what serves the model."""
        return bool(self.writes) or self.action is Action.ROLL_BACK

    @property
    def begins(self) -> str:
        """The id of the transaction that begins; empty when none does."""
        transaction = self.status.transaction
        begun = self.action is Action.ROLL_BACK and transaction is not None
        return transaction.id if begun and transaction is not None else ""

    @property
    def remembered(self) -> bool:
        """Tell whether the decision is kept in `status.lastDecision`.

        The writes themselves are not: they were decided, and written down, with the intent.
        """
        return self.action not in (Action.CONTINUE, Action.WAIT) and not self.writes
