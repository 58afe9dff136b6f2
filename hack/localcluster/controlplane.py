"""A Kubernetes control plane of real binaries, and kwok for fake nodes."""

import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from localcluster.tools import cache_root, locate
from localcluster.waiting import wait_until
from localcluster.workspace import Workspace, tail

COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok-controller",
)
# kwokctl makes fake nodes with this annotation; all other nodes are none of kwok's business.
FAKE_NODE_ANNOTATION = "kwok.x-k8s.io/node=fake"

_EXTRA_ARGS = (
    # The default range holds 254 Services, too few for scale tests.
    "kube-apiserver=service-cluster-ip-range=10.96.0.0/12",
    "kube-controller-manager=service-cluster-ip-range=10.96.0.0/12",
    # With leader election these two exit when the API server is away for 10 s, and nothing here
    # would restart them.
    "kube-controller-manager=leader-elect=false",
    "kube-scheduler=leader-elect=false",
    # kwokctl starts kwok with manage-all-nodes=true, and kwok would report the local node's pods
    # as Running, too.
    "kwok-controller=manage-all-nodes=false",
    f"kwok-controller=manage-nodes-with-annotation-selector={FAKE_NODE_ANNOTATION}",
)
_START_TIMEOUT = 120.0


class KubectlError(RuntimeError):
    """kubectl ended with an error; the message holds what it said."""


