"""One process of the operator: gather → decide → persist → act, as the engine does, without one.

See `engine/checker.py`, `persist.py` and `act.py`: the order of the writes is theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from model_rollout.analysis.when import compile_when
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import UNQUARANTINE_ANNOTATION, Facts
from model_rollout.decision.observed import read_workload
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.projection import prunable, revision_changes
from model_rollout.decision.status import complete, material
from model_rollout.engine.gather import counts_for
from model_rollout.ports.kubernetes import ApiError, Conflict, NotFound, Rejected, TestFailed
from model_rollout.revisions.canonical import Json, digest, normalised_template
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import parse_revision, revision_body
from model_rollout.revisions.objects import Write
from unit.decision.builders import REF, template
from unit.decision.machine.cluster import Cluster
from unit.decision.machine.measurements import METRICS, Measurements
from unit.decision.machine.watcher import Patched, Stored, Watcher

ROUNDS = 12
"""As `engine/checker.py`: what is not done then goes on at the next check."""
MOST_UNFINISHED = 5
ACTING = METRICS[:2]


class Killed(Exception):
    """The process was killed."""


@dataclass
class Mishap:
    """What happens directly before or after one of the next writes."""

    writes: int
    """How many writes until then."""
    after: bool
    happens: Callable[[], None]


class Process:
    """The operator. Everything that it knows beside the cluster is lost with it."""

    def __init__(
        self, cluster: Cluster, measurements: Measurements, watchers: tuple[Watcher, ...]
    ) -> None:
        self._cluster = cluster
        self._measurements = measurements
        self._watchers = watchers
        self.mishap: Mishap | None = None
        self.lags = False
        """The watch of the workload brings nothing new."""
        self.prometheus = True
        self.written: list[str] = []
        self._unfinished = 0
        self._view: Json | None = None
        self._revisions: dict[str, Json] | None = None
        self._refused = ("", "")
        self._preflighted = ""
        self._seen: tuple[str, float] = ("", 0.0)
        self._read()

    def _read(self) -> None:
        self._view = self._cluster.workload

    def check(self) -> Decision | None:
        """One check; the last decision, or None when it was not finished."""
        if not self.lags or self._view is None:
            self._read()
        self._measure()
        try:
            for _ in range(ROUNDS):
                decision = self._round()
                if not decision.again:
                    self._unfinished = 0
                    return decision
        except ApiError:
            return None
        # Without a cooldown, refused chains follow one another until the budget is used up.
        self._unfinished += 1
        assert self._unfinished < MOST_UNFINISHED, f"no end: {self.written[-ROUNDS:]}"
        return None

    def _round(self) -> Decision:
        version = self._cluster.version
        facts = self.facts()
        decision = decide(facts)
        assert decide(facts) == decision, "the same facts gave two decisions"
        for watcher in self._watchers:
            watcher.decided(facts, decision)
        self._persist(version, facts, decision)
        self._act(facts, decision)
        return decision

    # Gather.

    def _measure(self) -> None:
        view, spec, status = self._view, self._cluster.spec, self._cluster.status
        if view is None or not view["spec"]["replicas"] or not self.prometheus:
            return
        self._measurements.measure(
            status,
            self._cluster.now,
            spec.analysis.warm_up,
            self._cluster.serving,
            counts=counts_for(status, read_content(view["spec"]["template"], spec.components)),
        )

    def facts(self) -> Facts:
        """What the gatherer reads."""
        cluster, view = self._cluster, self._view
        status, spec, now = cluster.status, cluster.spec, cluster.now
        if self._revisions is None:
            self._revisions = dict(cluster.revisions)
        workload = read_workload(view) if view else None
        pods = cluster.pods if workload and status.current and workload.desired else None
        refused_id, refusal = self._refused
        return Facts(
            now=now,
            namespace="ml",
            ref=REF,
            generation=1,
            spec=spec,
            status=status,
            workload=workload,
            content=read_content(view["spec"]["template"], spec.components) if view else None,
            unchanged_for=self._unchanged_for(),
            revisions=tuple(parse_revision(body) for body in self._revisions.values()),
            reports=self._measurements.reports(status, now),
            when=compile_when(spec.analysis.when, METRICS, ACTING),
            pods=pods,
            earlier=() if status.current else self._earlier(),
            taken_by=cluster.taken_by,
            unquarantine=cluster.unquarantine,
            preflighted=bool(status.transaction and self._preflighted == status.transaction.id),
            refused=refusal if status.transaction and refused_id == status.transaction.id else "",
            prometheus_problem="" if self.prometheus else "write spec.prometheus.url",
        )

    def _earlier(self) -> tuple[Content, ...]:
        components = self._cluster.spec.components
        found = [read_content(template(image), components) for image in self._cluster.earlier]
        return tuple(content for content in found if isinstance(content, Content))

    def _unchanged_for(self) -> float:
        view, now = self._view, self._cluster.now
        fingerprint = ""
        if view is not None:
            held = [view["metadata"]["uid"], normalised_template(view["spec"]["template"])]
            fingerprint = digest(held)
        if fingerprint != self._seen[0]:
            self._seen = (fingerprint, now)
        return now - self._seen[1]

    # Persist.

    def _persist(self, version: int, facts: Facts, decision: Decision) -> None:
        for new in decision.create:
            body = revision_body(new, "ml")
            self._write(f"create {new.name}", lambda body=body: self._create(body))
        status = complete(facts, decision)
        if material(status) != material(facts.status):
            self._write(
                f"status {decision.reason}",
                lambda: self._store(version, facts, decision, status),
            )
        for name, wanted in revision_changes(facts, decision):
            data = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
            self._write(f"phase {name}", lambda name=name, data=data: self._phase(name, data))
        if UNQUARANTINE_ANNOTATION in decision.drop:
            self._write("annotation", lambda: self._cluster.annotate(None))
        for old in prunable(facts, status):
            self._write(f"prune {old.name}", lambda old=old: self._prune(old.name))

    def _create(self, body: Json) -> None:
        try:
            self._cluster.create_revision(body)
        except Conflict:
            self._revisions = None
            raise
        assert self._revisions is not None
        self._revisions[body["metadata"]["name"]] = body
        for watcher in self._watchers:
            watcher.created(body["spec"]["number"], body["spec"]["digest"])

    def _store(
        self, version: int, facts: Facts, decision: Decision, status: ModelRolloutStatus
    ) -> None:
        data = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        before = self._cluster.status
        self._cluster.write_status(version, data)
        stored = Stored(facts, decision, before, self._cluster.status)
        for watcher in self._watchers:
            watcher.stored(stored)

    def _phase(self, name: str, data: Json) -> None:
        try:
            self._cluster.write_revision(name, data)
        except NotFound:
            self._revisions = None
            raise
        assert self._revisions is not None
        self._revisions[name] = self._cluster.revisions[name]

    def _prune(self, name: str) -> None:
        self._cluster.revisions.pop(name, None)
        if self._revisions is not None:
            self._revisions.pop(name, None)

    # Act.

    def _act(self, facts: Facts, decision: Decision) -> None:
        dry_run = decision.action is Action.PREFLIGHT
        for write in decision.writes:
            assert isinstance(write, Write)
            what = "dry run" if dry_run else "patch"
            self._write(what, lambda write=write: self._patch(facts, write, dry_run=dry_run))

    def _patch(self, facts: Facts, write: Write, *, dry_run: bool) -> None:
        cluster, transaction = self._cluster, self._cluster.status.transaction
        if cluster.spec.kill_switch is KillSwitch.PAUSE:
            return
        before = cluster.workload
        try:
            cluster.patch(write.patch, dry_run=dry_run)
        except TestFailed:
            self._read()
            assert not self._is_unchanged(facts), "the patch does not fit what it was made for"
        except NotFound:
            self._read()
        except Rejected as error:
            self._refused = (transaction.id if transaction else "", str(error))
        else:
            if dry_run:
                assert transaction is not None, "the intent is written before anything is tried"
                self._preflighted = transaction.id
                for watcher in self._watchers:
                    watcher.preflighted(transaction.id)
            else:
                self._told(facts, before)

    def _told(self, facts: Facts, before: Json | None) -> None:
        self._read()
        assert before is not None
        assert self._view is not None
        cluster = self._cluster
        patched = Patched(cluster.now, cluster.spec, cluster.status, before, self._view)
        for watcher in self._watchers:
            watcher.patched(patched, facts.revisions)

    def _is_unchanged(self, facts: Facts) -> bool:
        view, decided = self._view, facts.workload
        if view is None or decided is None or view["metadata"]["uid"] != decided.uid:
            return False
        return bool(view["spec"] == decided.body["spec"])

    def _write(self, what: str, do: Callable[[], None]) -> None:
        """Write, unless something happens directly before or after this very write."""
        mishap, due = self.mishap, False
        if mishap is not None:
            due = mishap.writes == 0
            mishap.writes -= 1
        if mishap and due and not mishap.after:
            self.mishap = None
            mishap.happens()
        self.written.append(what)
        do()
        if mishap and due and mishap.after:
            self.mishap = None
            mishap.happens()
