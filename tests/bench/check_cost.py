"""What one check of a Stable guard costs, without the network: CPU of gather, decide and compare.

    python tests/bench/check_cost.py --checks 2000

Prometheus and the API server answer at once from memory, so what is left is the operator's own work.
Prints microseconds a check, and how many times a plain JSON round trip of the object that is.
"""

import argparse
import asyncio
import json
import time
from typing import Any

from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.analysis.measurement import Sample, Series
from model_rollout.decision.decide import decide
from model_rollout.decision.fleet import FleetLimits
from model_rollout.engine.act import Actor
from model_rollout.engine.checker import Checker
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.fleet import Fleet
from model_rollout.engine.gather import Gatherer
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.engine.guard import parse_guard
from model_rollout.engine.measure import Measurer
from model_rollout.engine.metrics import Metrics
from model_rollout.engine.persist import Persister
from model_rollout.engine.rulebook import RuleBook
from model_rollout.engine.servers import Servers
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Key
from model_rollout.ports.prometheus import Endpoint
from model_rollout.revisions.objects import ObjectRef

KEY = Key("bench", "model")


class Cluster:
    """An API server of two objects in memory; counts writes."""

    def __init__(self) -> None:
        self.writes = 0
        self.objects: dict[str, Any] = {}

    async def read(self, ref: ObjectRef) -> Any:
        return deployment()

    async def rollout(self, key: Key) -> Any:
        return self.objects["rollout"]

    async def revisions(self, namespace: str, uid: str) -> list[Any]:
        return [o for name, o in self.objects.items() if name != "rollout"]

    async def replica_sets(self, namespace: str, selector: Any) -> list[Any]:
        return []

    async def secret(self, key: Key) -> Any:
        return None

    async def config_map(self, key: Key) -> Any:
        return None

    async def pods(self, namespace: str, selector: Any) -> list[Any]:
        return []

    async def create_revision(self, body: Any) -> Any:
        metadata = body["metadata"] | {"uid": body["metadata"]["name"]}
        return self._put(body["metadata"]["name"], body | {"metadata": metadata})

    async def write_revision_status(self, revision: Any, status: Any) -> Any:
        return self._put(revision["metadata"]["name"], revision | {"status": status})

    async def write_rollout_status(self, rollout: Any, status: Any) -> Any:
        return self._put("rollout", rollout | {"status": status})

    async def create_event(self, namespace: str, body: Any) -> None:
        self.writes += 1

    def _put(self, name: str, body: Any) -> Any:
        self.writes += 1
        metadata = body["metadata"] | {"resourceVersion": str(self.writes + 1)}
        self.objects[name] = body | {"metadata": metadata}
        return self.objects[name]


class Prometheus:
    """Counters of ten series that are scraped every 15 s; one answer in twenty is wrong."""

    scrapes = 0

    async def query(self, endpoint: Endpoint, promql: str) -> Sample:
        return Sample(time.time(), 0.9)

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> tuple[Series, ...]:
        return self.answers["good" if promql.startswith("good") else "total"]

    def scrape(self) -> None:
        """Let 30 s pass: two more scrapes, and five minutes of them in each answer."""
        self.scrapes += 2
        times = [1e9 + 15.0 * n for n in range(self.scrapes - 19, self.scrapes + 1)]
        self.answers = {
            name: tuple(
                Series(
                    (("pod", f"model-{pod}"),),
                    tuple(Sample(t, share * (t - 1e9 + 1e6)) for t in times),
                )
                for pod in range(10)
            )
            for name, share in (("good", 0.95), ("total", 1.0))
        }

    async def query_range(self, *_: Any) -> tuple[Sample, ...]:
        return ()

    async def raw(self, *_: Any) -> tuple[Series, ...]:
        return ()


def deployment() -> dict[str, Any]:
    container = {
        "name": "server",
        "image": "registry/model:1",
        "env": [{"name": f"V{i}", "value": str(i)} for i in range(20)],
        "resources": {"limits": {"cpu": "4", "memory": "8Gi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "model",
            "namespace": "bench",
            "uid": "w",
            "resourceVersion": "1",
            "generation": 1,
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "model"}},
            "template": {
                "metadata": {"labels": {"app": "model"}},
                "spec": {"containers": [container]},
            },
        },
        "status": {
            "observedGeneration": 1,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
        },
    }


QUERIES = {"query": "quality", "min": 0.85}
COUNTS = {"counts": {"good": "good", "total": "total"}, "min": 0.85}


def rollout(metric: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "model", "namespace": "bench", "uid": "r", "resourceVersion": "1"},
        "spec": {
            "targetRef": {"name": "model"},
            "components": [{"name": "image", "image": {"container": "server"}}],
            "metrics": [metric | {"name": name} for name in ("a", "b", "c")],
            "analysis": {"warmUp": "0s", "settle": "0s", "bakeTime": "1m"},
        },
    }


class SimulatedClock:
    """Both clocks; 30 s pass whenever they are told to."""

    now = 1e9

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


async def measure(name: str, metric: dict[str, Any], checks: int) -> None:
    cluster, store, clock, prometheus = Cluster(), Store(), SimulatedClock(), Prometheus()
    cluster.objects["rollout"] = rollout(metric)
    store.put_rollout(cluster.objects["rollout"])
    persister = Persister(cluster, store, lambda: True, "bench")  # type: ignore[arg-type]
    measurer = Measurer(prometheus, GroupedQueries(prometheus), prometheus, lambda state: None)
    credentials = Credentials(cluster)  # type: ignore[arg-type]
    metrics = Metrics(measurer, RuleBook(store, "bench"), credentials, "http://p:9090", clock)
    servers = Servers(HttpValueClient(), credentials)
    gatherer = Gatherer(cluster, store, metrics, servers, clock)  # type: ignore[arg-type]
    actor = Actor(cluster, store, persister, servers)  # type: ignore[arg-type]
    fleet = Fleet(store, FleetLimits())
    checker = Checker(store, gatherer, persister, actor, fleet, Telemetry(), clock)

    async def check() -> None:
        clock.now += 30.0
        prometheus.scrape()
        await checker.check(KEY)

    for _ in range(20):  # until it is Stable: the steady state is what is measured
        await check()
    body = store.rollout(KEY)
    assert body is not None
    assert body["status"]["phase"] == "Healthy", body["status"]
    writes, spent, decided = cluster.writes, 0.0, 0.0
    for _ in range(checks):
        clock.now += 30.0
        prometheus.scrape()
        begun = time.process_time()
        await checker.check(KEY)
        spent += time.process_time() - begun
    each = spent / checks
    begun = time.process_time()
    for _ in range(checks):
        json.loads(json.dumps(body))
    trip = (time.process_time() - begun) / checks
    facts = await gatherer.gather(parse_guard(body), checker._memories[KEY])
    begun = time.process_time()
    for _ in range(checks):
        decide(facts)
    decided = (time.process_time() - begun) / checks
    print(f"three metrics by {name}:")
    print(f"  {each * 1e6:.0f} µs a check, {each / trip:.0f} JSON round trips of the object")
    print(f"  of it the decision: {decided * 1e6:.0f} µs")
    print(f"  10,000 guards every 30 s: {each * 10_000 / 30:.1%} of a core")
    print(f"  writes in {checks} checks: {cluster.writes - writes}")


async def main(checks: int) -> None:
    await measure("queries", QUERIES, checks)
    await measure("counts (ten series, twenty samples each)", COUNTS, checks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=2000)
    asyncio.run(main(parser.parse_args().checks))
