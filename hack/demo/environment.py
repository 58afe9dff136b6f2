"""Where the demo runs: on a control plane of its own, or on a cluster that the user names."""

import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Self

from demo.bystander import Bystander
from demo.kube import Kube, KubectlFailed
from demo.manifests import LOCAL_SCRAPE_INTERVAL, Pace, objects
from demo.model.train import ensure_models
from demo.observe import StepFailed
from demo.operator_process import SYSTEM_NAMESPACE, Operator
from demo.workload import NAME, NAMESPACE, QUIET, Metrics, Workload
from localcluster.controlplane import ControlPlane
from localcluster.node_process import LocalNode
from localcluster.prometheus import Prometheus
from localcluster.tools import all_binaries, cache_root, locate, tool
from localcluster.workspace import tail

_REPOSITORY = Path(__file__).resolve().parents[2]
_CRDS = _REPOSITORY / "crds"
_DEPLOY = _REPOSITORY / "deploy"
_SERVER = Path(__file__).resolve().parent / "model" / "serve.py"
_NOWHERE = "http://127.0.0.1:1"


class Unfit(Exception):
    """The cluster that the user named lacks something; the message says what."""


class Environment:
    """Everything that the steps work with; a context that leaves nothing behind."""

    kube: Kube
    workload: Workload
    quiet: Workload
    bystander: Bystander
    metrics: Metrics
    operator: Operator

    def __init__(self, pace: Pace, image_prefix: str = "") -> None:
        self.pace = pace
        self.image_prefix = image_prefix
        self._stack = ExitStack()
        self._folder = Path()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="modelrollout-demo-"))
            self._folder = Path(folder)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def image(self, tag: str) -> str:
        return f"{self.image_prefix}digits:{tag}"

    def kubectl(self, *arguments: str) -> str:
        """kubectl in the demo's namespace."""
        return self.kube.run("--namespace", NAMESPACE, *arguments)

    def apply_models(self) -> None:
        """Deploy model v1 and the quiet one, with their guards."""
        manifests = {
            "apiVersion": "v1",
            "kind": "List",
            "items": objects(self.pace, self.image_prefix),
        }
        self.bystander.start()
        self.kube.run("apply", "--namespace", NAMESPACE, "-f", "-", stdin=json.dumps(manifests))

    def prometheus_outage(self) -> AbstractContextManager[str]:
        """While it lasts, the operator cannot ask Prometheus; yields how that was brought about."""
        raise NotImplementedError

    def logs(self) -> list[Path]:
        """Everything that may tell why something failed; the operator's log comes first."""
        return [self.operator.log]

    def keep_logs(self) -> Path:
        """Copy the logs to a folder that outlives the demo."""
        kept = Path(tempfile.mkdtemp(prefix="modelrollout-demo-logs-"))
        for log in self.logs():
            if log.exists():
                shutil.copy(log, kept / log.name)
        return kept

    def _start(self, stack: ExitStack) -> None:
        raise NotImplementedError

    def _connect(self, stack: ExitStack, kubectl: Path, kubeconfig: Path) -> None:
        self.kube = Kube(kubectl, kubeconfig, self._folder)
        self.workload, self.quiet = Workload(self.kube, NAME), Workload(self.kube, QUIET)
        self.bystander = Bystander(self.kube)
        stack.callback(self.kube.stop)
        stack.callback(self.bystander.stop)
        self.kube.start()

    def _install(self) -> None:
        """What the administrator of a cluster would do."""
        self.kube.run("apply", "--server-side", "-f", str(_CRDS))
        self.kube.run("apply", "-k", str(_DEPLOY))
        self.kube.run("create", "namespace", NAMESPACE)
        self.kube.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(_CRDS))

    def _run_operator(self, stack: ExitStack, prometheus_url: str) -> None:
        self.metrics = Metrics(prometheus_url, self.pace.window)
        self.operator = Operator(
            self.kube,
            self._folder,
            prometheus_url=prometheus_url,
            namespace=NAMESPACE,
            lease=self.pace.lease,
        )
        stack.callback(self.operator.stop)
        try:
            self.operator.start()
        except StepFailed as error:
            raise StepFailed(f"{error}\n{tail(self.operator.log)}") from error


