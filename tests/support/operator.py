"""The operator under test: a process of its own, with its own account, that can be killed."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.waiting import wait_until
from localcluster.workspace import Workspace, tail

_REPOSITORY = Path(__file__).resolve().parents[2]
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 15.0
_SAMPLE = re.compile(r"^(\w+)(\{.*\})? (\S+)$")

LEASE = "model-rollout-operator"


@dataclass(frozen=True, slots=True)
class Setting:
    """The command line of an operator."""

    kubeconfig: Path
    namespaces: tuple[str, ...]
    lease_namespace: str
    prometheus_url: str
    lease_duration: float
    flags: tuple[str, ...] = ()

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "model_rollout", "run"),
            *("--kubeconfig", str(self.kubeconfig)),
            *(part for name in self.namespaces for part in ("--namespace", name)),
            *("--lease-namespace", self.lease_namespace),
            *("--lease-duration", f"{self.lease_duration:g}"),
            *("--prometheus-url", self.prometheus_url),
            *("--http-address", "127.0.0.1:0"),
            *("--log-format", "json"),
            *self.flags,
        ]


class Operator:
    """One process. A killed one is followed by another `Operator`, as a pod is by another pod."""

    def __init__(self, workspace: Workspace, setting: Setting, name: str = "operator") -> None:
        """It ends with the workspace at the latest."""
        self.log = workspace.folder / f"{name}.log"
        environment = workspace.environment | {"PYTHONPATH": str(_REPOSITORY / "operator")}
        environment.pop("KUBECONFIG", None)  # an administrator's; nothing may work by that
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                setting.command(),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_alive(self) -> None:
        """Return once it answers on /healthz; it may still wait for the Lease."""
        wait_until(
            lambda: not self.is_running or self.read("/healthz"),
            _START_TIMEOUT,
            "the operator answers on /healthz",
        )
        if not self.is_running:
            raise RuntimeError(f"the operator ended at once:\n{tail(self.log, 30)}")

    def wait_until_leading(self, timeout: float = 30.0) -> None:
        """Return once it holds the Lease and its watches are open."""
        wait_until(
            lambda: self.metric("modelrollout_leader", default=0.0) == 1.0 and self.read("/readyz"),
            timeout,
            f"the operator leads\n{tail(self.log, 30)}",
        )

    def wait_until_standby(self) -> None:
        """Return once it waits for the Lease of another one."""
        wait_until(
            lambda: any(line.get("message") == "waiting for the Lease" for line in self.logs()),
            _START_TIMEOUT,
            "the operator waits for the Lease",
        )

    def kill(self) -> None:
        """As a node that loses power."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """As a virtual machine that is paused."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end, kill it if it does not; return its exit status."""
        if self.is_running:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            return self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def wait_for_end(self, timeout: float) -> int:
        """Wait until it ends by itself; return its exit status."""
        return self._process.wait(timeout)

    def logs(self) -> list[dict[str, Any]]:
        """Its log lines so far."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def read(self, path: str) -> str:
        """GET from its HTTP server; raises while it does not listen yet, and for an error."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def metric(self, name: str, labels: str = "", *, default: float | None = None) -> float:
        """The sum of its own metric over all series whose labels contain `labels`."""
        found = [_SAMPLE.match(line) for line in self.read("/metrics").splitlines()]
        values = [
            float(sample[3])
            for sample in found
            if sample and sample[1] == name and labels in (sample[2] or "")
        ]
        if not values and default is not None:
            return default
        return sum(values)

    def checks(self) -> float:
        """How many checks it made."""
        return self.metric("modelrollout_checks_total")

    def wait_for_checks(self, count: int, timeout: float = 60.0) -> None:
        """Wait for so many more checks: what was not done until then will not be done."""
        wanted = self.checks() + count
        wait_until(self.checks, timeout, f"{count} more checks", until=lambda made: made >= wanted)

    @property
    def _port(self) -> int:
        return next(line["port"] for line in self.logs() if "port" in line)
