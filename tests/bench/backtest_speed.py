"""How long a backtest of a month takes, fetching included, against a real Prometheus.

    python tests/bench/backtest_speed.py --days 30

A month of history is made up and written as blocks by promtool: three metrics on counters of two pods
that are scraped every 30 s, and what kube-state-metrics says of three revisions. The command runs as
a process of its own, as a user would run it; its output follows.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("operator", "hack", "tests")]

from model_rollout.api.types import time_text  # noqa: E402
from support.recording import Recording, recorded  # noqa: E402

STEP = 30
DAY = 86_400
END = 1_764_000_000 // STEP * STEP
NAME = "sentiment"
HASHES = ("5c8f6bd7d4", "6d4f5b7c9d", "7b9dc5f66c")
PODS = ("x7k2p", "m4n8q")
METRICS = {"accuracy": (0.92, 0.92, 0.82), "grounded": (0.99,) * 3, "served": (0.995,) * 3}
LIMITS = {"accuracy": 0.85, "grounded": 0.95, "served": 0.98}
ANSWERS = 10
"""Of each pod between two scrapes."""


def rollout() -> str:
    head = (
        "apiVersion: modelrollout.dev/v1alpha1\nkind: ModelRollout\n"
        f"metadata: {{name: {NAME}, namespace: ml}}\n"
        f"spec:\n  targetRef: {{name: {NAME}}}\n"
        "  components:\n    - {name: model, image: {container: server}}\n  metrics:\n"
    )
    return head + "".join(
        f"    - name: {name}\n      counts: {{good: {name}_good_total, total: {name}_all_total}}\n"
        f"      min: {limit}\n"
        for name, limit in LIMITS.items()
    )


def history(days: int) -> Recording:
    recording, chance = Recording(), random.Random(5)
    scrapes = range(END - days * DAY, END + 1, STEP)
    third = len(scrapes) // 3
    parts = [scrapes[n * third : (n + 1) * third if n < 2 else None] for n in range(3)]
    kube(recording, scrapes, parts)
    for metric, shares in METRICS.items():
        for times, template, share in zip(parts, HASHES, shares, strict=True):
            for pod in PODS:
                counters(recording, metric, times, f"{NAME}-{template}-{pod}", share, chance)
    return recording


def counters(
    recording: Recording, metric: str, times: range, pod: str, share: float, chance: random.Random
) -> None:
    good, counted = 0, []
    mean, spread = ANSWERS * share, (ANSWERS * share * (1 - share)) ** 0.5
    for number, moment in enumerate(times):
        good += min(ANSWERS, max(0, round(chance.gauss(mean, spread))))
        counted.append((moment, good, (number + 1) * ANSWERS))
    labels = {"pod": pod, "app": NAME}
    recording.counter(f"{metric}_good_total", [(t, good) for t, good, _ in counted], **labels)
    recording.counter(f"{metric}_all_total", [(t, total) for t, _, total in counted], **labels)


def kube(recording: Recording, scrapes: range, parts: list[range]) -> None:
    where = {"namespace": "ml"}
    replicas = [(t, len(PODS)) for t in scrapes]
    recording.gauge("kube_deployment_spec_replicas", replicas, deployment=NAME, **where)
    for times, template in zip(parts, HASHES, strict=True):
        labels = {"replicaset": f"{NAME}-{template}", **where}
        known = range(times[0], END + 1, STEP)
        wants = [(t, len(PODS) if t in times else 0) for t in known]
        owner = {"owner_kind": "Deployment", "owner_name": NAME}
        recording.gauge("kube_replicaset_owner", [(t, 1) for t in known], **labels, **owner)
        recording.gauge("kube_replicaset_created", [(t, times[0]) for t in known], **labels)
        recording.gauge("kube_replicaset_spec_replicas", wants, **labels)
        recording.gauge("kube_replicaset_status_ready_replicas", wants, **labels)
        for pod in PODS:
            recording.gauge(
                "kube_pod_container_info",
                [(t, 1) for t in times],
                pod=f"{NAME}-{template}-{pod}",
                container="server",
                image=f"registry/{NAME}:{template[0]}",
                **where,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    days = parser.parse_args().days
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rollout.yaml"
        file.write_text(rollout())
        with recorded(history(days), Path(folder)) as prometheus:
            measure(file, prometheus.url, days)


def measure(file: Path, url: str, days: int) -> None:
    period = ["--since", f"{days}d", "--until", time_text(END)]
    command = [sys.executable, "-m", "model_rollout", "backtest", "-f", str(file)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    begun = time.monotonic()
    process = subprocess.Popen([*command, "--prometheus", url, *period], env=environment)
    _, status, used = os.wait4(process.pid, 0)
    took = time.monotonic() - begun
    print(
        f"\n{took:.1f} s, of them {used.ru_utime + used.ru_stime:.1f} s of CPU without Prometheus"
    )
    print(f"{used.ru_maxrss / 1024:.0f} MiB at most")
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
