"""Time, metrics, and what fails around the operator or kills it."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from unit.decision.machine.base import IMAGES, WRITES, Machine
from unit.decision.machine.measurements import METRICS, MOODS
from unit.decision.machine.process import Killed


class Failures(Machine):
    """What nobody did on purpose."""

    # Time, and the operator itself.

    @rule(ticks=st.integers(1, 4))
    def time_passes(self, ticks: int) -> None:
        self.run(ticks)

    @rule(ticks=st.sampled_from((8, 15, 25)))
    def more_time_passes(self, ticks: int) -> None:
        self.run(ticks)

    @rule()
    def a_day_passes(self) -> None:
        self.cluster.now += 90_000.0
        self.tick()

    @rule()
    def restart(self) -> None:
        self.process = self.started()

    @rule(writes=WRITES, after=st.booleans())
    def killed_at_a_write(self, writes: int, after: bool) -> None:
        def killed() -> None:
            raise Killed

        self.mishap(writes, after, killed)

    # What the metrics say, and what fails around the operator.

    @rule(name=st.sampled_from(METRICS), mood=st.sampled_from(MOODS), ticks=st.integers(0, 3))
    def metric(self, name: str, mood: str, ticks: int) -> None:
        self.truth.moods[name] = mood
        self.run(ticks)

    @rule(mood=st.sampled_from(("good", "good", "bad", "silent")), ticks=st.integers(0, 10))
    def all_metrics(self, mood: str, ticks: int) -> None:
        self.truth.moods.update(dict.fromkeys(METRICS, mood))
        self.run(ticks)

    @rule(image=IMAGES)
    def image_cannot_be_pulled(self, image: str) -> None:
        self.cluster.broken.add(image)

    @precondition(lambda self: self.cluster.status.transaction)
    @rule()
    def target_cannot_be_pulled(self) -> None:
        """The image that a rollback restores is gone."""
        self.run_until(3, lambda: self.cluster.status.phase == "Verifying")
        self.cluster.broken.add(self.cluster.image)
        self.run(14)

    @rule(what=st.sampled_from(("crowded", "controller_down", "denies")), ticks=st.integers(0, 15))
    def something_fails(self, what: str, ticks: int) -> None:
        setattr(self.cluster, what, True)
        self.run(ticks)

    @rule(ticks=st.integers(0, 4))
    def watch_lags(self, ticks: int) -> None:
        self.process.lags = True
        self.run(ticks)

    @rule(ticks=st.integers(0, 4))
    def another_rollout_has_the_target(self, ticks: int) -> None:
        self.cluster.taken_by = "elder"
        self.run(ticks)
        self.cluster.taken_by = ""

    @rule(ticks=st.integers(0, 4))
    def prometheus_is_unknown(self, ticks: int) -> None:
        self.process.prometheus = False
        self.run(ticks)

    @rule()
    def everything_works_again(self) -> None:
        self.repair()
