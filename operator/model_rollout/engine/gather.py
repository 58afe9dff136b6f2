"""Gather: all reads of one check, ending in one frozen `Facts`. Decides nothing, writes nothing."""

import logging
import time
from dataclasses import dataclass

from model_rollout.analysis.report import report
from model_rollout.analysis.values import metric_rule
from model_rollout.api.revision import RolloutRef
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import CurrentRevision, ModelRolloutStatus
from model_rollout.decision.facts import UNQUARANTINE_ANNOTATION, Facts, Pods, Workload
from model_rollout.decision.observed import newest_hash, read_pods, read_workload
from model_rollout.engine.measure import Measurer
from model_rollout.engine.memory import Memory
from model_rollout.engine.store import Store, target_of
from model_rollout.ports.kubernetes import Cluster, Json
from model_rollout.revisions.canonical import digest, normalised_template
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import earlier_contents, parse_revision

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guard:
    """One ModelRollout, parsed, with the JSON that it was parsed from."""

    body: Json
    spec: ModelRolloutSpec
    status: ModelRolloutStatus

    @property
    def namespace(self) -> str:
        """Namespace of the ModelRollout and of its target."""
        return str(self.body["metadata"]["namespace"])


def parse_guard(body: Json) -> Guard:
    """Return a ModelRollout from its JSON; raises pydantic's ValidationError when malformed."""
    return Guard(
        body,
        ModelRolloutSpec.model_validate(body["spec"]),
        ModelRolloutStatus.model_validate(body.get("status") or {}),
    )


class Gatherer:
    """Does all reads of a check."""

    def __init__(
        self, cluster: Cluster, store: Store, measurer: Measurer, prometheus_url: str | None
    ) -> None:
        """`prometheus_url` is used by every ModelRollout that names none."""
        self._cluster = cluster
        self._store = store
        self._measurer = measurer
        self._prometheus_url = prometheus_url

    async def gather(self, guard: Guard, memory: Memory) -> Facts:
        """Return everything that the decision needs. Raises `ApiError`; Prometheus never raises."""
        body, spec, status = guard.body, guard.spec, guard.status
        deployment = await self._deployment(body)
        workload = read_workload(deployment) if deployment is not None else None
        content = read_content(_template(workload), spec.components) if workload else None
        unchanged_for = _unchanged_for(memory, workload)
        if memory.revisions is None:
            uid = body["metadata"]["uid"]
            listed = await self._cluster.revisions(guard.namespace, uid)
            memory.revisions = {item["metadata"]["name"]: item for item in listed}
        now = time.time()
        await self._measure(guard, memory, workload, content, now)
        refused_id, refusal = memory.refused
        in_flight = status.transaction.id if status.transaction else ""
        return Facts(
            now=now,
            namespace=guard.namespace,
            ref=RolloutRef(name=body["metadata"]["name"], uid=body["metadata"]["uid"]),
            generation=body["metadata"].get("generation", 0),
            spec=spec,
            status=status,
            workload=workload,
            content=content,
            unchanged_for=unchanged_for,
            revisions=tuple(parse_revision(item) for item in memory.revisions.values()),
            reports=tuple(report(m.evidence, m.rule, now) for m in memory.measured.values()),
            pods=await self._pods(workload, status.current),
            earlier=await self._earlier(guard, workload),
            taken_by=self._taken_by(body),
            unquarantine=(body["metadata"].get("annotations") or {}).get(UNQUARANTINE_ANNOTATION),
            refused=refusal if refused_id == in_flight else "",
            prometheus_known=self._url(spec) is not None,
        )

    async def _deployment(self, body: Json) -> Json | None:
        """From the watch; read once where the watch has not brought it (it may not exist)."""
        target = target_of(body)
        known = self._store.deployment(target)
        if known is None:
            known = await self._cluster.deployment(target)
            if known is not None:
                self._store.put_deployment(known)
        return known

    async def _measure(
        self,
        guard: Guard,
        memory: Memory,
        workload: Workload | None,
        content: object,
        now: float,
    ) -> None:
        spec, current = guard.spec, guard.status.current
        rules = tuple(metric_rule(metric, spec) for metric in spec.metrics)
        memory.begin_period(current, rules, now)
        url = self._url(spec)
        if url is None or workload is None or workload.desired == 0:
            return  # at zero, evidence stands still
        if time.monotonic() < memory.next_measurement:
            return
        # A little less than the interval: the check itself is due a full interval later.
        memory.next_measurement = time.monotonic() + 0.9 * spec.analysis.interval
        live = content.digest if isinstance(content, Content) else ""
        counts = current is not None and current.digest == live
        await self._measurer.measure(memory, url, now, counts=counts)

    def _url(self, spec: ModelRolloutSpec) -> str | None:
        return spec.prometheus.url or self._prometheus_url

    async def _pods(
        self, workload: Workload | None, current: CurrentRevision | None
    ) -> Pods | None:
        """Pods are read only while something about them can matter: never in the steady state."""
        if workload is None or current is None or workload.desired == 0:
            return None
        calm = current.serving_since is not None and workload.rolled_out
        if calm and current.failing_since is None:
            return None
        namespace = workload.body["metadata"]["namespace"]
        selector = workload.body["spec"]["selector"]
        replica_sets = await self._cluster.replica_sets(namespace, selector)
        pods = await self._cluster.pods(namespace, selector)
        return read_pods(pods, newest_hash(workload.body, replica_sets))

    async def _earlier(self, guard: Guard, workload: Workload | None) -> tuple[Content, ...]:
        if workload is None or guard.status.current is not None:
            return ()
        selector = workload.body["spec"]["selector"]
        replica_sets = await self._cluster.replica_sets(guard.namespace, selector)
        return earlier_contents(tuple(replica_sets), workload.uid, guard.spec.components)

    def _taken_by(self, body: Json) -> str:
        """Of several ModelRollouts with one target the oldest guards it."""
        rivals = self._store.rivals(target_of(body))
        oldest = min(rivals, key=_seniority, default=body)
        if oldest["metadata"]["uid"] == body["metadata"]["uid"]:
            return ""
        return str(oldest["metadata"]["name"])


def _seniority(body: Json) -> tuple[str, str]:
    return (body["metadata"].get("creationTimestamp", ""), body["metadata"]["uid"])


def _template(workload: Workload) -> Json:
    template: Json = workload.body["spec"]["template"]
    return template


def _unchanged_for(memory: Memory, workload: Workload | None) -> float:
    """Settling is counted by the monotonic clock of this process; a restart begins it anew."""
    now = time.monotonic()
    seen = digest([workload.uid, normalised_template(_template(workload))]) if workload else ""
    if seen != memory.fingerprint:
        memory.fingerprint, memory.unchanged_since = seen, now
    return now - memory.unchanged_since
