"""What people and the pipelines that deploy for them do."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from unit.decision.machine.base import BAD, IMAGES, LEVELS, NUMBERS, SWITCHES, WRITES, Machine
from unit.decision.machine.cluster import COMPONENTS


class People(Machine):
    """Deploys, edits, the switch, annotations; between two checks, and during one."""

    @rule(image=IMAGES)
    def deploy(self, image: str) -> None:
        self.cluster.apply(image)

    @rule(image=IMAGES, level=LEVELS)
    def deploy_both(self, image: str, level: str) -> None:
        self.cluster.apply(image, level)

    @rule(image=st.sampled_from(BAD), ends=st.booleans())
    def deploy_and_roll_back(self, image: str, ends: bool) -> None:
        """Up to the intent of a rollback, or to its end."""
        self.cluster.apply(image)
        self.run_until(12, lambda: self.cluster.status.transaction is not None)
        if ends:
            self.run_until(12, lambda: self.cluster.status.transaction is None)

    @precondition(lambda self: self.cluster.condemned)
    @rule(index=st.integers(0, 1), ticks=st.sampled_from((0, 3, 5)))
    def deploy_what_is_condemned(self, index: int, ticks: int) -> None:
        self._apply_condemned(index)
        self.run(ticks)

    @precondition(lambda self: self.cluster.condemned)
    @rule(times=st.integers(2, 4))
    def pipeline_insists(self, times: int) -> None:
        """What is condemned is applied again and again."""
        for _ in range(times):
            self._apply_condemned(0)
            self.run(4)

    def _apply_condemned(self, index: int) -> None:
        condemned = self.cluster.condemned
        known = [r for r in self.cluster.parsed if r.spec.digest in condemned]
        values = (
            {c.name: c.value for c in known[index % len(known)].spec.components} if known else {}
        )
        if "model" in values:
            self.cluster.apply(values["model"], values.get("level"))

    @rule(level=LEVELS)
    def edit_beside(self, level: str) -> None:
        if self.cluster.workload is not None:
            self.cluster.apply(level=level)

    @rule(replicas=st.sampled_from((0, 2, 3)))
    def scale(self, replicas: int) -> None:
        self.cluster.set_field("replicas", replicas)

    @rule(paused=st.booleans())
    def pause_the_rollout(self, paused: bool) -> None:
        self.cluster.set_field("paused", paused)

    @rule(image=IMAGES, ticks=st.integers(0, 2))
    def delete_and_recreate(self, image: str, ticks: int) -> None:
        self.cluster.delete()
        self.run(ticks)
        self.cluster.apply(image)

    @rule(value=SWITCHES, to=st.none() | NUMBERS)
    def flip(self, value: str, to: int | None) -> None:
        self.switch(value, to)

    @precondition(lambda self: self.cluster.status.transaction)
    @rule(to=NUMBERS)
    def ask_for_another_target(self, to: int) -> None:
        """The switch names another revision than the one that a rollback goes to just now."""
        self.switch("Rollback", to)
        self.tick()

    @rule(index=st.integers(0, 4))
    def delete_a_revision(self, index: int) -> None:
        """Not the newest: its number would be used again, which is known."""
        found = sorted(self.cluster.parsed, key=lambda revision: revision.number)[:-1]
        if index < len(found):
            self.deleted.add(found[index].number)
            del self.cluster.revisions[found[index].name]

    @precondition(lambda self: self.cluster.status.quarantine)
    @rule(index=st.integers(0, 2))
    def unquarantine(self, index: int) -> None:
        entries = self.cluster.status.quarantine
        self.cluster.annotate(str(entries[index].revision) if index < len(entries) else "seven")

    @rule(kind=st.sampled_from(tuple(COMPONENTS)))
    def edit_components(self, kind: str) -> None:
        self.cluster.describe(kind)

    @rule(mode=st.sampled_from(("Automatic", "DryRun")))
    def edit_mode(self, mode: str) -> None:
        self.cluster.edit_rollout(rollback={"mode": mode})

    @rule(writes=WRITES, after=st.booleans(), data=st.data())
    def during_a_check(self, writes: int, after: bool, data: st.DataObject) -> None:
        acts: dict[str, Callable[[], None]] = {
            "deploy": lambda: self.deploy("good:3"),
            "deploy a bad one": lambda: self.deploy("bad:1"),
            "edit beside": lambda: self.edit_beside("debug"),
            "scale": lambda: self.scale(3),
            "recreate": lambda: self.delete_and_recreate("good:2", 0),
            "pause": lambda: self.switch("Pause", None),
            "roll back": lambda: self.switch("Rollback", None),
            "switch to none": lambda: self.switch("None", None),
        }
        what = data.draw(st.sampled_from(tuple(acts)), label="act")
        self.mishap(writes, after, acts[what])
