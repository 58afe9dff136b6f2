"""Whatever happens, in whatever order: what must hold at every moment, and that it comes to rest."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import Phase
from model_rollout.decision.outcome import Decision
from model_rollout.decision.status import material
from unit.decision.world import Killed, World

IMAGES = ("good:1", "good:2", "good:3", "bad:1", "bad:2", "stuck:1")
QUIET = 15
"""Ticks without a change after which nothing is expected to happen any more: beyond every wait."""

LONGEST = 700
"""Ticks within which everything must have come to rest: more than the window of the budget."""


class Guarding(RuleBasedStateMachine):
    """People deploy, edit, scale and flip; pods, Prometheus and the operator fail."""

    @initialize(
        allow_unproven=st.booleans(),
        to=st.sampled_from(("LastStable", "Previous")),
        reverts=st.integers(0, 2),
        limit=st.integers(2, 6),
    )
    def begin(self, allow_unproven: bool, to: str, reverts: int, limit: int) -> None:
        self.world = World(quarantine={"maxReverts": reverts}, history={"limit": limit})
        rollback = self.world.spec.rollback.model_copy(
            update={"allow_unproven": allow_unproven, "to": to}
        )
        self.world.spec = self.world.spec.model_copy(update={"rollback": rollback})
        self.attempts, self.transaction = 0, ""
        self.seen = 0
        for image in ("good:1", "good:2"):
            self.world.deploy(image)
            self.world.run(20)

    @rule(image=st.sampled_from(IMAGES))
    def deploy(self, image: str) -> None:
        self.world.deploy(image)

    @rule(rest=st.sampled_from(("info", "debug")))
    def edit_something_else(self, rest: str) -> None:
        self.world.deploy(rest=rest)

    @rule(ticks=st.integers(1, 25))
    def wait(self, ticks: int) -> None:
        self.world.run(ticks)

    @rule(value=st.sampled_from(("None", "None", "Pause", "Rollback")), to=st.integers(0, 4))
    def flip(self, value: str, to: int) -> None:
        self.world.switch(value, to or None)

    @rule(outage=st.booleans())
    def something_outside_breaks(self, outage: bool) -> None:
        self.world.outage = outage

    @rule(there=st.booleans())
    def prometheus_fails(self, there: bool) -> None:
        self.world.prometheus = there

    @rule(replicas=st.sampled_from((0, 2)))
    def scale(self, replicas: int) -> None:
        self.world.scale(replicas)

    @rule(number=st.integers(1, 4))
    def unquarantine(self, number: int) -> None:
        self.world.unquarantine = str(number)

    @rule()
    def restart(self) -> None:
        self.world.crash()

    @rule(writes=st.integers(0, 5), after=st.booleans())
    def kill_at_a_write(self, writes: int, after: bool) -> None:
        world = self.world
        world.killed_at, world.killed_after = len(world.writes) + writes, after
        try:
            world.tick()
        except Killed:
            world.crash()
        finally:
            world.killed_at = None

    @rule(image=st.sampled_from(IMAGES), broken=st.booleans())
    def image_cannot_be_pulled(self, image: str, broken: bool) -> None:
        self.world.broken = {image} if broken else set()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._rest()

    def _rest(self) -> None:
        world, quiet = self.world, 0
        for _ in range(LONGEST):
            before = len(world.writes)
            world.tick()
            self.every_moment()
            quiet = 0 if len(world.writes) > before else quiet + 1
            if quiet > QUIET and not world.status.transaction:
                break
        if world.status.transaction is None:
            assert quiet > QUIET, f"no rest: {world.writes[-20:]}"
        self._steady()

    def _steady(self) -> None:
        """A restart in the steady state writes nothing either, once the metrics are asked again."""
        world = self.world
        before = material(world.status)
        world.tick()
        if world.status.transaction is None:
            assert material(world.status) == before

    @invariant()
    def every_moment(self) -> None:
        world, status = self.world, self.world.status
        decisions, self.seen = world.decisions[self.seen :], len(world.decisions)
        for decision in decisions:
            self._check(decision)
        budget = world.spec.rollback.budget
        recent = [start for start in status.rollbacks if start > world.now - budget.per]
        assert len(recent) <= budget.max_rollbacks
        self._attempts()
        numbers = world.parsed
        if status.current is not None:
            assert numbers[status.current.revision].spec.digest == status.current.digest
        assert len(numbers) <= world.spec.history.limit + 4

    def _check(self, decision: Decision) -> None:
        assert decision.message.strip()
        if self.world.spec.kill_switch is KillSwitch.PAUSE:
            assert decision.phase is Phase.PAUSED
        transaction = decision.status.transaction
        if transaction is not None:
            assert len(set(transaction.tried)) == len(transaction.tried)

    def _attempts(self) -> None:
        status = self.world.status
        found = status.transaction.id if status.transaction else self.transaction
        assert status.attempts >= self.attempts
        if found != self.transaction:
            assert status.attempts > self.attempts
        self.attempts, self.transaction = status.attempts, found


def test_whatever_happens() -> None:
    profile = settings(
        max_examples=100,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Guarding, settings=profile)  # type: ignore[no-untyped-call]
