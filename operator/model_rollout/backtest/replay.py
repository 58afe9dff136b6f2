"""Runs the product's own gather and decision code over the past, one check after the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.analysis.report import MetricReport
from model_rollout.backtest.clock import Grid, SimulatedClock
from model_rollout.backtest.cluster import SimulatedCluster
from model_rollout.backtest.episodes import Episode, Episodes
from model_rollout.backtest.groups import RecordedGroups
from model_rollout.backtest.history import History
from model_rollout.backtest.recorded import RecordedPrometheus
from model_rollout.backtest.sightings import sightings
from model_rollout.backtest.trace import Trace
from model_rollout.backtest.workload import Objects
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.gather import Gatherer
from model_rollout.engine.guard import Guard, parse_guard
from model_rollout.engine.measure import Measurer, one_by_one
from model_rollout.engine.memory import Memory
from model_rollout.engine.metrics import Metrics
from model_rollout.engine.persist import Persister
from model_rollout.engine.rulebook import RuleBook
from model_rollout.engine.servers import Servers
from model_rollout.engine.store import Store, key_of
from model_rollout.ports.kubernetes import Json

_ROUNDS = 12
"""As the engine: so many decisions that only write something down follow each other at most."""
_OFTEN = 256
"""Checks between two turns of the event loop, in which what is fetched ahead arrives."""

Progress = Callable[[float], None]
"""Told from time to time which share of the checks is made."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which one revision was deployed. Times in seconds since the epoch."""

    revision: int
    replica_set: str
    begin: float
    serving: float | None = None
    """When it began to serve; None: it never did."""
    stable: float | None = None
    """When it was proven Stable; None: never in this time."""
    end: float | None = None
    """None: it was still deployed at the end of the period."""


@dataclass(slots=True)
class Replayed:
    """What came of all checks."""

    period: Grid
    episodes: tuple[Episode, ...]
    traces: tuple[Trace, ...]
    spells: tuple[Spell, ...]
    spacings: dict[str, list[float]] = field(default_factory=dict)


class Replay:
    """One policy over one period."""

    def __init__(
        self,
        rollout: Json,
        templates: tuple[Json, ...],
        objects: tuple[Objects, ...],
        history: History,
        period: Grid,
        *,
        shortcut: bool = True,
    ) -> None:
        """`shortcut` false: each check writes down what it decided, also when nothing changed."""
        self._clock = SimulatedClock(period.begin)
        self._period = period
        self._objects = list(reversed(objects))
        self._shortcut = shortcut
        self._key = key_of(rollout)
        self._memory = Memory(rollout["metadata"]["uid"])
        self._store = Store()
        self._store.put_rollout(rollout)
        for template in templates:
            self._store.put_template(template)
        self._cluster = SimulatedCluster(rollout, self._store)
        self.prometheus = RecordedPrometheus(history, self._clock, period)
        self._gatherer = self._make_gatherer(rollout["metadata"]["namespace"])
        self._persister = Persister(self._cluster, self._store, lambda: True, "backtest")
        self._written: tuple[Any, ...] | None = None
        self._episodes = Episodes()
        self._traces: dict[str, Trace] = {}
        self._spells: list[Spell] = []
        self._next = 0

    def _make_gatherer(self, namespace: str) -> Gatherer:
        prometheus, clock = self.prometheus, self._clock
        # A recording answers at once: tasks would take a third of a replay's time.
        groups = RecordedGroups(prometheus, clock)
        measurer = Measurer(prometheus, groups, prometheus, lambda kind: None, one_by_one)
        rules = RuleBook(self._store, namespace)
        credentials = Credentials(self._cluster, clock.monotonic)
        # The history knows whom to ask; the engine only wants to hear that there is somebody.
        metrics = Metrics(measurer, rules, credentials, "http://recorded", clock)
        servers = Servers(HttpValueClient(), credentials)
        return Gatherer(self._cluster, self._store, metrics, servers, clock)

    async def first(self) -> None:
        """Make the first check: afterwards `prometheus.asked` says what the metrics ask."""
        await self._check()

    async def run(self, progress: Progress) -> Replayed:
        """Make all checks that are left. Raises HistoryError."""
        while self._next < self._period.count:
            await self._check()
            if self._next % _OFTEN == 0:
                progress(self._next / self._period.count)
                await asyncio.sleep(0)
        progress(1.0)
        return Replayed(
            self._period,
            self._episodes.all(),
            tuple(self._traces.values()),
            tuple(self._spells),
            self.prometheus.spacings,
        )

    def close(self) -> None:
        """Give up what is being fetched."""
        self.prometheus.close()

    async def _check(self) -> None:
        self._clock.now = now = self._period.time(self._next)
        self._next += 1
        objects = None
        while self._objects and self._objects[-1].time <= now:
            objects = self._objects.pop()
        if objects is not None:
            self._cluster.show(objects)
        for _ in range(_ROUNDS):
            body = self._store.rollout(self._key)
            assert body is not None
            guard = self._memory.guard = parse_guard(body, self._memory.guard)
            facts = await self._gatherer.gather(guard, self._memory)
            decision = decide(facts)
            await self._write(guard, facts, decision)
            self._note_spell(facts, decision)
            if not decision.again:
                break
        self._note(facts, decision)

    async def _write(self, guard: Guard, facts: Facts, decision: Decision) -> None:
        """Write down what was decided, unless that would change nothing.

        To find out that a status differs in nothing material costs as much as the rest of a check,
        so what it is made of is compared instead.
        """
        made_of = (
            decision.reason,
            decision.phase,
            decision.from_,
            decision.to,
            facts.warmed_up,
            tuple(_material(report) for report in facts.reports),
        )
        quiet = decision.status is guard.status and not decision.again
        if self._shortcut and quiet and made_of == self._written:
            return
        await self._persister.persist(guard, self._memory, facts, decision)
        self._written = made_of if quiet else None

    def _note(self, facts: Facts, decision: Decision) -> None:
        strengths = {}
        for report in facts.reports:
            trace = self._traces.setdefault(report.name, Trace(report.name))
            trace.note(facts.now, self._memory.measured[report.name], report)
            strengths[report.name] = trace.share
        not_clear = {report.name for report in facts.reports if report.suspected}
        revision = facts.current.revision if facts.current else None
        seen = sightings(facts, decision, strengths)
        self._episodes.observe(facts.now, seen, revision, not_clear)

    def _note_spell(self, facts: Facts, decision: Decision) -> None:
        current = decision.status.current
        if current is None or decision.action not in (Action.RECORD, Action.SERVE, Action.PROMOTE):
            return
        known = self._spells[-1] if self._spells else None
        if decision.action is Action.RECORD:
            if known is not None:
                self._spells[-1] = replace(known, end=facts.now)
            name = self._cluster.replica_set
            self._spells.append(Spell(current.revision, name, facts.now))
        elif known is not None and decision.action is Action.SERVE:
            self._spells[-1] = replace(known, serving=facts.now)
        elif known is not None:
            self._spells[-1] = replace(known, stable=facts.now)


def _material(report: MetricReport) -> tuple[object, ...]:
    """Return what a status and a ModelRevision say of a metric, but for its value and its sentence."""
    return (
        report.state,
        report.metric_class,
        report.limit,
        report.unavailable,
        report.answered,
        report.suspicious,
    )
