"""The machine without its rules: how it begins, how time passes, and how it must come to rest."""

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from model_rollout.api.metric import OnNoData
from unit.decision.machine.cluster import COMPONENTS, Cluster
from unit.decision.machine.measurements import METRICS, Measurements, Truth
from unit.decision.machine.process import Killed, Mishap, Process
from unit.decision.machine.rest import come_to_rest
from unit.decision.machine.watch_chains import Brakes, Chain, Evidence, Latch, Mode, OncePerFlip
from unit.decision.machine.watch_records import Records
from unit.decision.machine.watch_revisions import Numbers, Promotion, Quarantine, Targets
from unit.decision.machine.watch_status import Outcomes, Phases, Reached, Sentences
from unit.decision.machine.watch_writes import (
    OfTheTransaction,
    OncePerTransaction,
    OnlyComponents,
    Pause,
    PreflightFirst,
)
from unit.decision.machine.watcher import Watcher

GOOD, BAD = ("good:1", "good:2", "good:3"), ("bad:1", "bad:2", "bad:3")
IMAGES = st.sampled_from((*GOOD, *BAD))
LEVELS = st.sampled_from(("info", "debug", ""))
SWITCHES = st.sampled_from(("None", "None", "Pause", "Rollback"))
NUMBERS = st.integers(1, 6)
WRITES = st.integers(0, 5)
TICK = 10.0


def watchers(reached: Counter[str]) -> tuple[Watcher, ...]:
    """Everything that must hold, with empty books."""
    writes = (Pause(), OfTheTransaction(), OnlyComponents(), OncePerTransaction(), PreflightFirst())
    chains = (Brakes(), Mode(), OncePerFlip(), Chain(), Evidence(), Latch())
    revisions = (Numbers(), Targets(), Quarantine(), Promotion())
    told = (Sentences(), Outcomes(), Records(), Phases(), Reached(reached))
    return (*writes, *chains, *revisions, *told)


class Machine(RuleBasedStateMachine):
    """One guarded workload, one process of the operator, and everybody who watches them."""

    reached: ClassVar[Counter[str]] = Counter()
    """How often each reason was decided, over all runs."""

    @initialize(
        components=st.sampled_from(tuple(COMPONENTS)),
        rollback=st.fixed_dictionaries(
            {
                "mode": st.sampled_from(("Automatic", "Automatic", "Automatic", "DryRun")),
                "to": st.sampled_from(("LastStable", "Previous")),
                "allowUnproven": st.booleans(),
                "cooldown": st.sampled_from(("0s", "1m", "5m")),
                "budget": st.fixed_dictionaries(
                    {"maxRollbacks": st.integers(1, 3), "per": st.just("30m")}
                ),
            }
        ),
        reverts=st.integers(0, 2),
        limit=st.integers(2, 6),
        when=st.sampled_from(("Any", "Any", "All")),
        on_no_data=st.sampled_from(tuple(OnNoData)),
        earlier=st.lists(IMAGES, max_size=2),
        images=st.sampled_from((GOOD[:1], GOOD[:2], GOOD, GOOD)),
    )
    def begin(
        self,
        components: str,
        rollback: dict[str, Any],
        reverts: int,
        limit: int,
        when: str,
        on_no_data: OnNoData,
        earlier: list[str],
        images: tuple[str, ...],
    ) -> None:
        self.cluster = Cluster(
            components=COMPONENTS[components],
            rollback=rollback,
            quarantine={"maxReverts": reverts},
            history={"limit": limit},
            analysis={"when": when},
        )
        self.cluster.earlier = tuple(earlier)
        self.truth = Truth(on_no_data)
        self.deleted: set[int] = set()
        self.watchers = watchers(self.reached)
        self.process = self.started()
        for image in images:
            self.cluster.apply(image)
            self.run(25)

    def started(self) -> Process:
        return Process(self.cluster, Measurements(self.truth), self.watchers)

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick()

    def tick(self) -> None:
        self.cluster.now += TICK
        self.cluster.settle_pods()
        try:
            self.process.check()
        except Killed:
            self.process = self.started()

    def run_until(self, ticks: int, there: Callable[[], bool]) -> None:
        for _ in range(ticks):
            if there():
                return
            self.tick()

    def mishap(self, writes: int, after: bool, happens: Callable[[], None]) -> None:
        """Something happens at one of the writes of the checks to come."""
        self.process.mishap = Mishap(writes, after, happens)
        self.run(2)

    def switch(self, value: str, to: int | None) -> None:
        """Flip the kill switch; watchers are told of flips to Rollback and away from it."""
        before = self.cluster.spec.kill_switch
        self.cluster.flip(value, to)
        if "Rollback" in (before, value) and before != value:
            for watcher in self.watchers:
                watcher.flipped()

    def repair(self) -> None:
        cluster, process = self.cluster, self.process
        cluster.broken, cluster.crowded, cluster.controller_down = set(), False, False
        cluster.denies = process.lags = False
        process.prometheus = True

    # What must hold between the steps, and in the end.

    @invariant()
    def current_is_recorded(self) -> None:
        current = self.cluster.status.current
        digests = {r.number: r.spec.digest for r in self.cluster.parsed}
        if current is not None and current.revision not in self.deleted:
            assert digests[current.revision] == current.digest

    def teardown(self) -> None:
        if hasattr(self, "process"):
            self._calm()
            come_to_rest(self.cluster, self._decided)

    def _calm(self) -> None:
        """Everything works, nobody does anything."""
        self.repair()
        self.process.mishap = None
        self.truth.moods.update(dict.fromkeys(METRICS, "good"))
        self.truth.faulty = set()
        self.switch("None", None)
        self.cluster.apply(level=None if self.cluster.content is not None else "info")
        self.cluster.set_field("replicas", 2)
        self.cluster.set_field("paused", False)

    def _decided(self) -> tuple[str, int]:
        """Let one interval pass; the reason of the last decision, and how much was ever written."""
        self.cluster.now += TICK
        self.cluster.settle_pods()
        decision = self.process.check()
        return decision.reason if decision else "", len(self.process.written)
