"""The operator is killed at any write of a rollback, and again at any write of what recovers.

The rollback is one of three components in two objects: image and variable in the Deployment, and a
prompt in a ConfigMap. The engine is the real one; a process that dies leaves the API server of
`fakes` as it is, and the next one knows nothing but that.
"""

import copy
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from model_rollout.analysis.measurement import Sample
from model_rollout.ports.kubernetes import Json, Key
from model_rollout.records.verify import Head, Stored, in_order, read_record, verify
from model_rollout.revisions.objects import Write
from unit.engine.fakes import TARGET, WRITES, Engine, FakeCluster

PROMPT = Key("ml", "prompt")
KIND, EVIL = "be helpful", "be evil"
COMPONENTS = [
    {"name": "image", "image": {"container": "server"}},
    {"name": "level", "env": {"container": "server", "name": "LOG_LEVEL"}},
    {"name": "prompt", "configMap": {"name": PROMPT.name}},
]
# A long cooldown keeps the phase at RolledBack, and shows that a restart keeps it, too.
ROLLBACK = {"verifyFor": "20s", "deadline": "2m", "cooldown": "1h"}
LONGEST = 40
"""Checks until a rollback must be over."""


class Killed(BaseException):
    """The process is gone; nothing in it may catch that."""


@dataclass(frozen=True)
class Death:
    """Directly before, or directly after, this write of a process."""

    at: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} write {self.at}"


NEVER = Death(-1, after=False)


