"""A cluster in memory, as far as the pure core can tell: objects, pods, values and time.

It does what the engine does, without an engine: gather → decide → write → patch, until nothing is
left to write down.
"""

import copy
from typing import Any

from model_rollout.analysis.evidence import report
from model_rollout.analysis.measurement import NoData, QueryResult, Sample
from model_rollout.api.record import RecordStage, RolloutRecordSpec
from model_rollout.api.rollout import KillSwitch, ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.observed import read_workload
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.projection import prunable, revision_changes
from model_rollout.decision.status import complete, material
from model_rollout.engine.gather import counts_for
from model_rollout.engine.memory import Memory
from model_rollout.engine.rulebook import RuleSet
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import Revision, parse_revision, revision_body
from unit.decision.builders import NOW, REF, deployment, rules_of, spec
from unit.revisions.oracle import apply_patch

ROUNDS = 12

QUICK: Json = {
    "analysis": {"interval": "10s", "warmUp": "20s", "settle": "15s", "bakeTime": "2m"},
    "metrics": [{"name": "accuracy", "query": "accuracy", "min": 0.85, "for": "20s"}],
    "rollback": {
        "verifyFor": "20s",
        "deadline": "2m",
        "cooldown": "1m",
        "budget": {"maxRollbacks": 3, "per": "30m"},
    },
}


class Killed(Exception):
    """The operator was killed at a write."""


