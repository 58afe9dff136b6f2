"""A real Prometheus that finds its pods by Kubernetes service discovery, as in production."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from localcluster.processes import free_port
from localcluster.tools import tool
from localcluster.waiting import wait_until
from localcluster.workspace import Workspace, tail

_POD_LABEL = "__meta_kubernetes_pod_label_"
_POD_ANNOTATION = "__meta_kubernetes_pod_annotation_prometheus_io_"

# The customary annotations and labels: what a pod's series look like here is what they look like
# in production.
_RELABELING: list[dict[str, Any]] = [
    {"source_labels": [f"{_POD_ANNOTATION}scrape"], "regex": "true", "action": "keep"},
    {
        "source_labels": ["__meta_kubernetes_pod_phase"],
        "regex": "Succeeded|Failed",
        "action": "drop",
    },
    # The local node sets this annotation to the port that it gave the process.
    {"source_labels": [f"{_POD_ANNOTATION}port"], "regex": r"\d+", "action": "keep"},
    {
        "source_labels": ["__meta_kubernetes_pod_ip", f"{_POD_ANNOTATION}port"],
        "regex": r"(.+);(\d+)",
        "replacement": "$1:$2",
        "target_label": "__address__",
    },
    {
        "source_labels": [f"{_POD_ANNOTATION}path"],
        "regex": "(.+)",
        "target_label": "__metrics_path__",
    },
    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    {"source_labels": [f"{_POD_LABEL}app"], "target_label": "app"},
    {"source_labels": [f"{_POD_LABEL}pod_template_hash"], "target_label": "pod_template_hash"},
]


class Prometheus:
    """`with Prometheus(cluster.kubeconfig) as prometheus:` starts one on a free port.

    `stop()` and `start()` (or `restart()`) keep port and data; `close()` ends it for good, as
    does the owner's end.
    """

    def __init__(
        self,
        kubeconfig: Path | None = None,
        *,
        scrape_interval: str = "1s",
        static_targets: Mapping[str, Sequence[str]] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        """`static_targets`: lists of `host:port` by job. Without `kubeconfig` only those count."""
        self._config = scrape_config(kubeconfig, scrape_interval, static_targets or {})
        self._flags = flags
        self._port = 0
        self._workspace: Workspace | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> Path:
        return self._folder / "prometheus.log"

    @property
    def _folder(self) -> Path:
        if self._workspace is None:
            raise RuntimeError("this Prometheus was not started")
        return self._workspace.folder

    def start(self) -> Self:
        """Start, on the same port and data as before if it ran already."""
        binary = tool("prometheus")
        if self._workspace is None:
            self._workspace = Workspace("prometheus")
        try:
            (self._folder / "prometheus.yml").write_text(
                json.dumps(self._config, indent=2)
            )  # JSON is YAML
            self._port = self._port or free_port()
            command = [str(binary), *self._arguments(), *self._flags]
            self._process = self._workspace.spawn(command, self.log)
            wait_until(lambda: self._has_ended() or self._is_ready(), 30, "Prometheus is ready")
            if self._has_ended():
                raise RuntimeError(f"Prometheus ended at once:\n{tail(self.log)}")
        except BaseException:
            self.close()
            raise
        return self

    def stop(self) -> None:
        """End the process and keep port and data."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The result of an instant query: `[{"metric": {…}, "value": [time, "1"]}, …]`."""
        form = urllib.parse.urlencode({"query": promql}).encode()
        with urllib.request.urlopen(f"{self.url}/api/v1/query", data=form, timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result

    def _arguments(self) -> list[str]:
        return [
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--web.enable-lifecycle",
            # The default, 5 s, comes on top of the 5 s for which the discovery itself collects
            # changes.
            "--scrape.discovery-reload-interval=100ms",
            "--log.level=warn",
        ]

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _is_ready(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)


def scrape_config(
    kubeconfig: Path | None, interval: str, static_targets: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    jobs: list[dict[str, Any]] = [
        {"job_name": job, "static_configs": [{"targets": list(targets)}]}
        for job, targets in static_targets.items()
    ]
    if kubeconfig is not None:
        discovery = {"role": "pod", "kubeconfig_file": str(kubeconfig)}
        jobs.append(
            {
                "job_name": "pods",
                "kubernetes_sd_configs": [discovery],
                "relabel_configs": _RELABELING,
            }
        )
    timings = {
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "evaluation_interval": interval,
    }
    return {"global": timings, "scrape_configs": jobs}
