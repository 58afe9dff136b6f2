"""What is told to those who check what must hold: every decision and every write."""

from dataclasses import dataclass

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus, Transaction
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Decision
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.history import Revision


@dataclass(frozen=True)
class Stored:
    """A status that was written, and what it was decided from."""

    facts: Facts
    decision: Decision
    before: ModelRolloutStatus
    after: ModelRolloutStatus

    @property
    def begun(self) -> Transaction | None:
        """The transaction that this status brings."""
        after = self.after.transaction
        new = after is not None and (
            self.before.transaction is None or self.before.transaction.id != after.id
        )
        return after if new else None

    @property
    def chained(self) -> bool:
        """It takes the place of another that is not over: the next candidate of a chain."""
        return self.begun is not None and self.before.transaction is not None

    @property
    def ended(self) -> Transaction | None:
        """The transaction that ends with this status, for good."""
        return self.before.transaction if self.after.transaction is None else None


@dataclass(frozen=True)
class Patched:
    """A write of the workload that the API server took, and what was stored at this moment."""

    now: float
    spec: ModelRolloutSpec
    status: ModelRolloutStatus
    before: Json
    after: Json


class Watcher:
    """Asserts what must hold. It trusts its own book, not what the core wrote down."""

    def decided(self, facts: Facts, decision: Decision) -> None:
        """Every decision, also one that is not written because the process dies."""

    def created(self, number: int, digest: str) -> None:
        """A ModelRevision was created."""

    def stored(self, stored: Stored) -> None:
        """A status was written."""

    def preflighted(self, transaction: str) -> None:
        """The API server took every write of a transaction as a dry run."""

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        """The workload was written; `revisions` are those that the operator knows."""

    def flipped(self) -> None:
        """A person flipped the switch to Rollback, or away from it."""
