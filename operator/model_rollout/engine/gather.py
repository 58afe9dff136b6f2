"""Gather: all reads of one check, ending in one frozen `Facts`. Decides nothing, writes nothing."""

import logging
from dataclasses import replace

from model_rollout.analysis.evidence import report
from model_rollout.api.revision import RolloutRef
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.blocking import blocking_pods, may_block
from model_rollout.decision.facts import (
    APPROVE_ANNOTATION,
    REASON_ANNOTATION,
    UNQUARANTINE_ANNOTATION,
    Facts,
    Pods,
    Workload,
)
from model_rollout.decision.inference import read_inference_pods, read_inference_service
from model_rollout.decision.observed import newest_hash, read_pods, read_workload
from model_rollout.engine.guard import Guard
from model_rollout.engine.maps import ConfigMaps, involved
from model_rollout.engine.memory import Memory, Seen
from model_rollout.engine.metrics import Metrics
from model_rollout.engine.objects import read_objects, why_unreadable
from model_rollout.engine.rulebook import Circumstances, newest_stable
from model_rollout.engine.servers import Servers
from model_rollout.engine.store import Store, target_of
from model_rollout.ports.clock import Clock
from model_rollout.ports.kubernetes import Cluster, Forbidden, Json, NotFound
from model_rollout.revisions.canonical import digest, normalised_template
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import Revision, earlier_contents, parse_revision
from model_rollout.revisions.objects import ObjectRef
from model_rollout.revisions.places import ComponentProblem
from model_rollout.revisions.workloads import INFERENCE_SERVICE, document, has_template

log = logging.getLogger(__name__)


