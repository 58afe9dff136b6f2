"""One check of one guard: gather → decide → persist → act, until nothing is left to write down."""

import logging
from dataclasses import replace
from typing import Protocol

from pydantic import ValidationError

from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.fleet import counts
from model_rollout.decision.outcome import Decision
from model_rollout.decision.reasons import Reason
from model_rollout.engine.act import Actor
from model_rollout.engine.fleet import Fleet
from model_rollout.engine.gather import Gatherer
from model_rollout.engine.guard import Guard, parse_guard
from model_rollout.engine.memory import Memory
from model_rollout.engine.persist import NotLeading, Persister
from model_rollout.engine.store import Store
from model_rollout.ports.clock import Clock
from model_rollout.ports.kubernetes import ApiError, Conflict, Key, TestFailed, Unavailable

log = logging.getLogger(__name__)

NEVER = -1.0
_ROUNDS = 12
"""A check that writes down more than this in a row is a defect; it goes on at the next check."""

_RETRY = 1.0
_LONGEST_RETRY = 30.0


class Observer(Protocol):
    """Who counts what happens."""

    def check_ended(self, result: str, duration: float) -> None:
        """Count one check and how many seconds it took."""
        ...

    def decided(self, action: str, reason: str) -> None:
        """Count one decision."""
        ...

    def fleet(self, count: int, frozen: bool) -> None:
        """Say how many models rolled back lately or would have, and whether none may now."""
        ...


class Checker:
    """Checks guards; an error of one never reaches another."""

    def __init__(
        self,
        store: Store,
        gatherer: Gatherer,
        persister: Persister,
        actor: Actor,
        fleet: Fleet,
        observer: Observer,
        clock: Clock,
    ) -> None:
        """All collaborators; `observer` is told of checks, decisions and the fleet brake."""
        self._store = store
        self._gatherer = gatherer
        self._persister = persister
        self._actor = actor
        self._fleet = fleet
        self._observer = observer
        self._clock = clock
        self._memories: dict[Key, Memory] = {}

    def forget(self, key: Key) -> None:
        """Drop the memory of a guard that is gone."""
        self._memories.pop(key, None)
        self._fleet.forget(key)

    async def check(self, key: Key) -> float:
        """Check one guard; return the seconds until it is due again, or NEVER when it is gone."""
        body = self._store.rollout(key)
        if body is None:
            return NEVER
        memory = self._memory(key, body["metadata"]["uid"])
        begun = self._clock.monotonic()
        try:
            delay = await self._rounds(key, memory)
            memory.failures = 0
            result = "ok"
        except ApiError as error:
            result, delay = type(error).__name__, _backoff(memory, error)
            self._log_failure(key, error, delay)
        except ValidationError as error:
            # The CRD refuses such objects; one that was stored before it did is left alone.
            fields = sorted({".".join(map(str, e["loc"])) for e in error.errors()})
            log.error("malformed object", extra={"rollout": str(key), "fields": fields})
            result, delay = "Malformed", _LONGEST_RETRY
        except NotLeading:
            raise
        except Exception:
            # A defect in the core must not take the guards of everybody else down with it.
            log.exception("check failed", extra={"rollout": str(key)})
            result, delay = "Defect", _LONGEST_RETRY
        self._observer.check_ended(result, self._clock.monotonic() - begun)
        return delay

    def _memory(self, key: Key, uid: str) -> Memory:
        memory = self._memories.get(key)
        if memory is None or memory.uid != uid:
            memory = self._memories[key] = Memory(uid)
        return memory

    async def _rounds(self, key: Key, memory: Memory) -> float:
        for _ in range(_ROUNDS):
            body = self._store.rollout(key)
            if body is None:
                return NEVER
            guard = memory.guard = parse_guard(body, memory.guard)
            decision = await self._round(key, guard, memory)
            if not decision.again:
                return _delay(guard, memory, decision, self._clock.monotonic())
        return _RETRY

    async def _round(self, key: Key, guard: Guard, memory: Memory) -> Decision:
        await self._persister.catch_up(guard, memory)
        facts = await self._gatherer.gather(guard, memory)
        facts, decision = self._decide(key, facts)
        self._observer.decided(decision.action.value, decision.reason.value)
        self._observer.fleet(*self._fleet.state(facts.now))
        if decision.remembered and guard.status.reason != decision.reason.value:
            log.info(
                decision.message,
                extra={
                    "rollout": str(key),
                    "action": decision.action.value,
                    "reason": decision.reason.value,
                },
            )
        await self._persister.persist(guard, memory, facts, decision)
        await self._actor.act(guard, memory, facts, decision)
        return decision

    def _decide(self, key: Key, facts: Facts) -> tuple[Facts, Decision]:
        """Decide, and once more where the fleet brake is on for what would begin.

        Nothing is awaited in between: of two that would begin at once, one sees the other.
        """
        decision = decide(facts)
        on = self._fleet.brake(key, facts.now) if counts(decision) else ""
        if on:
            facts = replace(facts, fleet=on)
            decision = decide(facts)
        self._fleet.note(key, decision, facts.now)
        return facts, decision

    def _log_failure(self, key: Key, error: ApiError, delay: float) -> None:
        # Somebody else was first: that is how two writers are kept apart, not a failure.
        level = logging.INFO if isinstance(error, Conflict | TestFailed) else logging.WARNING
        extra = {"rollout": str(key), "error": str(error), "retry": delay}
        log.log(level, "check not finished", extra=extra)


def _delay(guard: Guard, memory: Memory, decision: Decision, now: float) -> float:
    interval = guard.spec.analysis.interval
    if decision.reason is Reason.SETTLING:
        settled = memory.unchanged_since + guard.spec.analysis.settle
        return min(interval, max(0.0, settled - now) + 0.01)
    # From measurement to measurement: neither the time that a check takes nor a check in between,
    # because something was seen to change, may stretch the pace that the evidence needs.
    left = memory.next_measurement - now
    return left if 0.0 < left < interval else interval


def _backoff(memory: Memory, error: ApiError) -> float:
    if isinstance(error, Conflict | TestFailed) and memory.failures < 3:
        memory.failures += 1
        return 0.05
    memory.failures += 1
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return max(_RETRY, error.retry_after)
    return min(_LONGEST_RETRY, _RETRY * 2.0 ** min(memory.failures, 5))
