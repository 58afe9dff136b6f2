"""Starts the local node as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from localcluster.controlplane import ControlPlane
from localcluster.waiting import wait_until
from localcluster.workspace import Workspace, tail

_SOURCE_ROOT = Path(__file__).resolve().parent.parent
# Until the controller manager has taken its taint away, the scheduler leaves a new node alone.
_SCHEDULABLE = "jsonpath={.status.conditions[?(@.type=='Ready')].status}{.spec.taints}"


class LocalNode:
    """Runs pods as processes: `with LocalNode(cluster, {"model:v1": ["python", "/x/serve.py"]}):`.

    `images` says what program stands for which image; a path means a JSON file that says it, which
    is read anew for each start of a container.
    """

    def __init__(
        self,
        cluster: ControlPlane,
        images: Mapping[str, Sequence[str | Path]] | Path,
        *,
        name: str = "local-node",
    ) -> None:
        self.name = name
        self._cluster = cluster
        self._images = images
        self._workspace: Workspace | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        if self._workspace is None:
            raise RuntimeError(f"the local node {self.name} is not running")
        return self._workspace.folder

    @property
    def log(self) -> Path:
        return self.folder / "node.log"

    @property
    def images_file(self) -> Path:
        return self._images if isinstance(self._images, Path) else self.folder / "images.json"

    @property
    def pod_logs(self) -> Path:
        return self.folder / "pods"

    def pod_log(self, namespace: str, pod: str, container: str) -> Path:
        """What `kubectl logs` shows."""
        return self.pod_logs / f"{namespace}_{pod}_{container}.log"

    def start(self) -> Self:
        """Start and return once the scheduler may place pods here."""
        self._workspace = Workspace(self.name)
        self._workspace.environment["PYTHONPATH"] = str(_SOURCE_ROOT)
        try:
            if not isinstance(self._images, Path):
                self.set_images(self._images)
            self._process = self._workspace.spawn(self._command(), self.log)
            wait_until(
                lambda: self._has_ended() or self._is_schedulable(),
                30,
                f"the node {self.name} is Ready",
            )
            if self._has_ended():
                raise RuntimeError(f"the local node ended at once:\n{tail(self.log)}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the node as a power cut would: its processes end, its Node and Pod objects stay."""
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    def set_images(self, images: Mapping[str, Sequence[str | Path]]) -> None:
        """Replace what is known of images, as pushes do. Running processes stay as they are."""
        content = {image: [str(part) for part in command] for image, command in images.items()}
        new = self.images_file.with_suffix(".new")
        new.write_text(json.dumps(content, indent=2))
        new.replace(self.images_file)  # at once: the node may be reading it

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "localcluster.node"),
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--name={self.name}",
            f"--images={self.images_file}",
            f"--workdir={self.pod_logs}",
        ]

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _is_schedulable(self) -> bool:
        return self._cluster.kubectl("get", "node", self.name, "--output", _SCHEDULABLE) == "True"
