"""An API server and a Prometheus in memory, and an engine around them."""

import copy
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import jsonpatch

from model_rollout.analysis.measurement import QueryError, QueryResult, Sample, SeriesResult
from model_rollout.decision.fleet import FleetLimits
from model_rollout.engine.act import Actor
from model_rollout.engine.checker import Checker
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.fleet import Fleet
from model_rollout.engine.gather import Gatherer
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.engine.measure import Measurer
from model_rollout.engine.metrics import Metrics
from model_rollout.engine.persist import Persister
from model_rollout.engine.rulebook import RuleBook
from model_rollout.engine.servers import Servers
from model_rollout.engine.store import Store
from model_rollout.ports.http import HttpEndpoint, HttpReading, Refused
from model_rollout.ports.kubernetes import Conflict, Json, Key, NotFound, TestFailed
from model_rollout.ports.prometheus import Endpoint
from model_rollout.revisions.objects import ObjectRef, Write
from unit.decision.builders import NOW, SPEC, deployment
from unit.decision.world import QUICK
from unit.revisions.oracle import apply_patch

KEY, TARGET = Key("ml", "sentiment"), Key("ml", "sentiment")
WRITES = (
    "create_revision",
    "write_revision_status",
    "delete_revision",
    "create_record",
    "delete_record",
    "write_rollout_status",
    "patch_rollout",
    "write",
    "create_snapshot",
    "delete_config_map",
    "create_event",
)


class FakeCluster:
    """Implements `ports.kubernetes.Cluster`; notes every call, and fails where it is told to."""

    def __init__(self) -> None:
        self.rollouts_: dict[Key, Json] = {}
        self.deployments: dict[Key, Json] = {}
        self.config_maps: dict[Key, Json] = {}
        self.templates_: dict[Key, Json] = {}
        self.secrets: dict[Key, Json] = {}
        self.replica_sets_: list[Json] = []
        self.controller_revisions_: list[Json] = []
        self.revisions_: dict[str, Json] = {}
        self.records_: dict[str, Json] = {}
        self.events: list[Json] = []
        self.pods_: list[Json] = []
        self.calls: list[str] = []
        self.fail: dict[str, list[Exception]] = defaultdict(list)
        self._version = 100

    @property
    def writes(self) -> list[str]:
        """The writes, in their order."""
        return [call for call in self.calls if call in WRITES]

    def changed(self, body: Json) -> Json:
        """The object with a newer version."""
        self._version += 1
        return body | {"metadata": body["metadata"] | {"resourceVersion": str(self._version)}}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.fail[name]:
            raise self.fail[name].pop(0)

    async def rollout(self, key: Key) -> Json | None:
        self._called("rollout")
        return self.rollouts_.get(key)

    async def rollouts(self) -> AsyncIterator[Json]:
        self._called("rollouts")
        for body in list(self.rollouts_.values()):
            yield body

    async def templates(self) -> AsyncIterator[Json]:
        for body in list(self.templates_.values()):
            yield body

    async def secret(self, key: Key) -> Json | None:
        self._called("secret")
        return self.secrets.get(key)

    async def config_map(self, key: Key) -> Json | None:
        self._called("config_map")
        return None

    async def read(self, ref: ObjectRef) -> Json | None:
        self._called("read")
        key = Key(ref.namespace, ref.name)
        return self._kept(ref.kind).get(key)

    def _kept(self, kind: str) -> dict[Key, Json]:
        return self.config_maps if kind == "ConfigMap" else self.deployments

    async def pods(self, namespace: str, selector: Json) -> list[Json]:
        self._called("pods")
        return self.pods_

    async def replica_sets(self, namespace: str, selector: Json) -> list[Json]:
        self._called("replica_sets")
        return self.replica_sets_

    async def controller_revisions(self, namespace: str, selector: Json) -> list[Json]:
        self._called("controller_revisions")
        return self.controller_revisions_

    async def revisions(self, namespace: str, rollout_uid: str) -> list[Json]:
        self._called("revisions")
        return list(self.revisions_.values())

    async def create_revision(self, body: Json) -> Json:
        self._called("create_revision")
        name = body["metadata"]["name"]
        if name in self.revisions_:
            raise Conflict(name)
        self.revisions_[name] = self.changed(body | {"metadata": body["metadata"] | {"uid": name}})
        return self.revisions_[name]

    async def write_revision_status(self, revision: Json, status: Json) -> Json:
        self._called("write_revision_status")
        name = revision["metadata"]["name"]
        self.revisions_[name] = self.changed(revision | {"status": status})
        return self.revisions_[name]

    async def delete_revision(self, key: Key, uid: str) -> None:
        self._called("delete_revision")
        assert self.revisions_.pop(key.name)["metadata"]["uid"] == uid

    async def record(self, key: Key) -> Json | None:
        self._called("record")
        return self.records_.get(key.name)

    async def records(self) -> AsyncIterator[Json]:
        self._called("records")
        for body in list(self.records_.values()):
            yield body

    async def create_record(self, body: Json) -> Json:
        self._called("create_record")
        name = body["metadata"]["name"]
        if name in self.records_:
            raise Conflict(name)
        self.records_[name] = self.changed(body | {"metadata": body["metadata"] | {"uid": name}})
        return self.records_[name]

    async def delete_record(self, key: Key, uid: str) -> None:
        self._called("delete_record")
        assert self.records_.pop(key.name)["metadata"]["uid"] == uid

    async def write_rollout_status(self, rollout: Json, status: Json) -> Json:
        self._called("write_rollout_status")
        key = Key(rollout["metadata"]["namespace"], rollout["metadata"]["name"])
        there = self.rollouts_.get(key)
        if there is None:
            raise NotFound(str(key))
        if there["metadata"]["resourceVersion"] != rollout["metadata"]["resourceVersion"]:
            raise Conflict(str(key))
        self.rollouts_[key] = self.changed(there | {"status": status})
        return self.rollouts_[key]

    async def patch_rollout(self, key: Key, operations: list[Json]) -> Json:
        self._called("patch_rollout")
        self.rollouts_[key] = self.changed(self._patched(self.rollouts_[key], operations))
        return self.rollouts_[key]

    async def write(self, write: Write, *, dry_run: bool = False) -> Json:
        self._called("dry_run" if dry_run else "write")
        key, kept = Key(write.ref.namespace, write.ref.name), self._kept(write.ref.kind)
        if write.delete:
            assert write.read is not None
            self.pods_ = [pod for pod in self.pods_ if pod["metadata"] != write.read["metadata"]]
            return {}
        if write.create is not None:
            body = write.create | {"metadata": write.create["metadata"] | {"uid": write.ref.name}}
        elif key not in kept:
            raise NotFound(str(key))
        else:
            body = self._patched(kept[key], list(write.patch))
            body["metadata"]["generation"] = body["metadata"].get("generation", 0) + 1
        if not dry_run:
            kept[key] = body = self.changed(body)
        return body

    async def snapshots(self, namespace: str, rollout_uid: str) -> list[Json]:
        self._called("snapshots")
        return [body for body in self.config_maps.values() if body.get("immutable")]

    async def create_snapshot(self, body: Json) -> None:
        self._called("create_snapshot")
        metadata = body["metadata"] | {"uid": body["metadata"]["name"]}
        key = Key(metadata["namespace"], metadata["name"])
        self.config_maps.setdefault(key, self.changed(body | {"metadata": metadata}))

    async def delete_config_map(self, key: Key, uid: str) -> None:
        self._called("delete_config_map")
        assert self.config_maps.pop(key)["metadata"]["uid"] == uid

    @staticmethod
    def _patched(body: Json, operations: list[Json]) -> Json:
        try:
            return apply_patch(body, operations)
        except jsonpatch.JsonPatchTestFailed as error:
            raise TestFailed(str(error)) from None

    async def create_event(self, namespace: str, body: Json) -> None:
        self._called("create_event")
        names = {event["metadata"]["name"] for event in self.events}
        if body["metadata"]["name"] not in names:
            self.events.append(body)


