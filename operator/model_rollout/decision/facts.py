"""What goes into a decision: everything that was read, frozen. "Not found" is a field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.report import MetricReport
from model_rollout.analysis.when import Term, Verdict, When, judge, used_metrics
from model_rollout.api.metric import MetricAction
from model_rollout.api.revision import RevisionPhase, RolloutRef
from model_rollout.api.rollout import KillSwitch, ModelRolloutSpec
from model_rollout.api.status import CurrentRevision, ModelRolloutStatus, QuarantineEntry
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.configmaps import Contents, changed_at, read_once
from model_rollout.revisions.content import Content
from model_rollout.revisions.history import Revision
from model_rollout.revisions.places import ComponentProblem
from model_rollout.revisions.workloads import document

UNQUARANTINE_ANNOTATION = "modelrollout.dev/unquarantine"
APPROVE_ANNOTATION = "modelrollout.dev/approve"
REASON_ANNOTATION = "modelrollout.dev/reason"
"""Why the kill switch was flipped, as the person says who did it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The object that serves the model, as far as decisions read it."""

    body: Json
    uid: str
    desired: int
    rolled_out: bool
    """All desired pods are of the newest template and available, and the controller has seen it."""
    caught_up: bool
    """The controller has seen the newest spec (`observedGeneration`)."""
    waits: str
    """Why its controller does not go on with the rollout by itself; empty: it does."""
    progress: str
    """How far the rollout is, for people: `1 of 2 pods updated, 0 available`."""
    manager: str
    """The field manager that wrote the pod template last: a program, never a person."""


@dataclass(frozen=True, slots=True)
class Pods:
    """What the pods of the newest template report. Only read while something is unsettled."""

    old: int = 0
    """Pods of an older template that are still there, terminating ones included."""
    stuck: tuple[str, ...] = ()
    """Reasons for which the revision itself is to blame, such as ImagePullBackOff."""
    unschedulable: str = ""
    """The scheduler's reason, when a pod found no node."""
    created: float | None = None
    """When the oldest pod of the newest template was created, in seconds since the epoch."""
    blocking: tuple[Json, ...] = ()
    """Pods of the revision that a rollback left, which a StatefulSet never replaces: not Ready."""

    @property
    def why(self) -> str:
        """The pods' own reason, for people; empty when they give none."""
        return ", ".join(self.stuck) or self.unschedulable


