"""The real thing: control plane, Prometheus and local node together."""

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster.accounts import kubeconfig_for_service_account
from localcluster.controlplane import ControlPlane, KubectlError
from localcluster.node_process import LocalNode
from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until

SERVE = Path(__file__).with_name("serve.py")
IMAGES = {
    "model:v1": ["python", SERVE],
    "crashes:v1": [sys.executable, "-c", "raise SystemExit(3)"],
    "stubborn:v1": ["sh", "-c", "trap '' TERM; echo up; while :; do tail -f /dev/null; done"],
    "once:v1": ["true"],
}
READINESS = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as started:
        yield started


@pytest.fixture(scope="module")
def prometheus(cluster: ControlPlane) -> Iterator[Prometheus]:
    with Prometheus(cluster.kubeconfig) as started:
        yield started


@pytest.fixture(scope="module")
def node(cluster: ControlPlane) -> Iterator[LocalNode]:
    with LocalNode(cluster, IMAGES) as started:
        yield started


class Workload:
    """A Deployment `name` in a namespace of its own."""

    def __init__(self, cluster: ControlPlane, name: str) -> None:
        self._cluster = cluster
        self.name = name
        cluster.kubectl("create", "namespace", name)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._cluster.kubectl("--namespace", self.name, *arguments, stdin=stdin)

    def apply(self, image: str, *, container: dict[str, Any] | None = None, **spec: Any) -> None:
        main = {"name": "model", "image": image, **(container or {})}
        template = {
            "metadata": {
                "labels": {"app": self.name},
                "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
            },
            "spec": {"nodeSelector": {"modelrollout.dev/local-node": "true"}, "containers": [main]},
        }
        template["spec"] |= spec
        selector = {"matchLabels": {"app": self.name}}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name},
            "spec": {"replicas": 1, "selector": selector, "template": template},
        }
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(deployment))

    def pods(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return items

    def status(self) -> dict[str, Any]:
        """The first container's status of the only pod."""
        (pod,) = self.pods()
        status: dict[str, Any] = pod["status"]["containerStatuses"][0]
        return status

    def ready_pod(self) -> dict[str, Any]:
        """Wait for the only pod to be Ready."""
        (pod,) = wait_until(self.pods, 15, f"the pod of {self.name} is Ready", until=_all_ready)
        return pod


def _all_ready(pods: list[dict[str, Any]]) -> bool:
    return (
        bool(pods)
        and all(
            {"type": "Ready", "status": "True"}.items() <= condition.items()
            for pod in pods
            for condition in pod["status"].get("conditions", [])
            if condition["type"] == "Ready"
        )
        and all("containerStatuses" in pod["status"] for pod in pods)
    )


@pytest.fixture
def workload(
    cluster: ControlPlane, node: LocalNode, request: pytest.FixtureRequest
) -> Iterator[Workload]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40]
    made = Workload(cluster, name.strip("-"))
    yield made
    made.kubectl("delete", "deployment", made.name, "--ignore-not-found", "--wait=false")


