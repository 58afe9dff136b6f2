"""Which models rolled back lately, or would have: what the fleet brake is decided on."""

from collections.abc import Collection

from model_rollout.api.types import parse_time
from model_rollout.decision.fleet import NAMESPACES, FleetLimits, counts, frozen
from model_rollout.decision.outcome import Action, Decision
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Json, Key


class Fleet:
    """Remembers of each ModelRollout when it rolled back last, or would have were it not for a brake.

    Times are wall clock: those of before a restart are read from the statuses. In an outage of
    thousands, a check of one that is fine must not look at all of them.
    """

    def __init__(self, store: Store, limits: FleetLimits) -> None:
        """`store` says how many ModelRollouts there are, and where."""
        self._store = store
        self._limits = limits
        self._seen: dict[Key, float] = {}
        """When each counted last, oldest first."""
        self._changes = 0
        self._judged = (0, 0, False)

    def seed(self, now: float) -> None:
        """Take over what a predecessor saw: rollbacks that were begun, and those that are held."""
        found = {key: _last(body.get("status") or {}, now) for key, body in self._store.rollouts()}
        known = {key: time for key, time in found.items() if time is not None}
        self._seen = dict(sorted(known.items(), key=lambda item: item[1]))
        self._changes += 1

    def brake(self, key: Key, now: float) -> str:
        """Return why this one may not roll back now, as a sentence; empty when it may."""
        self._forget_old(now)
        return self._frozen({*self._seen, key})

    def note(self, key: Key, decision: Decision, now: float) -> None:
        """Take in what was decided."""
        if counts(decision):
            self._changes += key not in self._seen
            self._seen.pop(key, None)  # to the end, where the newest are
            self._seen[key] = now

    def forget(self, key: Key) -> None:
        """Drop one that was deleted."""
        if self._seen.pop(key, None) is not None:
            self._changes += 1

    def state(self, now: float) -> tuple[int, bool]:
        """Return how many count at this moment, and whether the brake is on for all."""
        self._forget_old(now)
        changes, total, on = self._judged
        if (changes, total) != (self._changes, len(self._store)):
            on = bool(self._frozen(self._seen))
            self._judged = (self._changes, len(self._store), on)
        return len(self._seen), on

    def _frozen(self, affected: Collection[Key]) -> str:
        count, total = len(affected), len(self._store)
        if not self._limits.exceeded_by(count, total):
            return ""
        spread = existing = len({key.namespace for key in affected})
        if spread < NAMESPACES:
            existing = len({key.namespace for key, _ in self._store.rollouts()})
        return frozen(self._limits, count, total, spread, existing)

    def _forget_old(self, now: float) -> None:
        since = now - self._limits.window
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > since:
                return
            self.forget(oldest)


def _last(status: Json, now: float) -> float | None:
    """When it rolled back last; now, where it still would."""
    last = status.get("lastDecision") or {}
    held = last.get("action") == Action.HOLD and last.get("reason") == status.get("reason")
    if held and (last.get("transaction") or status.get("failure")):
        return now
    starts = status.get("rollbacks") or ()
    try:
        return parse_time(starts[-1]) if starts else None
    except ValueError:
        return None  # the check of this very one says that it is malformed