class FakePrometheus:
    """Answers every query with one value, and remembers what it was asked."""

    def __init__(self, clock: "FakeTime") -> None:
        self.answer: QueryResult | float = 0.95
        self.past: tuple[Sample, ...] | QueryError = ()
        self.series_: dict[str, SeriesResult] = {}
        self.raw_: dict[str, SeriesResult] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges: list[tuple[str, float, float, float]] = []
        self._clock = clock

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        self.asked.append((endpoint.url, promql))
        if isinstance(self.answer, float):
            # The time of an instant vector is that of its evaluation, by another clock than ours.
            return Sample(self._clock.now + 1234.0, self.answer)
        return self.answer

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> SeriesResult:
        self.asked.append((endpoint.url, promql))
        return self.series_.get(promql, ())

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        self.ranges.append((promql, start, end, step))
        if isinstance(self.past, QueryError):
            return self.past
        return tuple(sample for sample in self.past if start <= sample.time <= end)

    async def raw(
        self, endpoint: Endpoint, selector: str, start: float, end: float
    ) -> SeriesResult:
        self.ranges.append((selector, start, end, 0.0))
        return self.raw_.get(selector, ())


@dataclass
class FakeHttp:
    """Implements `ports.http.HttpValues` for one server."""

    value: str = "docs-1"
    fail: list[Exception] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    async def read(self, endpoint: HttpEndpoint) -> HttpReading:
        if self.fail:
            raise self.fail.pop(0)
        return HttpReading(self.value)

    async def check(self, endpoint: HttpEndpoint, value: str) -> None:
        if value == "gone":
            raise Refused("there is no collection gone")

    async def write(
        self, endpoint: HttpEndpoint, value: str, reading: HttpReading, transaction: str
    ) -> HttpReading:
        self.value = value
        self.written.append(value)
        return HttpReading(value)