class ControlPlane:
    """One cluster. `with ControlPlane() as cluster:` starts it and removes every trace of it.

    Several may run side by side. A cluster ends with the process that started it, also when that
    one is killed.
    """

    def __init__(self, name: str | None = None, *, extra_args: Sequence[str] = ()) -> None:
        """`extra_args` are more command-line arguments of components: `component=key=value`."""
        self.name = name or f"mr-{secrets.token_hex(4)}"
        self._extra_args = (*_EXTRA_ARGS, *extra_args)
        self._binaries: dict[str, Path] = {}
        self._commands: dict[str, list[str]] = {}
        self._restarted: dict[str, subprocess.Popen[bytes]] = {}
        self._workspace: Workspace | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        return self._started.folder

    @property
    def kubeconfig(self) -> Path:
        """The cluster administrator's."""
        return self.folder / "kubeconfig"

    @property
    def ca(self) -> Path:
        return self._cluster_folder / "pki" / "ca.crt"

    @property
    def server(self) -> str:
        found = re.search(r"server: (\S+)", self.kubeconfig.read_text())
        assert found, "kwokctl writes the server's address"
        return found[1]

    def start(self) -> Self:
        self._binaries = locate(["kwokctl", "kubectl", "etcd", *COMPONENTS[1:4], "kwok"])
        self._workspace = Workspace(self.name)
        try:
            self._create()
            self._commands = {name: _command_line(self._pid(name)) for name in COMPONENTS}
            # The controller manager makes it a moment after its start; until then no pod is
            # admitted.
            wait_until(
                lambda: self.kubectl("get", "serviceaccount", "default"),
                30,
                "the default ServiceAccount",
            )
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Remove the cluster and everything that belongs to it."""
        if self._workspace is not None:
            self._workspace.close()
            for process in self._restarted.values():
                process.wait()
            self._restarted.clear()
            self._workspace = None

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl as cluster administrator and return what it printed."""
        command = [str(self._binaries["kubectl"]), f"--kubeconfig={self.kubeconfig}", *arguments]
        environment = self._started.environment | {
            "KUBECACHEDIR": str(self.folder / "kubectl-cache")
        }
        run = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            check=False,
        )
        if run.returncode != 0:
            raise KubectlError(
                f"kubectl {' '.join(arguments)}: {run.stderr.strip() or run.stdout.strip()}"
            )
        return run.stdout

    def kubectl_json(self, *arguments: str, stdin: str | None = None) -> Any:
        return json.loads(self.kubectl(*arguments, "--output", "json", stdin=stdin))

    def scale_nodes(self, count: int) -> None:
        """Have `count` fake nodes, whose pods kwok reports Ready at once."""
        self._kwokctl("scale", "node", "--replicas", str(count))

    def log(self, component: str) -> Path:
        return self._cluster_folder / "logs" / f"{component}.log"

    def stop_component(self, component: str) -> None:
        """Kill one component, as a crash would. Nothing restarts it but `start_component`."""
        pid = self._pid(component)
        if not _is_running(pid):
            return
        os.kill(pid, signal.SIGKILL)
        if restarted := self._restarted.pop(component, None):
            restarted.wait()
        wait_until(lambda: not _is_running(pid), 10, f"{component} (process {pid}) ends")

    def start_component(self, component: str, *, timeout: float = 60) -> None:
        """Start a stopped component again, with its data and port, and wait for the API server.

        After etcd was away for long, the API server's watches may stay behind for as long again: it
        waits ever longer between its attempts to reconnect.
        """
        if _is_running(self._pid(component)):
            return
        process = self._started.spawn(
            self._commands[component], self.log(component), cwd=self._cluster_folder
        )
        self._restarted[component] = process
        self._pid_file(component).write_text(str(process.pid))
        if all(_is_running(self._pid(name)) for name in ("etcd", "kube-apiserver")):
            wait_until(
                lambda: self.kubectl("get", "--raw", "/readyz", timeout=5),
                timeout,
                "the API server is ready",
            )

    @property
    def _started(self) -> Workspace:
        if self._workspace is None:
            raise RuntimeError(f"the control plane {self.name} is not running")
        return self._workspace

    @property
    def _cluster_folder(self) -> Path:
        return self.folder / "clusters" / self.name

    def _pid_file(self, component: str) -> Path:
        return self._cluster_folder / "pids" / f"{component}.pid"

    def _pid(self, component: str) -> int:
        return int(self._pid_file(component).read_text())

    def _create(self) -> None:
        (self.folder / "kwokctl.yaml").write_text(
            json.dumps(kwokctl_config(self._extra_args))
        )  # JSON is YAML
        arguments = ["create", "cluster", "--runtime", "binary", "--disable-qps-limits"]
        arguments += ["--kubeconfig", str(self.kubeconfig), "--wait", "60s"]
        for component in COMPONENTS:
            binary = self._binaries[component.replace("kwok-controller", "kwok")]
            arguments += [f"--{component}-binary", str(binary)]
        with _port_lock():
            self._kwokctl(*arguments)

    def _kwokctl(self, *arguments: str) -> None:
        config = self.folder / "kwokctl.yaml"
        common = [str(self._binaries["kwokctl"]), f"--config={config}", f"--name={self.name}"]
        # The user's own KWOK_ variables would change versions and ports.
        environment = {
            key: value
            for key, value in self._started.environment.items()
            if not key.startswith("KWOK_")
        }
        environment["KWOK_WORKDIR"] = str(self.folder)
        run = subprocess.run(
            [*common, *arguments],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_START_TIMEOUT,
            check=False,
        )
        if run.returncode != 0:
            logs = "".join(f"\n--- {name}\n{tail(self.log(name))}" for name in COMPONENTS)
            raise RuntimeError(
                f"kwokctl {' '.join(arguments[:2])} failed:\n{run.stdout[-2000:]}{logs}"
            )


def kwokctl_config(extra_args: Sequence[str]) -> dict[str, Any]:
    """Not given as `--extra-args`: in some orders of those kwokctl 0.8 panics."""
    patches: dict[str, list[dict[str, str]]] = {}
    for extra in extra_args:
        component, key, value = extra.split("=", 2)
        patches.setdefault(component, []).append({"key": key, "value": value})
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        # Without this etcd listens on every interface of the machine, and asks nobody for a
        # password.
        "options": {"bindAddress": "127.0.0.1"},
        "componentsPatches": [{"name": name, "extraArgs": args} for name, args in patches.items()],
    }


@contextmanager
def _port_lock() -> Iterator[None]:
    """kwokctl picks free ports and uses them a second later: two at once would pick the same."""
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / "ports.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def _is_running(pid: int) -> bool:
    """A zombie does not count: it waits for a parent that may never come."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
