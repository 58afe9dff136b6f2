"""The operator under observation: a process with a token of its own ServiceAccount."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from demo.kube import Kube
from demo.observe import StepFailed, until
from localcluster.processes import die_with_parent, free_port

SYSTEM_NAMESPACE = "model-rollout-system"
SERVICE_ACCOUNT = "model-rollout-operator"
_REPOSITORY = Path(__file__).resolve().parents[2]
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0
_TOKEN_LASTS = "6h"  # at the pace of a usual Prometheus the demo takes more than an hour


class Operator:
    """Starts, kills and ends operators, one at a time; they share one log."""

    def __init__(
        self, kube: Kube, folder: Path, *, prometheus_url: str, namespace: str, lease: float
    ) -> None:
        self._kube = kube
        self._lease = lease
        self._kubeconfig = folder / "operator.kubeconfig"
        self._prometheus_url = prometheus_url
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.log = folder / "operator.log"

    def start(self) -> None:
        """Start one and return once it answers as alive; it may still wait for the Lease."""
        if not self._kubeconfig.exists():
            write_account_kubeconfig(self._kube, self._kubeconfig)
        self._port = free_port()
        environment = os.environ | {"PYTHONPATH": str(_REPOSITORY / "operator")}
        environment.pop("KUBECONFIG", None)  # an administrator's; nothing may work by that
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        until("the operator answers on /healthz", self._look, _START_TIMEOUT)

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "model_rollout", "run"),
            *("--kubeconfig", str(self._kubeconfig)),
            *("--namespace", self._namespace),
            *("--lease-namespace", SYSTEM_NAMESPACE),
            *("--lease-duration", f"{self._lease:g}"),
            *("--prometheus-url", self._prometheus_url),
            *("--http-address", f"127.0.0.1:{self._port}"),
            *("--log-format", "text"),
        ]

    def _look(self) -> tuple[bool | None, str]:
        self.check()
        try:
            self._read("/healthz")
            return True, "alive"
        except OSError as error:
            return None, str(error)

    def check(self) -> None:
        """Raise StepFailed if it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            status = self._process.returncode
            raise StepFailed(f"the operator ended by itself, exit status {status}")

    def kill(self) -> None:
        """As a node that loses power."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to end; kill it if it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def checks(self) -> float:
        """How many checks the running one has made."""
        return sum(self.counter("modelrollout_checks_total").values())

    def counter(self, name: str) -> dict[str, float]:
        """The values of one of its own metrics, by labels."""
        lines = self._read("/metrics").splitlines()
        samples = (line.rpartition(" ") for line in lines if line.startswith(name + "{"))
        return {labels.removeprefix(name): float(value) for labels, _, value in samples}

    def _read(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text


def write_account_kubeconfig(kube: Kube, path: Path) -> None:
    """Write a kubeconfig for the same cluster with a token of the operator's ServiceAccount."""
    content = json.loads(kube.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    token = kube.run(
        "create",
        "token",
        SERVICE_ACCOUNT,
        "--namespace",
        SYSTEM_NAMESPACE,
        "--duration",
        _TOKEN_LASTS,
    )
    # Everything of the administrator goes: what is left is the address and its certificate.
    content["users"] = [{"name": SERVICE_ACCOUNT, "user": {"token": token.strip()}}]
    content["contexts"][0]["context"]["user"] = SERVICE_ACCOUNT
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