@dataclass
class FakeTime:
    """Implements `ports.clock.Clock`: both clocks go together, and only when they are told to."""

    now: float = NOW

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - NOW + 1000.0


@dataclass
class Counted:
    """Takes what the checker counts."""

    ended: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    frozen: bool = False

    def check_ended(self, result: str, duration: float) -> None:
        self.ended.append(result)

    def decided(self, action: str, reason: str) -> None:
        self.decisions.append(reason)

    def fleet(self, count: int, frozen: bool) -> None:
        self.frozen = frozen


def rollout_body(name: str = "sentiment", **changes: Any) -> Json:
    """A ModelRollout that is checked every ten seconds."""
    metadata = {
        "name": name,
        "namespace": "ml",
        "uid": f"{name}-uid",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T09:00:00Z",
    }
    metadata |= changes.pop("metadata", {})
    return {"metadata": metadata, "spec": SPEC | QUICK | changes}


class Engine:
    """One process: its store, its memory, and everything that it is wired to."""

    def __init__(self, cluster: FakeCluster | None = None, **changes: Any) -> None:
        self.clock = FakeTime()
        self.cluster = cluster or FakeCluster()
        self.prometheus = FakePrometheus(self.clock)
        if cluster is None:
            body = self.cluster.changed(rollout_body(**changes))
            self.cluster.rollouts_[KEY] = body
            self.cluster.deployments[TARGET] = self.cluster.changed(deployment("good:1"))
        self.http = FakeHttp()
        self.leading = True
        self.counted = Counted()
        self.store = Store()
        grouped = GroupedQueries(self.prometheus, self.clock.monotonic)
        measurer = Measurer(self.prometheus, grouped, self.prometheus, lambda kind: None)
        rules = RuleBook(self.store, "operators")
        credentials = Credentials(self.cluster, self.clock.monotonic)
        self.metrics = Metrics(measurer, rules, credentials, None, self.clock)
        persister = Persister(self.cluster, self.store, lambda: self.leading, "tests")
        servers = Servers(self.http, credentials)
        gatherer = Gatherer(self.cluster, self.store, self.metrics, servers, self.clock)
        actor = Actor(self.cluster, self.store, persister, servers)
        self.fleet = Fleet(self.store, FleetLimits())
        self.checker = Checker(
            self.store, gatherer, persister, actor, self.fleet, self.counted, self.clock
        )
        for body in self.cluster.rollouts_.values():
            self.store.put_rollout(body)

    @property
    def status(self) -> Json:
        """The stored status."""
        return dict(self.cluster.rollouts_[KEY].get("status") or {})

    @property
    def image(self) -> str:
        """The image that is deployed."""
        spec = self.cluster.deployments[TARGET]["spec"]["template"]["spec"]
        return str(spec["containers"][0]["image"])

    def edit_rollout(self, **spec: Any) -> None:
        """Somebody edits the ModelRollout; the watch has not said so yet."""
        body = copy.deepcopy(self.cluster.rollouts_[KEY])
        body["spec"] |= spec
        self.cluster.rollouts_[KEY] = self.cluster.changed(body)

    def annotate(self, text: str) -> None:
        """Somebody annotates the ModelRollout."""
        body = copy.deepcopy(self.cluster.rollouts_[KEY])
        body["metadata"]["annotations"] = {"modelrollout.dev/unquarantine": text}
        self.cluster.rollouts_[KEY] = self.cluster.changed(body)
        self.store.put_rollout(self.cluster.rollouts_[KEY])

    def deploy(self, image: str, *, seen: bool = True) -> None:
        """Somebody deploys another image; `seen`: the watch has said so."""
        body = copy.deepcopy(self.cluster.deployments[TARGET])
        body["spec"]["template"]["spec"]["containers"][0]["image"] = image
        body["metadata"]["generation"] += 1
        self.cluster.deployments[TARGET] = self.cluster.changed(body)
        if seen:
            self.watch()

    def write_prompt(self, text: str) -> None:
        """Somebody writes the ConfigMap `prompt`."""
        key = Key("ml", "prompt")
        body = self.cluster.config_maps.get(key) or {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": "prompt-uid"},
        }
        self.cluster.config_maps[key] = self.cluster.changed(body | {"data": {"system": text}})

    def watch(self) -> None:
        """The watches catch up; the controller does, too."""
        for key, body in self.cluster.deployments.items():
            status = body["status"] | {"observedGeneration": body["metadata"]["generation"]}
            if status != body["status"]:
                body = self.cluster.changed(body | {"status": status})
                self.cluster.deployments[key] = body
            self.store.put_workload(body)
        for body in self.cluster.rollouts_.values():
            self.store.put_rollout(body)

    async def check(self, seconds: float = 10.0) -> float:
        """Let time pass and check once."""
        self.clock.now += seconds
        self.watch()
        return await self.checker.check(KEY)

    async def checks(self, count: int) -> None:
        """Several checks, an interval apart."""
        for _ in range(count):
            await self.check()
