"""Somebody who types commands of `modelrollout`."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.scenario import Scenario

_OPERATOR = Path(__file__).resolve().parents[2] / "operator"


@dataclass
class Person:
    """Somebody with a terminal that is none: whose output is read by a program."""

    case: Scenario
    kubeconfig: Path | None = None

    def command(self, *words: str) -> list[str]:
        kubeconfig = self.kubeconfig or self.case.site.control_plane.kubeconfig
        place = ["--kubeconfig", str(kubeconfig), "-n", self.case.namespace]
        return [sys.executable, "-m", "model_rollout", *words, *place]

    @property
    def environment(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if k != "KUBECONFIG"} | {
            "PYTHONPATH": str(_OPERATOR)
        }

    def types(self, *words: str, status: int = 0) -> str:
        """Run a command to its end; return what it printed, errors last."""
        ran = subprocess.run(
            self.command(*words),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert ran.returncode == status, f"{words}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr
