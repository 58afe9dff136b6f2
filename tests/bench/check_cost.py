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

from model_rollout.adapters.clock import SystemClock
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.analysis.measurement import Sample
from model_rollout.engine.act import Actor
from model_rollout.engine.checker import Checker
from model_rollout.engine.gather import Gatherer
from model_rollout.engine.measure import Measurer
from model_rollout.engine.persist import Persister
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Key

KEY = Key("bench", "model")
_BAKED = 3.0


class Cluster:
    """An API server of two objects in memory; counts writes."""

    def __init__(self) -> None:
        self.writes = 0
        self.objects: dict[str, Any] = {}

    async def deployment(self, key: Key) -> Any:
        return deployment()

    async def rollout(self, key: Key) -> Any:
        return self.objects["rollout"]

    async def revisions(self, namespace: str, uid: str) -> list[Any]:
        return [o for name, o in self.objects.items() if name != "rollout"]

    async def replica_sets(self, namespace: str, selector: Any) -> list[Any]:
        return []

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
    async def query(self, url: str, promql: str) -> Sample:
        return Sample(time.time(), 0.9)

    async def query_range(self, *_: Any) -> tuple[Sample, ...]:
        return ()


def deployment() -> dict[str, Any]:
    container = {
        "name": "server",
        "image": "registry/model:1",
        "env": [{"name": f"V{i}", "value": str(i)} for i in range(20)],
        "resources": {"limits": {"cpu": "4", "memory": "8Gi"}},
    }
    return {
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


def rollout() -> dict[str, Any]:
    metric = {"query": "quality", "min": 0.85}
    return {
        "metadata": {"name": "model", "namespace": "bench", "uid": "r", "resourceVersion": "1"},
        "spec": {
            "targetRef": {"name": "model"},
            "components": [{"name": "image", "image": {"container": "server"}}],
            "metrics": [metric | {"name": name} for name in ("a", "b", "c")],
            "analysis": {"interval": "1s", "warmUp": "0s", "settle": "0s", "bakeTime": "1s"},
        },
    }


async def measure(checks: int) -> None:
    cluster, store = Cluster(), Store()
    cluster.objects["rollout"] = rollout()
    store.put_rollout(cluster.objects["rollout"])
    persister = Persister(cluster, store, lambda: True, "bench")  # type: ignore[arg-type]
    measurer = Measurer(Prometheus(), Prometheus(), lambda state: None)
    gatherer = Gatherer(cluster, store, measurer, "http://prometheus", SystemClock())  # type: ignore[arg-type]
    actor = Actor(cluster, store, persister)  # type: ignore[arg-type]
    checker = Checker(store, gatherer, persister, actor, Telemetry(), SystemClock())
    end = time.monotonic() + _BAKED
    while time.monotonic() < end:  # until it is Stable: the steady state is what is measured
        await checker.check(KEY)
        await asyncio.sleep(0.2)
    body = store.rollout(KEY)
    assert body is not None
    assert body["status"]["phase"] == "Healthy", body["status"]
    writes, started = cluster.writes, time.process_time()
    for _ in range(checks):
        memory = checker._memories[KEY]
        memory.next_measurement = 0.0
        await checker.check(KEY)
    each = (time.process_time() - started) / checks
    begun = time.process_time()
    for _ in range(checks):
        json.loads(json.dumps(body))
    trip = (time.process_time() - begun) / checks
    print(f"{each * 1e6:.0f} µs a check with three metrics, {each / trip:.0f} JSON round trips")
    print(f"10,000 guards every 30 s: {each * 10_000 / 30:.0%} of a core")
    print(f"writes in {checks} checks: {cluster.writes - writes}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=2000)
    asyncio.run(measure(parser.parse_args().checks))
