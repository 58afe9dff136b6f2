"""What people read: a sentence for every decision, an outcome for every transaction."""

from collections import Counter

from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Decision
from model_rollout.decision.phases import EDGES
from unit.decision.machine.watcher import Stored, Watcher


class Sentences(Watcher):
    """Every decision says in words what it is about."""

    def decided(self, facts: Facts, decision: Decision) -> None:
        assert len(decision.message.split()) > 1

    def stored(self, stored: Stored) -> None:
        if stored.begun is not None:
            assert stored.begun.message
            last = stored.after.last_decision
            assert last is not None
            assert (last.from_, last.to) == (stored.begun.from_, stored.begun.to)


class Outcomes(Watcher):
    """A transaction that ends has an outcome and a sentence; its id is used once."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def stored(self, stored: Stored) -> None:
        before, after = stored.before, stored.after
        assert after.attempts == before.attempts + (stored.begun is not None)
        if stored.begun is not None:
            assert stored.begun.id not in self._ids
            self._ids.add(stored.begun.id)
        last = after.last_transaction
        if stored.ended is None:
            assert last == before.last_transaction
            return
        assert last is not None
        assert (last.id, last.ended_at) == (stored.ended.id, stored.facts.now)
        assert last.outcome
        assert len(last.message.split()) > 1


class Phases(Watcher):
    """Phases follow the table of edges, read here and not through `transition`."""

    def stored(self, stored: Stored) -> None:
        before, after = stored.before.phase, stored.after.phase
        masked = "Paused" in (before, after)
        assert masked or before is after or after in EDGES[before]
        assert _fits(stored.after)


def _fits(status: ModelRolloutStatus) -> bool:
    """`RollingBack` and `Verifying` are said of a transaction only."""
    return status.transaction is not None or status.phase not in ("RollingBack", "Verifying")


class Reached(Watcher):
    """Counts what the runs came to: a machine that reaches little proves little."""

    def __init__(self, counter: Counter[str]) -> None:
        self._counter = counter

    def stored(self, stored: Stored) -> None:
        self._counter[stored.decision.reason.value] += 1
