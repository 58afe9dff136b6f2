"""Nothing stays behind, however the owner ends; and detached clusters last until `down`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import localcluster
from localcluster.janitor import marked_processes
from localcluster.waiting import wait_until
from localcluster.workspace import Workspace

SOURCE_ROOT = Path(localcluster.__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}
# A child that leaves its session and a grandchild, as daemons do.
FAMILY = ["setsid", "sh", "-c", "tail -f /dev/null & exec tail -f /dev/null"]
UP_WITHIN = 30.0  # 5 s on two idle cores

OWNER = """
import signal
from localcluster.controlplane import ControlPlane
from localcluster.node_process import LocalNode
from localcluster.prometheus import Prometheus

# A shell that starts tests in the background has them ignore Ctrl-C, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
with ControlPlane() as cluster, Prometheus(cluster.kubeconfig) as prometheus:
    with LocalNode(cluster, {"m:v1": ["tail", "-f", "/dev/null"]}) as node:
        cluster.kubectl("create", "deployment", "m", "--image=m:v1")
        cluster.kubectl("wait", "--for=condition=Available", "deployment/m", "--timeout=20s")
        print(cluster.folder, prometheus.log.parent, node.folder, flush=True)
        signal.pause()
"""


def test_closed_workspace_leaves_nothing() -> None:
    workspace = Workspace("test")
    child = workspace.spawn(FAMILY, workspace.folder / "log")
    wait_until(lambda: len(marked_processes(workspace.folder)) >= 2, 10, "parent and child run")
    workspace.close()
    child.wait(10)
    assert not workspace.folder.exists()
    assert not marked_processes(workspace.folder)


def test_workspace_is_cleaned_even_without_its_janitor() -> None:
    workspace = Workspace("test")
    workspace._janitor.kill()
    workspace._janitor.wait()
    child = workspace.spawn(FAMILY, workspace.folder / "log")
    workspace.close()
    child.wait(10)
    assert not workspace.folder.exists()


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name
)
def test_everything_ends_with_its_owner(number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    folders = [Path(folder) for folder in owner.stdout.readline().split()]
    assert len(folders) == 3
    assert all(marked_processes(folder) for folder in folders)
    owner.send_signal(number)
    try:
        owner.communicate(timeout=20)
    finally:
        owner.kill()  # one that did not obey must not outlive the test
    wait_until(
        lambda: [folder for folder in folders if folder.exists() or marked_processes(folder)],
        20,
        "processes and folders are gone",
        until=lambda left: not left,
    )


def test_owner_killed_while_its_cluster_starts(tmp_path: Path) -> None:
    """The worst moment: kwokctl is about to start more."""
    environment = ENVIRONMENT | {"TMPDIR": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", OWNER], env=environment)
    wait_until(lambda: list(tmp_path.glob("*/clusters/*/pids/etcd.pid")), 20, "etcd was started")
    (folder,) = tmp_path.iterdir()
    owner.kill()
    owner.wait()
    wait_until(lambda: not folder.exists() and not marked_processes(folder), 20, "all is gone")


class Cli:
    def __init__(self, folder: Path) -> None:
        self._environment = ENVIRONMENT | {"MODELROLLOUT_STATE_DIR": str(folder)}

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "localcluster", *arguments]
        run = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout


def test_detached_cluster(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "state")
    started = time.monotonic()
    said = cli("up", "--name", "one", "--nodes", "1")
    try:
        assert time.monotonic() - started < UP_WITHIN
        kubeconfig = tmp_path / "state" / "one" / "kubeconfig"
        assert f"export KUBECONFIG={kubeconfig}" in said
        assert "one: running" in cli("list")
        assert "cluster one is up (0." in cli("up", "--name", "one")  # it is already
        state = json.loads((kubeconfig.parent / "state.json").read_text())
        assert state["prometheus"] in said
        folder = kubeconfig.resolve().parent
        assert len(marked_processes(folder)) == 5
    finally:
        assert cli("down", "--name", "one") == "cluster one is gone\n"
    assert cli("list") == ""
    assert not folder.exists()
    assert not marked_processes(folder)
    assert cli("down", "--name", "one") == "no cluster one\n"


def test_names_that_would_be_paths_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "localcluster", "down", "--name", "../elsewhere"]
    run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("error: '../elsewhere' is no name for a cluster")