class World:
    """One guarded model. Images that contain `bad` answer badly, `stuck` ones never come up."""

    def __init__(self, image: str = "good:1", **changes: Any) -> None:
        self.now = NOW
        self.spec: ModelRolloutSpec = spec(**QUICK | changes)
        self.stored: Json = {}
        self.revisions: dict[str, Json] = {}
        self.unquarantine: str | None = None
        self.approve: str | None = None
        self.refuses = ""
        self.prometheus = True
        self.outage = False
        self.broken: set[str] = set()
        self.body: Json = deployment(image)
        self.serving = image
        self.edited = NOW - 3600.0
        self.memory = Memory(REF.uid)
        self.decisions: list[Decision] = []
        self.writes: list[str] = []
        self.records: dict[str, RolloutRecordSpec] = {}
        self.killed_at: int | None = None
        self.killed_after = True

    # What people and other controllers do.

    def deploy(self, image: str | None = None, rest: str | None = None) -> None:
        """Apply a manifest: another image, another rest of the template."""
        body = copy.deepcopy(self.body)
        container = body["spec"]["template"]["spec"]["containers"][0]
        if image is not None:
            container["image"] = image
        if rest is not None:
            container["env"][0]["value"] = rest
        self._changed(body)

    def _changed(self, body: Json) -> None:
        if body["spec"]["template"] == self.body["spec"]["template"]:
            return
        body["metadata"]["generation"] += 1
        body["status"]["updatedReplicas"] = 0
        self.body, self.edited = body, self.now

    def scale(self, replicas: int) -> None:
        """Scale the workload."""
        self.body = copy.deepcopy(self.body)
        self.body["spec"]["replicas"] = replicas

    def switch(self, value: str, to_revision: int | None = None) -> None:
        """Flip the kill switch."""
        rollback = self.spec.rollback.model_copy(update={"to_revision": to_revision})
        self.spec = self.spec.model_copy(
            update={"kill_switch": KillSwitch(value), "rollback": rollback}
        )

    def crash(self) -> None:
        """Lose all memory."""
        self.memory = Memory(REF.uid)

    # What is to be seen.

    @property
    def image(self) -> str:
        """The image that is deployed."""
        return str(self.body["spec"]["template"]["spec"]["containers"][0]["image"])

    @property
    def stuck(self) -> bool:
        """Whether the pods of the newest template cannot come up."""
        return "stuck" in self.image or self.image in self.broken

    @property
    def status(self) -> ModelRolloutStatus:
        """The stored status."""
        return ModelRolloutStatus.model_validate(self.stored)

    @property
    def parsed(self) -> dict[int, Revision]:
        """The stored ModelRevisions by number."""
        found = [parse_revision(body) for body in self.revisions.values()]
        by_number = {item.number: item for item in found}
        assert len(by_number) == len(found), "two revisions have the same number"
        return by_number

    def number_of(self, image: str) -> int:
        """The number of the newest revision of an image."""
        return max(n for n, r in self.parsed.items() if r.spec.components[0].value == image)

    # What happens by itself.

    def tick(self, seconds: float = 10.0) -> None:
        """Let time pass, pods come up, and the operator check once."""
        self.now += seconds
        self._roll_out()
        self.check()

    def run(self, ticks: int) -> None:
        """Let several intervals pass."""
        for _ in range(ticks):
            self.tick()

    def _roll_out(self) -> None:
        status, desired = self.body["status"], self.body["spec"]["replicas"]
        status["observedGeneration"] = self.body["metadata"]["generation"]
        if self.stuck:
            return
        status |= dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), desired)
        self.serving = self.image

    def _answer(self) -> QueryResult:
        if not self.prometheus or self.body["spec"]["replicas"] == 0:
            return NoData("empty")
        poor = self.outage or "bad" in self.serving
        return Sample(self.now, 0.5 if poor else 0.95)

    # What the engine does.

    def check(self) -> None:
        """One check: rounds until nothing is left to write down."""
        self._measure()
        for _ in range(ROUNDS):
            self._record()
            facts = self.facts()
            decision = decide(facts)
            self.decisions.append(decision)
            self._persist(facts, decision)
            if decision.action is Action.PREFLIGHT:
                assert self.status.transaction is not None
                self.memory.preflighted = self.status.transaction.id
            elif decision.writes:
                self._patch(decision)
            if not decision.again:
                return
        raise AssertionError(f"more than {ROUNDS} rounds: {decision.reason}")

    def _live(self) -> Content:
        live = read_content(self.body["spec"]["template"], self.spec.components)
        assert isinstance(live, Content)
        return live

    def _measure(self) -> None:
        status = self.status
        self._begin_period()
        if self.body["spec"]["replicas"]:
            counts = counts_for(status, self._live())
            for metric in self.spec.metrics:
                self.memory.observe(metric.name, (self._answer(),), self.now, counts=counts)

    def _begin_period(self) -> RuleSet:
        found = rules_of(self.spec)
        self.memory.begin_period(self.status.current, found.rules, self.now, {})
        return found

    def facts(self) -> Facts:
        """What the gatherer would have read."""
        rules = self._begin_period()
        measured = self.memory.measured.values()
        stuck = ("ImagePullBackOff",) if self.stuck else ()
        return Facts(
            now=self.now,
            namespace="ml",
            ref=REF,
            generation=1,
            spec=self.spec,
            status=self.status,
            workload=read_workload(self.body),
            content=self._live(),
            unchanged_for=self.now - self.edited,
            revisions=tuple(parse_revision(body) for body in self.revisions.values()),
            reports=tuple(report(m.evidence, m.rule, self.now) for m in measured),
            when=rules.when,
            pods=Pods(stuck=stuck),
            preflighted=self._preflighted(),
            unquarantine=self.unquarantine,
            approve=self.approve,
            refused=self.refuses,
        )

    def _preflighted(self) -> bool:
        transaction = self.status.transaction
        return transaction is not None and self.memory.preflighted == transaction.id

    def _persist(self, facts: Facts, decision: Decision) -> None:
        for new in decision.create:
            body = revision_body(new, "ml")
            self._write(f"create {new.name}", lambda body=body: self._store_revision(body))
        status = complete(facts, decision)
        if material(status) != material(facts.status):
            data = status.model_dump(mode="json", by_alias=True, exclude_none=True)
            self._write(f"status {decision.reason}", lambda: setattr(self, "stored", data))
        for name, wanted in revision_changes(facts, decision):
            data = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
            body = self.revisions[name] | {"status": data}
            self._write(f"phase {name}", lambda body=body: self._store_revision(body))
        for name in decision.drop:
            field = name.removeprefix("modelrollout.dev/")
            self._write(f"annotation {field}", lambda field=field: setattr(self, field, None))
        for old in prunable(facts, status):
            self._write(f"prune {old.name}", lambda old=old: self.revisions.pop(old.name))

    def _record(self) -> None:
        """What the stored status holds is written before anything else is done."""
        for record in self.status.records:
            self.records.setdefault(record.digest, record)

    def _store_revision(self, body: Json) -> None:
        self.revisions[body["metadata"]["name"]] = body

    def _patch(self, decision: Decision) -> None:
        transaction = self.status.transaction
        assert transaction is not None, "the intent is written before the workload"
        recorded = [(r.stage, r.transaction) for r in self.records.values()]
        assert (RecordStage.INTENT, transaction.id) in recorded, "and so is its record"
        assert self.spec.kill_switch is not KillSwitch.PAUSE
        condemned = {entry.digest for entry in self.status.quarantine}
        assert self.parsed[transaction.to].spec.digest not in condemned
        patched = apply_patch(self.body, decision.writes[0].patch)
        self._write("patch", lambda: self._changed(patched))

    def _write(self, what: str, do: Any) -> None:
        """Write, unless the operator is killed directly before or after this very write."""
        now_killed = self.killed_at == len(self.writes)
        self.writes.append(what)
        if now_killed and not self.killed_after:
            raise Killed
        do()
        if now_killed:
            raise Killed
