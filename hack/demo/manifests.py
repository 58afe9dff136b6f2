"""The manifests of the demo, and the durations that the demo shortens."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model_rollout.api.rollout import Analysis, Budget, Rollback
from model_rollout.api.types import duration_text

_EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"
_MANIFEST = _EXAMPLES / "digits.yaml"
_QUIET_MANIFEST = _EXAMPLES / "digits-quiet.yaml"
_RANGE = re.compile(r"\[1m\]")
_DEFAULT_LEASE = 15.0
_ANSWERS_A_CHECK = 2
LOCAL_INTERVAL = 1
LOCAL_SCRAPE_INTERVAL = "500ms"

Json = dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """How fast the demo goes. All durations follow from the time between two checks."""

    interval: int = LOCAL_INTERVAL
    """Seconds between two checks: at least two scrapes of Prometheus."""

    def times(self, factor: int) -> str:
        return duration_text(self.interval * factor)

    def patience(self, seconds: float) -> float:
        """How long to wait for something that takes less than `seconds` at full pace."""
        return seconds * self.interval / LOCAL_INTERVAL

    @property
    def window(self) -> str:
        """What a rate looks back, in the naive rule and where the demo looks for itself."""
        return self.times(2)

    @property
    def analysis(self) -> dict[str, str]:
        return {
            "interval": f"{self.interval}s",
            # Counters are read from when the revision serves on: nothing of the old one is in them.
            "warmUp": self.times(1),
            "settle": self.times(1),
            "bakeTime": self.times(3),
        }

    @property
    def rollback(self) -> Json:
        return {
            "verifyFor": self.times(3),
            "deadline": self.times(8),
            "cooldown": self.times(1),
            "budget": {"maxRollbacks": 20},
        }

    @property
    def lease(self) -> float:
        """How many seconds the Lease outlives an operator that was killed."""
        return min(_DEFAULT_LEASE, self.interval * 5)

    @property
    def quiet_rate(self) -> str:
        """The argument of the quiet model's server: two answers in the time between two checks."""
        return f"--rate={_ANSWERS_A_CHECK / self.interval:.3g}"


def guard_manifest() -> str:
    """The ModelRollout as a user would write it."""
    return _MANIFEST.read_text().split("---\n")[-1]


def objects(pace: Pace, image_prefix: str) -> list[Json]:
    """What the demo applies: the Deployment of model v1 and its guard, and the quiet ones."""
    deployment, guard = yaml.safe_load_all(_MANIFEST.read_text())
    quiet, its_guard = yaml.safe_load_all(_QUIET_MANIFEST.read_text())
    for one in (deployment, quiet):
        container = one["spec"]["template"]["spec"]["containers"][0]
        container["image"] = image_prefix + container["image"]
    container["args"] = [pace.quiet_rate]
    return [deployment, _with_pace(guard, pace), quiet, _with_pace(its_guard, pace)]


def _written_rate() -> str:
    deployment, _ = yaml.safe_load_all(_QUIET_MANIFEST.read_text())
    (argument,) = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return str(argument.partition("=")[2])


def _with_pace(guard: Json, pace: Pace) -> Json:
    spec = guard["spec"]
    spec["analysis"] = pace.analysis
    spec["rollback"] = pace.rollback
    for metric in spec["metrics"]:
        if "query" in metric:
            metric["query"] = _RANGE.sub(f"[{pace.window}]", metric["query"])
    return guard


def shortened(pace: Pace) -> list[str]:
    """One line for each setting that the demo changes: what it would be and what it is."""
    defaults = Analysis().model_dump(by_alias=True) | Rollback().model_dump(by_alias=True)
    lines = [f"analysis.{key}: {defaults[key]} → {value}" for key, value in pace.analysis.items()]
    lines += [
        f"rollback.{key}: {defaults[key]} → {value}"
        for key, value in pace.rollback.items()
        if isinstance(value, str)
    ]
    before, after = Budget().max_rollbacks, pace.rollback["budget"]["maxRollbacks"]
    lines.append(f"rollback.budget.maxRollbacks: {before} → {after}")
    lines.append(f"rate() of the naive metric: 1m → {pace.window}")
    lines.append(f"--rate of digits-quiet: {_written_rate()} → {pace.quiet_rate.partition('=')[2]}")
    lease = duration_text(pace.lease)
    lines.append(f"operator --lease-duration: {duration_text(_DEFAULT_LEASE)} → {lease}")
    return lines