@dataclass(frozen=True)
class Facts:
    """Everything that one check knows. Times are seconds since the epoch."""

    now: float
    namespace: str
    ref: RolloutRef
    generation: int
    spec: ModelRolloutSpec
    status: ModelRolloutStatus
    workload: Workload | None
    content: Content | ComponentProblem | None
    """What the workload holds; None when there is no workload."""
    unchanged_for: float
    """How many seconds the content has been seen unchanged."""
    revisions: tuple[Revision, ...]
    reports: tuple[MetricReport, ...]
    when: When | Problem
    """Which breaches lead to a rollback: `analysis.when`, compiled."""
    pods: Pods | None = None
    earlier: tuple[Content, ...] = ()
    """Contents of ReplicaSets, oldest first; only read while no revision is recorded."""
    workload_problem: str = ""
    """Why the workload cannot be read, and what to apply; empty when it can, or is not there."""
    taken_by: str = ""
    """Name of an older ModelRollout with the same target."""
    unquarantine: str | None = None
    """Value of the unquarantine annotation."""
    approve: str | None = None
    """Value of the approve annotation: the id of the transaction that a person lets begin."""
    fleet: str = ""
    """Why no rollback may begin anywhere for the moment; empty when one may."""
    stated: str = ""
    """Why a person did what the decision writes down, in their own words (an annotation)."""
    unrecorded: str = ""
    """Why the newest record is not written as a RolloutRecord yet; empty when it is."""
    refused: str = ""
    """Why the API server refused a write of the transaction in flight."""
    preflighted: bool = False
    """The API server accepted all writes of the transaction in flight as a dry run."""
    config_maps: Mapping[str, Json | None] = field(default_factory=dict)
    """The ConfigMaps that components are, and those that a transaction in flight restores."""
    objects: Mapping[str, Json | ComponentProblem] = field(default_factory=dict)
    """Other objects that fields refer to, by the names of the components."""
    snapshots: Mapping[str, Contents] = field(default_factory=dict)
    """What ConfigMaps held, by digest; only read while a transaction is in flight."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """Components that other ModelRollouts name too without `shared`, each with a sentence."""
    prometheus_problem: str = ""
    """Why no Prometheus can be asked, and what to write; empty when one can."""
    by_number: dict[int, Revision] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the revisions by number."""
        object.__setattr__(self, "by_number", {r.number: r for r in self.revisions})

    @property
    def current(self) -> CurrentRevision | None:
        """The recorded revision that is deployed."""
        return self.status.current

    @cached_property
    def current_revision(self) -> Revision | None:
        """The ModelRevision of the current revision."""
        return self.by_number.get(self.status.current.revision) if self.status.current else None

    @property
    def live(self) -> Content | None:
        """The readable content of the workload."""
        return self.content if isinstance(self.content, Content) else None

    @property
    def switch(self) -> KillSwitch:
        """The kill switch of the object."""
        return self.spec.kill_switch

    @cached_property
    def breaches(self) -> tuple[MetricReport, ...]:
        """Metrics with action Rollback that are breached, or silent where silence counts."""
        return tuple(r for r in self.guarding if r.breached or r.silence_counts)

    @cached_property
    def verdict(self) -> Verdict:
        """What `analysis.when` says of all metrics together."""
        if isinstance(self.when, Problem):
            return Verdict.UNKNOWN
        return judge(self.when, {r.name: _term(r) for r in self.reports})

    @cached_property
    def culprits(self) -> tuple[MetricReport, ...]:
        """The metrics for which `analysis.when` is met; empty while it is not.

        Those that are breached, of the ones that it names; where it is met without any (it can ask
        for `.suspect`), all that it names.
        """
        if self.verdict is not Verdict.TRUE or isinstance(self.when, Problem):
            return ()
        names = used_metrics(self.when)
        named = tuple(r for r in self.reports if r.name in names)
        return tuple(r for r in named if r.breached or r.silence_counts) or named

    @cached_property
    def guarding(self) -> tuple[MetricReport, ...]:
        """Metrics with action Rollback."""
        return tuple(r for r in self.reports if r.action is MetricAction.ROLLBACK)

    def quarantined(self, digest: str) -> QuarantineEntry | None:
        """Return why the content with this digest must not serve, if so."""
        for entry in self.status.quarantine:
            expired = entry.expires is not None and entry.expires <= self.now
            if entry.digest == digest and not expired:
                return entry
        return None

    @cached_property
    def unread_config_map(self) -> str:
        """The name of a ConfigMap that the pods have not read since it changed; empty: none.

        Variables and subPath mounts are read when a pod starts, and never again.
        """
        if self.workload is None or self.pods is None or self.pods.created is None:
            return ""
        template = document(self.workload.body)
        for name, body in self.config_maps.items():
            changed = changed_at(body) if body is not None else 0.0
            if changed > self.pods.created and read_once(template, name):
                return name
        return ""

    def next_number(self) -> int:
        """Return the number of the next revision: numbers are never used twice."""
        known = [r.number for r in self.revisions]
        known += [entry.revision for entry in self.status.quarantine]
        known += [self.status.current.revision] if self.status.current else []
        return max(known, default=0) + 1

    def age(self, current: CurrentRevision) -> float:
        """Return how many seconds the clock of the current revision has run.

        Since it serves, else since it was recorded; less the time that it stood still.
        """
        start = current.since if current.serving_since is None else current.serving_since
        end = self.now if current.held_since is None else current.held_since
        return max(0.0, end - start - current.held_seconds)

    @property
    def warmed_up(self) -> bool:
        """Tell whether the current revision has served for `warmUp`."""
        serves = self.current is not None and self.current.serving_since is not None
        return serves and self.age(self.current) >= self.spec.analysis.warm_up  # type: ignore[arg-type]

    @property
    def is_stable(self) -> bool:
        """Tell whether the current revision is proven good."""
        revision = self.current_revision
        return revision is not None and revision.phase is RevisionPhase.STABLE


def _term(report: MetricReport) -> Term:
    """Without data nothing is known of a metric, whatever was measured before."""
    if report.silence_counts:
        return Term(breached=True, suspect=True, has_data=False)
    if not report.has_data:
        return Term(breached=None, suspect=None, has_data=False)
    return Term(breached=report.breached, suspect=report.suspected, has_data=True)