class LocalEnvironment(Environment):
    """A control plane, a Prometheus and a node of the demo's own."""

    def __init__(self) -> None:
        super().__init__(Pace())
        self._logs: list[Callable[[], Path]] = []

    def _start(self, stack: ExitStack) -> None:
        locate(all_binaries())  # all at once, so that a newcomer sees how much there is to build
        models = ensure_models(cache_root().parent / "models")
        cluster = stack.enter_context(ControlPlane())
        self._connect(stack, tool("kubectl"), cluster.kubeconfig)
        self._install()
        self._prometheus = stack.enter_context(
            Prometheus(cluster.kubeconfig, scrape_interval=LOCAL_SCRAPE_INTERVAL)
        )
        self._node = stack.enter_context(LocalNode(cluster, _images(models)))
        self._run_operator(stack, self._prometheus.url)

    @contextmanager
    def prometheus_outage(self) -> Iterator[str]:
        self._prometheus.stop()
        try:
            yield "Prometheus was stopped"
        finally:
            self._prometheus.start()

    def logs(self) -> list[Path]:
        pods = sorted((self._node.folder / "pods").glob("*.log"))
        return [*super().logs(), self._node.log, self._prometheus.log, *pods]


def _images(models: Path) -> dict[str, list[str | Path]]:
    """What the local node runs for which image. That v4-missing is missing is what it is for."""
    serve: list[str | Path] = [sys.executable, _SERVER, "--host", "127.0.0.1", "--models", models]
    return {
        "digits:v1": serve,
        "digits:v3-slow": [*serve, "--slow", "0.3"],
        "digits:v5": serve,
    }


class GivenEnvironment(Environment):
    """A cluster that the user names. What the demo creates there, it removes."""

    def __init__(
        self, kubeconfig: Path, prometheus_url: str, image_prefix: str, interval: int
    ) -> None:
        super().__init__(Pace(interval), image_prefix)
        self._kubeconfig = kubeconfig
        self._prometheus_url = prometheus_url.rstrip("/")

    def _start(self, stack: ExitStack) -> None:
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise Unfit("kubectl is not in PATH; it is needed to work with your cluster")
        try:
            self._connect(stack, Path(kubectl), self._kubeconfig)
        except TimeoutError as error:
            raise Unfit(f"the cluster of {self._kubeconfig} does not answer: {error}") from error
        self._refuse_if_installed()
        _require_prometheus(self._prometheus_url)
        stack.callback(self._remove)
        self._install()
        self._run_operator(stack, self._prometheus_url)

    def _refuse_if_installed(self) -> None:
        """What is there already is somebody's: the demo would change it and remove it at the end."""
        found = self.kube.run(
            *("get", "--ignore-not-found", "--output", "name"),
            *("crd/modelrollouts.modelrollout.dev", "crd/modelrevisions.modelrollout.dev"),
            *("crd/rolloutrecords.modelrollout.dev", "crd/metrictemplates.modelrollout.dev"),
            *(f"namespace/{SYSTEM_NAMESPACE}", f"namespace/{NAMESPACE}"),
            *("clusterrole/model-rollout-operator", "clusterrolebinding/model-rollout-operator"),
        )
        if names := ", ".join(found.split()):
            raise Unfit(
                f"the cluster has {names} already. The demo removes what it installs, so it only "
                "runs where nothing of this operator is installed; use another cluster"
            )

    def _remove(self) -> None:
        for what in (("namespace", NAMESPACE), ("-k", str(_DEPLOY)), ("-f", str(_CRDS))):
            try:
                self.kube.run("delete", "--ignore-not-found", *what, timeout=180)
            except KubectlFailed as error:
                print(f"left behind: {error}")

    @contextmanager
    def prometheus_outage(self) -> Iterator[str]:
        """Your Prometheus is not touched: the guard is pointed at a closed port."""
        self._point_at(_NOWHERE)
        try:
            yield "The guard was pointed at a closed port instead of Prometheus"
        finally:
            self._point_at(None)

    def _point_at(self, url: str | None) -> None:
        patch = json.dumps({"spec": {"prometheus": {"url": url}}})
        self.kubectl("patch", "modelrollout", NAME, "--type=merge", "--patch", patch)


def _require_prometheus(url: str) -> None:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?query=1", timeout=10) as answer:
            if json.load(answer)["status"] == "success":
                return
    except (OSError, ValueError, KeyError) as error:
        raise Unfit(f"Prometheus at {url} does not answer a query: {error}") from error
    raise Unfit(f"Prometheus at {url} does not answer a query")