class MortalCluster(FakeCluster):
    """Counts the writes of each process, and kills it at one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.death = NEVER
        self.sent = 0
        """Writes of the process that runs."""
        self.written: list[str] = []
        """The objects that serve, as often as they were really written."""
        self.measured: tuple[Sample, ...] = ()
        """What Prometheus keeps."""
        self.interferes = False
        """A person deploys `theirs:3` while the first patch of the Deployment is on its way."""
        for name in WRITES:
            setattr(self, name, self._mortal(name, getattr(self, name)))

    def _mortal(self, name: str, method: Any) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            if options.get("dry_run"):
                return await method(*arguments, **options)
            if self.interferes and name == "write" and arguments[0].ref.name == TARGET.name:
                self.interferes = False
                self.deploy("theirs:3", "info")
            here, self.sent = self.sent == self.death.at, self.sent + 1
            if here and not self.death.after:
                raise Killed
            try:
                answer = await method(*arguments, **options)
                if isinstance(arguments[0], Write):
                    self.written.append(f"{arguments[0].ref.kind} {arguments[0].ref.name}")
                return answer
            finally:
                if here:
                    raise Killed  # whatever was answered

        return call

    def deploy(self, image: str, level: str) -> None:
        """Somebody applies the Deployment."""
        body = copy.deepcopy(self.deployments[TARGET])
        container = body["spec"]["template"]["spec"]["containers"][0]
        container["image"], container["env"][0]["value"] = image, level
        body["metadata"]["generation"] += 1
        self.deployments[TARGET] = self.changed(body)

    def begins(self, death: Death) -> None:
        """A process starts that is going to die like this."""
        self.death, self.sent = death, 0


@dataclass(frozen=True)
class State:
    """What is stored, as one may be restored from another run."""

    now: float
    kept: dict[str, Any]

    @classmethod
    def of(cls, engine: Engine) -> "State":
        names = (
            "rollouts_",
            "deployments",
            "config_maps",
            "revisions_",
            "records_",
            "events",
            "_version",
            "measured",
        )
        kept = {name: copy.deepcopy(getattr(engine.cluster, name)) for name in names}
        return cls(engine.clock.now, kept)

    def again(self) -> Engine:
        """Return a process that finds all this."""
        cluster = MortalCluster()
        for name, value in copy.deepcopy(self.kept).items():
            setattr(cluster, name, value)
        return _process(cluster, self.now)


def _process(cluster: MortalCluster, now: float) -> Engine:
    engine = Engine(cluster)
    engine.clock.now = now
    return engine


async def breached() -> State:
    """Revision 1 is Stable, and the bad revision 2 serves."""
    made = Engine(components=COMPONENTS, rollback=ROLLBACK)
    cluster = MortalCluster()
    cluster.rollouts_, cluster.deployments = made.cluster.rollouts_, made.cluster.deployments
    engine = _process(cluster, made.clock.now)
    engine.write_prompt(KIND)
    for _ in range(20):
        await _check(engine)
    assert engine.status["stable"]["revision"] == 1
    cluster.deploy("bad:2", "debug")
    engine.write_prompt(EVIL)
    while (engine.status.get("current") or {}).get("revision") != 2:
        await _check(engine)
    return State.of(engine)


async def _check(engine: Engine) -> None:
    assert isinstance(engine.cluster, MortalCluster)
    poor = engine.image == "bad:2" or (engine.image == "good:1" and _prompt(engine) == EVIL)
    answer = engine.prometheus.answer = 0.5 if poor else 0.95
    engine.prometheus.past = engine.cluster.measured
    # The check is made an interval later.
    engine.cluster.measured += (Sample(engine.clock.now + 10.0, answer),)
    await engine.check()


def _prompt(engine: Engine) -> str:
    return str(engine.cluster.config_maps[PROMPT]["data"]["system"])


async def lived(state: State, *deaths: Death, interferes: bool = False) -> tuple[Engine, int]:
    """Run a rollback by processes that die like this; return the last one, and how many died."""
    engine = state.again()
    cluster = engine.cluster
    assert isinstance(cluster, MortalCluster)
    cluster.interferes = interferes
    waiting = iter((*deaths, NEVER))
    cluster.begins(next(waiting))
    died, calm = 0, 0
    for _ in range(LONGEST):
        try:
            await _check(engine)
        except Killed:
            died += 1
            engine = _process(cluster, engine.clock.now)
            cluster.begins(next(waiting))
        calm = calm + 1 if _is_over(engine) else 0
        if calm > 3:
            return engine, died
    raise AssertionError(f"not over after {LONGEST} checks: {engine.status.get('message')}")


def _is_over(engine: Engine) -> bool:
    status = engine.status
    return bool(status.get("lastTransaction")) and status["reason"] == "Watching"


def end(engine: Engine) -> Json:
    """What a rollback leaves behind, without times."""
    cluster, status = engine.cluster, engine.status
    last = status["lastTransaction"]
    assert isinstance(cluster, MortalCluster)
    return {
        "phase": status["phase"],
        "current": status["current"]["revision"],
        "attempts": status["attempts"],
        "rollbacks": len(status["rollbacks"]),
        "last": {name: last[name] for name in ("id", "from", "to", "outcome")},
        "quarantine": [(e["revision"], e["phase"], e["reason"]) for e in status["quarantine"]],
        "phases": {name: r["status"]["phase"] for name, r in cluster.revisions_.items()},
        "template": cluster.deployments[TARGET]["spec"],
        "maps": {
            key.name: (body["data"], body["metadata"].get("annotations"))
            for key, body in cluster.config_maps.items()
        },
        "written": cluster.written,
        "records": _records(cluster),
    }


def _records(cluster: FakeCluster) -> list[tuple[str, str, str]]:
    """The chain in short. Its digests are of times, and so not those of another run."""
    read = [read_record(body, name) for name, body in cluster.records_.items()]
    chain = in_order(record for record in read if isinstance(record, Stored))
    (head, *_) = cluster.rollouts_.values()
    newest = head["status"]["records"][-1]
    verdict = verify(chain, Head(newest["digest"], newest["sequence"], newest=True))
    assert verdict.intact, verdict.problems
    assert verdict.count == verdict.last == len(cluster.records_)
    return [(r.spec.stage.value, r.spec.reason, r.spec.outcome) for r in chain]


def told(engine: Engine) -> set[str]:
    """The reasons of all Events. One is caught up on by the next process, not by the one after it."""
    return {event["reason"] for event in engine.cluster.events}


def _writes(engine: Engine) -> int:
    assert isinstance(engine.cluster, MortalCluster)
    return engine.cluster.sent


async def _pairs(state: State, count: int) -> AsyncIterator[tuple[Death, Death, Engine]]:
    """Run all pairs of deaths: how many writes the second process makes shows when it is run."""
    for first in _deaths(count):
        for second in _deaths(LONGEST):
            engine, died = await lived(state, first, second)
            if died < 2:
                break
            yield first, second, engine


def _deaths(count: int) -> Iterator[Death]:
    for at in range(count):
        yield from (Death(at, after=False), Death(at, after=True))


async def test_killed_at_any_write_and_again_in_recovery_it_rolls_back_once() -> None:
    began = time.monotonic()
    state = await breached()
    undisturbed, _ = await lived(state)
    expected = end(undisturbed)
    assert expected["written"] == ["ConfigMap prompt", "Deployment sentiment"]
    assert expected["last"]["outcome"] == "Succeeded"
    assert [stage for stage, _, _ in expected["records"]] == ["Intent", "Outcome"]
    assert (expected["phase"], expected["attempts"], expected["rollbacks"]) == ("RolledBack", 1, 1)
    count = _writes(undisturbed)

    wrong, cases = {}, 0
    for death in _deaths(count):
        engine, died = await lived(state, death)
        assert died == 1
        cases += 1
        if (end(engine), told(engine)) != (expected, told(undisturbed)):
            wrong[f"{death}"] = end(engine)
    async for first, second, engine in _pairs(state, count):
        cases += 1
        if end(engine) != expected:
            wrong[f"{first}, then {second}"] = end(engine)
    duration = time.monotonic() - began
    print(f"{cases} crashes and pairs of crashes at {count} writes, in {duration:.0f} s")
    assert cases > 4 * count
    assert not wrong


async def test_killed_at_any_write_of_an_undo_the_person_wins_and_the_prompt_is_put_back() -> None:
    state = await breached()
    undisturbed, _ = await lived(state, interferes=True)
    expected = end(undisturbed)
    assert expected["written"] == ["ConfigMap prompt", "ConfigMap prompt"]
    assert expected["last"]["outcome"] == "ConcurrentEdit"
    assert (undisturbed.image, _prompt(undisturbed)) == ("theirs:3", EVIL)
    wrong = {}
    for death in _deaths(_writes(undisturbed)):
        engine, died = await lived(state, death, interferes=True)
        assert died == 1
        if end(engine) != expected:
            wrong[f"{death}"] = end(engine)
    assert not wrong