def process_of(node: LocalNode, workload: Workload) -> int:
    log = node.pod_log(workload.name, workload.pods()[0]["metadata"]["name"], "model")
    return int(re.findall(r"process (\d+)", log.read_text())[-1])


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_served_pod_is_ready_and_scraped(
    workload: Workload, node: LocalNode, prometheus: Prometheus
) -> None:
    env = [
        {"name": "PROMPT", "value": "be kind"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    container = {"env": env, "args": ["--pod=$(POD)"], "readinessProbe": READINESS}
    workload.apply("model:v1", container=container)
    pod = workload.ready_pod()
    name = pod["metadata"]["name"]
    assert pod["status"]["podIP"] == "127.0.0.1"
    port = pod["metadata"]["annotations"]["prometheus.io/port"]
    assert port != "8080"  # what the template says holds in a container; this is the process's
    log = node.pod_log(workload.name, name, "model").read_text()
    assert f"arguments ['--pod={name}']" in log
    assert workload.kubectl("logs", name, "--tail=1") == log.splitlines(keepends=True)[-1]
    query = f'answers_total{{namespace="{workload.name}"}}'
    (series,) = wait_until(lambda: prometheus.query(query), 20, "the metric is in Prometheus")
    assert series["value"][1] == "7"
    assert series["metric"] == {
        "__name__": "answers_total",
        "app": workload.name,
        "instance": f"127.0.0.1:{port}",
        "job": "pods",
        "namespace": workload.name,
        "pod": name,
        "pod_template_hash": pod["metadata"]["labels"]["pod-template-hash"],
        "prompt": "be kind",
    }


def test_readiness_follows_the_probe(workload: Workload, tmp_path: Path) -> None:
    unready = tmp_path / "unready"
    unready.touch()
    env = [{"name": "UNREADY_FILE", "value": str(unready)}]
    workload.apply("model:v1", container={"env": env, "readinessProbe": READINESS})
    wait_until(lambda: "running" in workload.status()["state"], 10, "the container runs")
    assert workload.status()["ready"] is False
    unready.unlink()
    workload.ready_pod()
    unready.touch()
    wait_until(lambda: not workload.status()["ready"], 10, "the pod is unready again")
    assert workload.status()["restartCount"] == 0


def test_environment_from_config_map(workload: Workload, node: LocalNode) -> None:
    reference = {"configMapKeyRef": {"name": "prompt", "key": "text"}}
    container = {
        "env": [{"name": "PROMPT", "valueFrom": reference}],
        "args": ["$(PROMPT)"],
        "readinessProbe": READINESS,
    }
    workload.apply("model:v1", container=container)
    waits = wait_until(
        lambda: workload.status()["state"]["waiting"],
        10,
        "it waits for the ConfigMap",
        until=lambda waiting: waiting["reason"] == "CreateContainerConfigError",
    )
    assert waits["message"] == 'configmap "prompt" not found'
    workload.kubectl("create", "configmap", "prompt", "--from-literal=text=be brief")
    pod = workload.ready_pod()["metadata"]["name"]
    assert "['be brief']" in node.pod_log(workload.name, pod, "model").read_text()


def test_unknown_image_backs_off_until_it_is_pushed(workload: Workload, node: LocalNode) -> None:
    workload.apply("model:v2")
    waits = wait_until(
        lambda: workload.status()["state"]["waiting"],
        10,
        "the pull backs off",
        until=lambda waiting: waiting["reason"] == "ImagePullBackOff",
    )
    assert waits["message"].startswith('Back-off pulling image "model:v2": ErrImagePull: rpc error')
    assert workload.pods()[0]["status"]["phase"] == "Pending"
    node.set_images({**IMAGES, "model:v2": ["python", SERVE]})
    workload.ready_pod()


def test_crash_loop(workload: Workload) -> None:
    workload.apply("crashes:v1")
    status = wait_until(
        workload.status,
        20,
        "the container crash-loops",
        until=lambda seen: seen["restartCount"] >= 2 and "waiting" in seen["state"],
    )
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert workload.pods()[0]["status"]["phase"] == "Running"


def test_process_that_exits_is_started_again(workload: Workload, node: LocalNode) -> None:
    workload.apply("model:v1", container={"readinessProbe": READINESS})
    port = workload.ready_pod()["metadata"]["annotations"]["prometheus.io/port"]
    first = process_of(node, workload)
    os.kill(first, signal.SIGKILL)
    wait_until(workload.status, 10, "restarted", until=lambda seen: seen["restartCount"] == 1)
    again = workload.ready_pod()
    assert process_of(node, workload) != first
    assert again["metadata"]["annotations"]["prometheus.io/port"] == port


def test_deletion_ends_the_process(workload: Workload, node: LocalNode) -> None:
    workload.apply("model:v1", container={"readinessProbe": READINESS})
    workload.ready_pod()
    pid = process_of(node, workload)
    workload.kubectl("delete", "deployment", workload.name)
    wait_until(workload.pods, 15, "the pod is gone", until=lambda pods: not pods)
    assert not runs(pid)


def test_process_that_ignores_sigterm_is_killed(workload: Workload, node: LocalNode) -> None:
    workload.apply("stubborn:v1", terminationGracePeriodSeconds=1)
    pod = workload.ready_pod()["metadata"]["name"]
    log = node.pod_log(workload.name, pod, "model")
    wait_until(lambda: "up" in log.read_text(), 10, "the process ignores SIGTERM by now")
    workload.kubectl("delete", "deployment", workload.name)
    wait_until(workload.pods, 10, "the pod is gone", until=lambda pods: not pods)


def test_deletion_does_not_wait_for_the_backoff(workload: Workload, node: LocalNode) -> None:
    workload.apply("model:v1", container={"readinessProbe": READINESS})
    for restarts in range(1, 5):  # the next backoff would be 8 s
        workload.ready_pod()
        os.kill(process_of(node, workload), signal.SIGKILL)
        wait_until(
            lambda: workload.status()["restartCount"], 15, "it restarts", until=restarts.__eq__
        )
    workload.ready_pod()
    started = time.monotonic()
    workload.kubectl("delete", "deployment", workload.name)
    wait_until(workload.pods, 15, "the pod is gone", until=lambda pods: not pods)
    assert time.monotonic() - started < 5


def test_job_succeeds(workload: Workload) -> None:
    workload.kubectl("create", "job", "once", "--image=once:v1")
    workload.kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=20s")


def test_fake_nodes_and_the_local_node_leave_each_other_alone(
    cluster: ControlPlane, workload: Workload
) -> None:
    cluster.scale_nodes(2)
    try:
        workload.apply("elsewhere:v1", nodeSelector={"type": "kwok"})
        assert workload.ready_pod()["spec"]["nodeName"].startswith("node-")
    finally:
        cluster.kubectl("delete", "nodes", "--selector", "type=kwok")


def test_prometheus_comes_back_with_its_data(cluster: ControlPlane, node: LocalNode) -> None:
    with (
        Prometheus() as target,
        Prometheus(static_targets={"self": [target.url.removeprefix("http://")]}) as prometheus,
    ):
        wait_until(lambda: prometheus.query('up{job="self"} == 1'), 15, "the target is scraped")
        url = prometheus.url
        prometheus.stop()
        with pytest.raises(OSError, match="refused"):
            prometheus.query("1")
        prometheus.start()
        assert prometheus.url == url
        assert wait_until(lambda: prometheus.query("count_over_time(up[1m]) > 0"), 5, "old data")


def test_service_account_has_its_own_rights_only(cluster: ControlPlane, tmp_path: Path) -> None:
    cluster.kubectl("create", "serviceaccount", "reader")
    cluster.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    cluster.kubectl(
        "create", "rolebinding", "r", "--role=reader", "--serviceaccount=default:reader"
    )
    path = kubeconfig_for_service_account(cluster, "default", "reader", tmp_path / "kubeconfig")
    assert path.stat().st_mode & 0o077 == 0
    mine = f"--kubeconfig={path}"
    wait_until(lambda: cluster.kubectl(mine, "get", "configmaps"), 10, "the role is in force")
    with pytest.raises(KubectlError, match=r'User "system:serviceaccount:default:reader" cannot'):
        cluster.kubectl(mine, "get", "secrets")


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver", "kube-controller-manager"])
def test_component_stops_and_comes_back(
    cluster: ControlPlane, workload: Workload, component: str
) -> None:
    workload.kubectl("create", "configmap", "kept")
    cluster.stop_component(component)
    if component == "kube-apiserver":
        with pytest.raises(KubectlError, match="refused"):
            workload.kubectl("get", "configmap", "kept")
    cluster.start_component(component)
    workload.kubectl("get", "configmap", "kept")
    workload.apply("model:v1", container={"readinessProbe": READINESS})
    workload.ready_pod()  # every part of the chain works again


def test_two_side_by_side(cluster: ControlPlane) -> None:
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(ControlPlane())
        assert other.server != cluster.server
        other.kubectl("create", "configmap", "only-there")
        with pytest.raises(KubectlError, match="not found"):
            cluster.kubectl("get", "configmap", "only-there")
        folder = other.folder
    assert not folder.exists()
