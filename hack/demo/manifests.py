"""The manifest of the demo, and the durations that the demo shortens."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model_rollout.api.rollout import Analysis, Budget, Rollback
from model_rollout.api.types import duration_text

_MANIFEST = Path(__file__).resolve().parents[2] / "deploy" / "examples" / "digits.yaml"
_RANGE = re.compile(r"\[5m\]")
_DEFAULT_FOR = "5m"
_DEFAULT_LEASE = 15.0
LOCAL_WINDOW = 2.0
LOCAL_SCRAPE_INTERVAL = "500ms"

Json = dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """How fast the demo goes. All durations follow from the window of the queries."""

    window: float = LOCAL_WINDOW
    """Seconds that `rate()` looks back: at least four scrapes of Prometheus."""

    def times(self, factor: float) -> str:
        return duration_text(max(1, round(self.window * factor)))

    def patience(self, seconds: float) -> float:
        """How long to wait for something that takes less than `seconds` at full pace."""
        return seconds * max(1.0, self.window / LOCAL_WINDOW)

    @property
    def analysis(self) -> dict[str, str]:
        return {
            "interval": self.times(0.25),
            "warmUp": self.times(1),
            "settle": self.times(0.25),
            "bakeTime": self.times(1.5),
        }

    @property
    def rollback(self) -> Json:
        return {
            "verifyFor": self.times(1.5),
            "deadline": self.times(3),
            "cooldown": self.times(0.5),
            "budget": {"maxRollbacks": 20},
        }

    @property
    def lease(self) -> float:
        """How many seconds the Lease outlives an operator that was killed."""
        return min(_DEFAULT_LEASE, self.window * 2.5)

    @property
    def for_(self) -> str:
        return self.times(1)


def guard_manifest() -> str:
    """The ModelRollout as a user would write it."""
    return _MANIFEST.read_text().split("---\n")[-1]


def queries(pace: Pace) -> dict[str, str]:
    """The queries of the metrics, by name, as the demo runs them."""
    guard = _with_pace(yaml.safe_load(guard_manifest()), pace)
    return {metric["name"]: metric["query"] for metric in guard["spec"]["metrics"]}


def objects(pace: Pace, image_prefix: str) -> list[Json]:
    """What the demo applies: the Deployment of model v1 and its guard."""
    deployment, guard = yaml.safe_load_all(_MANIFEST.read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["image"] = image_prefix + container["image"]
    return [deployment, _with_pace(guard, pace)]


def _with_pace(guard: Json, pace: Pace) -> Json:
    spec = guard["spec"]
    spec["analysis"] = pace.analysis
    spec["rollback"] = pace.rollback
    for metric in spec["metrics"]:
        metric["for"] = pace.for_
        metric["query"] = _RANGE.sub(f"[{duration_text(pace.window)}]", metric["query"])
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
    lines.append(f"metrics[].for: {_DEFAULT_FOR} → {pace.for_}")
    lines.append(f"rate() in the queries: 5m → {duration_text(pace.window)}")
    lease = duration_text(pace.lease)
    lines.append(f"operator --lease-duration: {duration_text(_DEFAULT_LEASE)} → {lease}")
    return lines