class Gatherer:
    """Does all reads of a check."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        metrics: Metrics,
        servers: Servers,
        clock: Clock,
    ) -> None:
        """All collaborators; nothing of them is written to."""
        self._cluster = cluster
        self._store = store
        self._metrics = metrics
        self._servers = servers
        self._maps = ConfigMaps(cluster, store)
        self._clock = clock

    async def gather(self, guard: Guard, memory: Memory) -> Facts:
        """Return everything that the decision needs. Raises `ApiError`; Prometheus never raises."""
        body, spec, status = guard.body, guard.spec, guard.status
        workload, workload_problem = await self._workload(body)
        if memory.revisions is None:
            uid = body["metadata"]["uid"]
            listed = await self._cluster.revisions(guard.namespace, uid)
            memory.revisions = {item["metadata"]["name"]: item for item in listed}
        revisions = _parsed(memory)
        written = involved(status.transaction, revisions)
        config_maps = await self._config_maps(guard, workload, written)
        http = await self._servers.read(guard, memory)
        objects = await read_objects(self._cluster, guard)
        content = self._content(memory, workload, spec, config_maps, http, objects)
        now = self._clock.wall()
        found = await self._circumstances(guard, memory, workload, revisions)
        # At zero, evidence stands still.
        asks = workload is not None and workload.desired > 0
        counts = counts_for(status, content)
        problem = await self._metrics.measure(guard, memory, found, now, asks=asks, counts=counts)
        assert memory.rules is not None
        refused_id, refusal = memory.refused
        in_flight = status.transaction.id if status.transaction else ""
        annotations = body["metadata"].get("annotations") or {}
        return Facts(
            now=now,
            namespace=guard.namespace,
            ref=RolloutRef(name=guard.name, uid=body["metadata"]["uid"]),
            generation=body["metadata"].get("generation", 0),
            spec=spec,
            status=status,
            workload=workload,
            workload_problem=workload_problem,
            content=content,
            unchanged_for=self._clock.monotonic() - memory.unchanged_since,
            revisions=revisions,
            reports=tuple(report(m.evidence, m.rule, now) for m in memory.measured.values()),
            when=memory.rules.when,
            pods=await self._pods(guard, workload, revisions),
            earlier=await self._earlier(guard, workload),
            taken_by=self._taken_by(body),
            unquarantine=annotations.get(UNQUARANTINE_ANNOTATION),
            approve=annotations.get(APPROVE_ANNOTATION),
            stated=annotations.get(REASON_ANNOTATION, ""),
            unrecorded=memory.unrecorded,
            refused=refusal if refused_id == in_flight else "",
            preflighted=memory.preflighted == in_flight,
            config_maps=config_maps,
            objects=objects,
            snapshots=await self._maps.snapshots(guard.namespace, written),
            shared=self._maps.shared(guard),
            prometheus_problem=problem,
        )

    async def _workload(self, body: Json) -> tuple[Workload | None, str]:
        """From the watch; read once where the watch has not brought it (it may not exist).

        Kinds that a cluster may lack are not watched but read at every check. The text says why
        the workload cannot be read.
        """
        target = target_of(body)
        if target.kind == INFERENCE_SERVICE:
            return await self._unwatched(target)
        known = self._store.workload(target)
        if known is None:
            known = await self._cluster.read(target)
            if known is not None:
                self._store.put_workload(known)
        return (read_workload(known) if known is not None else None), ""

    async def _unwatched(self, target: ObjectRef) -> tuple[Workload | None, str]:
        try:
            body = await self._cluster.read(target)
        except (Forbidden, NotFound) as error:
            return None, why_unreadable(target, error)
        if body is None:
            return None, ""
        return read_inference_service(body, self._clock.wall()), ""

    async def _config_maps(
        self, guard: Guard, workload: Workload | None, written: list[Revision]
    ) -> dict[str, Json | None]:
        if workload is None:
            return {}
        return await self._maps.read(guard.namespace, guard.spec, document(workload.body), written)

    def _content(
        self,
        memory: Memory,
        workload: Workload | None,
        spec: ModelRolloutSpec,
        config_maps: dict[str, Json | None],
        http: dict[str, str | ComponentProblem],
        objects: dict[str, Json | ComponentProblem],
    ) -> Content | ComponentProblem | None:
        """Read the content, unless nothing that it is read from changed since last time.

        Settling is counted by the monotonic clock of this process; a restart begins it anew.
        """
        body = workload.body if workload else None
        versions = tuple(_version(config_map) for config_map in config_maps.values())
        seen = memory.seen
        if (
            seen is not None
            and seen.body is body
            and seen.components == spec.components
            and seen.config_maps == versions
            and seen.http == http
            and seen.objects == objects
        ):
            return seen.content
        content = (
            read_content(document(workload.body), spec.components, config_maps, http, objects)
            if workload
            else None
        )
        fingerprint = _fingerprint(workload, content) if workload else ""
        if seen is None or seen.fingerprint != fingerprint:
            memory.unchanged_since = self._clock.monotonic()
        memory.seen = Seen(body, spec.components, versions, http, objects, content, fingerprint)
        return content

    async def _circumstances(
        self,
        guard: Guard,
        memory: Memory,
        workload: Workload | None,
        revisions: tuple[Revision, ...],
    ) -> Circumstances:
        current = guard.status.current.name if guard.status.current else ""
        template_hash = None
        if workload and self._metrics.select_by_template_hash(guard, memory):
            template_hash = await self._template_hash(memory, workload)
        return Circumstances(
            namespace=guard.namespace,
            name=guard.name,
            revision=next((r for r in revisions if r.name == current), None),
            template_hash=template_hash,
            stable=newest_stable(revisions, current),
        )

    async def _template_hash(self, memory: Memory, workload: Workload) -> str | None:
        """Read it again when the workload was edited; None until its controller gave one."""
        metadata = workload.body["metadata"]
        version = (workload.uid, metadata.get("generation", 0))
        known = memory.template_hash
        if known is None or known[0] != version:
            kept = await self._kept(workload)
            found = newest_hash(workload.body, kept) if workload.caught_up else None
            if found is None:
                return None
            memory.template_hash = known = (version, found)
        return known[1]

    async def _pods(
        self, guard: Guard, workload: Workload | None, revisions: tuple[Revision, ...]
    ) -> Pods | None:
        """Pods are read only while something about them can matter: never in the steady state."""
        current, transaction = guard.status.current, guard.status.transaction
        if workload is None or current is None or workload.desired == 0:
            return None
        calm = current.serving_since is not None and workload.rolled_out
        if calm and current.failing_since is None:
            return None
        if not has_template(workload.body):
            return read_inference_pods(workload.body)
        selector = workload.body["spec"]["selector"]
        kept = await self._kept(workload)
        listed = await self._cluster.pods(guard.namespace, selector)
        pods = read_pods(listed, newest_hash(workload.body, kept))
        left = next((r for r in revisions if transaction and r.number == transaction.from_), None)
        if left is None or not may_block(workload, transaction):
            return pods
        components = guard.spec.components
        blocking = blocking_pods(workload, listed, kept, components, left.spec.components)
        return replace(pods, blocking=blocking)

    async def _kept(self, workload: Workload) -> list[Json]:
        """Return what keeps the templates before: ReplicaSets, or ControllerRevisions."""
        if not has_template(workload.body):
            return []
        namespace = workload.body["metadata"]["namespace"]
        selector = workload.body["spec"]["selector"]
        if workload.body["kind"] == "StatefulSet":
            return await self._cluster.controller_revisions(namespace, selector)
        return await self._cluster.replica_sets(namespace, selector)

    async def _earlier(self, guard: Guard, workload: Workload | None) -> tuple[Content, ...]:
        if workload is None or guard.status.current is not None:
            return ()
        kept = tuple(await self._kept(workload))
        return earlier_contents(kept, workload.uid, guard.spec.components)

    def _taken_by(self, body: Json) -> str:
        """Of several ModelRollouts with one target the oldest guards it."""
        rivals = self._store.rivals(target_of(body))
        oldest = min(rivals, key=_seniority, default=body)
        if oldest["metadata"]["uid"] == body["metadata"]["uid"]:
            return ""
        return str(oldest["metadata"]["name"])


def counts_for(status: ModelRolloutStatus, content: Content | ComponentProblem | None) -> bool:
    """Tell whether what is measured now says something about the current revision.

    Not while the workload holds something else that has still to settle. An edit beside the
    components does not stop the verification of a rollback.
    """
    if status.current is None or not isinstance(content, Content):
        return False
    return status.current.digest == content.digest or status.transaction is not None


def _version(config_map: Json | None) -> tuple[str, str] | None:
    if config_map is None:
        return None
    return config_map["metadata"]["uid"], config_map["metadata"]["resourceVersion"]


def _fingerprint(workload: Workload, content: Content | ComponentProblem | None) -> str:
    """Return a digest of all that settles."""
    values = []
    if isinstance(content, Content):
        values = [[value.name, value.type, value.value] for value in content.components]
    return digest([workload.uid, normalised_template(document(workload.body)), values])


def _parsed(memory: Memory) -> tuple[Revision, ...]:
    """Parse the ModelRevisions that changed since the last check."""
    assert memory.revisions is not None
    known = memory.parsed
    memory.parsed = {
        name: known[name]
        if name in known and known[name][0] is body
        else (body, parse_revision(body))
        for name, body in memory.revisions.items()
    }
    return tuple(revision for _, revision in memory.parsed.values())


def _seniority(body: Json) -> tuple[str, str]:
    return (body["metadata"].get("creationTimestamp", ""), body["metadata"]["uid"])
