"""Clusters that outlive the command that starts them: a keeper process owns each of them.

A keeper holds a lock on its state folder for as long as it lives, so nobody has to trust a
process id that may be stale.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from localcluster.controlplane import ControlPlane
from localcluster.node_process import LocalNode
from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from localcluster.workspace import tail

_SOURCE_ROOT = Path(__file__).resolve().parent.parent
_UP_TIMEOUT = 180.0


@dataclass(frozen=True)
class Options:
    nodes: int = 0
    prometheus: bool = True
    node: bool = True
    images: Path | None = None


@dataclass(frozen=True)
class KeptCluster:
    """One detached cluster, as seen from outside."""

    name: str

    @property
    def folder(self) -> Path:
        return state_root() / self.name

    @property
    def log(self) -> Path:
        return self.folder / "keeper.log"

    @property
    def is_running(self) -> bool:
        try:
            with (self.folder / "lock").open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @property
    def state(self) -> dict[str, Any] | None:
        """Where everything is; None until it is up."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
            return state
        except FileNotFoundError:
            return None

    def up(self, options: Options) -> dict[str, Any]:
        """Start a keeper and wait until its cluster is up. Does nothing if it is."""
        if self.is_running and self.state:
            return self.state
        self.down()
        self.folder.mkdir(parents=True)
        (state_root() / ".gitignore").write_text(
            "*\n"
        )  # keeps itself and the rest out of version control
        keeper = self._spawn(options)
        try:
            wait_until(
                lambda: self.state or keeper.poll() is not None,
                _UP_TIMEOUT,
                f"the cluster {self.name} is up",
            )
        except BaseException:
            keeper.terminate()
            keeper.wait()
            raise
        if self.state is None:
            raise RuntimeError(f"the cluster {self.name} did not come up:\n{tail(self.log, 40)}")
        return self.state

    def down(self) -> None:
        if self.is_running:
            pid = int((self.folder / "lock").read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            wait_until(
                lambda: not self.is_running, 60, f"the keeper of {self.name} (process {pid}) ends"
            )
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, options: Options) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            "localcluster.keeper",
            self.name,
            "--nodes",
            str(options.nodes),
        ]
        command += [] if options.prometheus else ["--no-prometheus"]
        command += [] if options.node else ["--no-node"]
        command += ["--images", str(options.images.resolve())] if options.images else []
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command,
                env=os.environ | {"PYTHONPATH": str(_SOURCE_ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def kept_clusters() -> list[KeptCluster]:
    root = state_root()
    return (
        [KeptCluster(path.name) for path in sorted(root.iterdir()) if path.is_dir()]
        if root.is_dir()
        else []
    )


def kept_cluster(name: str) -> KeptCluster:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", name):
        raise ValueError(
            f"{name!r} is no name for a cluster: lower-case letters, digits and dashes"
        )
    return KeptCluster(name)


def state_root() -> Path:
    configured = os.environ.get("MODELROLLOUT_STATE_DIR")
    return Path(configured).resolve() if configured else _SOURCE_ROOT.parent / ".local"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nodes",
        type=int,
        default=0,
        help="fake nodes, whose pods are Ready at once (default: none)",
    )
    parser.add_argument("--no-prometheus", action="store_true")
    parser.add_argument(
        "--no-node", action="store_true", help="no local node, which runs pods as processes"
    )
    parser.add_argument(
        "--images", type=Path, help="JSON: the program that stands for each image on the local node"
    )


def options_from(arguments: argparse.Namespace) -> Options:
    return Options(
        arguments.nodes, not arguments.no_prometheus, not arguments.no_node, arguments.images
    )


def _keep(kept: KeptCluster, options: Options) -> None:
    """The keeper itself: owns everything until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_hold_lock(kept.folder / "lock"))
        started = time.monotonic()
        state = _start(stack, kept, options)
        state["seconds"] = round(time.monotonic() - started, 1)
        new = kept.folder / "state.new"
        new.write_text(json.dumps(state, indent=2))
        new.rename(kept.folder / "state.json")
        while True:
            signal.pause()


def _end(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt the clean-up
    raise SystemExit(0)


def _start(stack: contextlib.ExitStack, kept: KeptCluster, options: Options) -> dict[str, Any]:
    cluster = stack.enter_context(ControlPlane(kept.name))
    (kept.folder / "kubeconfig").symlink_to(cluster.kubeconfig)
    state: dict[str, Any] = {
        "kubeconfig": str(kept.folder / "kubeconfig"),
        "server": cluster.server,
    }
    state["logs"] = str(cluster.log("etcd").parent)
    if options.nodes:
        cluster.scale_nodes(options.nodes)
    if options.prometheus:
        prometheus = stack.enter_context(Prometheus(cluster.kubeconfig))
        state["prometheus"] = prometheus.url
    if options.node:
        images = options.images or _own_images(kept.folder / "images.json")
        node = stack.enter_context(LocalNode(cluster, images))
        state |= {"images": str(images), "pod_logs": str(node.pod_logs)}
    return state


def _own_images(path: Path) -> Path:
    path.write_text("{}\n")
    return path


@contextlib.contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m localcluster.keeper")
    parser.add_argument("name")
    add_options(parser)
    arguments = parser.parse_args()
    _keep(kept_cluster(arguments.name), options_from(arguments))


if __name__ == "__main__":
    main()
