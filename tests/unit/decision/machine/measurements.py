"""What the metrics say, made by hand: a mood instead of a Prometheus."""

from dataclasses import dataclass, field

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.api.metric import MetricAction, OnNoData
from model_rollout.api.status import ModelRolloutStatus
from unit.decision import builders

MOODS = ("good", "suspect", "bad", "silent", "error")
METRICS = ("accuracy", "latency", "drift")
_NO_DATA_AFTER = 60.0
_ERRORS_IN_A_ROW = 3


@dataclass
class Truth:
    """How good the model really is: what no restart of the operator changes."""

    on_no_data: OnNoData
    moods: dict[str, str] = field(default_factory=lambda: dict.fromkeys(METRICS, "good"))
    faulty: set[str] = field(default_factory=lambda: {"bad:1", "bad:2", "bad:3"})
    """Images whose accuracy is bad, whatever the mood."""

    def mood(self, name: str, image: str) -> str:
        """What a metric says while this image serves."""
        mood = self.moods[name]
        wrong = name == "accuracy" and image in self.faulty
        return "bad" if mood == "good" and wrong else mood


@dataclass
class _Evidence:
    """What one metric gathered in one serving period."""

    checks: int = 0
    clear_from: float | None = None
    silent_from: float | None = None
    errors: int = 0


class Measurements:
    """The reports of all metrics, as one process knows them: what it gathered is lost with it."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._period: tuple[int, float | None] | None = None
        self._evidence = {name: _Evidence() for name in METRICS}
        self._reports: dict[str, MetricReport] = {}

    def reports(self, status: ModelRolloutStatus, now: float) -> tuple[MetricReport, ...]:
        """What is known of the current revision: nothing, when it began to serve just now."""
        self._begin_period(status)
        return tuple(self._reports.get(name) or self._nothing(name) for name in METRICS)

    def measure(
        self, status: ModelRolloutStatus, now: float, discard: float, serving: str, *, counts: bool
    ) -> None:
        """Ask every metric once, while the image `serving` answers."""
        self._begin_period(status)
        since = status.current.serving_since if status.current else None
        counted = counts and since is not None and now >= since + discard
        for name in METRICS:
            mood = self._truth.mood(name, serving)
            self._reports[name] = self._report(name, mood, now, counted=counted)

    def _begin_period(self, status: ModelRolloutStatus) -> None:
        current = status.current
        period = (current.revision, current.serving_since) if current else None
        if period != self._period:
            self._period, self._reports = period, {}
            self._evidence = {name: _Evidence() for name in METRICS}

    def _report(self, name: str, mood: str, now: float, *, counted: bool) -> MetricReport:
        found = self._evidence[name]
        found.errors = found.errors + 1 if mood == "error" else 0
        if mood not in ("silent", "error"):
            found.silent_from = None
            found.checks += counted
        if mood == "silent" and counted and found.silent_from is None:
            found.silent_from = now
        if mood == "good" and counted and found.clear_from is None:
            found.clear_from = now
        if mood in ("suspect", "bad"):
            found.clear_from = None
        return self._told(name, mood, now, counted=counted)

    def _told(self, name: str, mood: str, now: float, *, counted: bool) -> MetricReport:
        found = self._evidence[name]
        if mood == "silent":
            silent_for = 0.0 if found.silent_from is None else now - found.silent_from
            return self._nothing(name, "NoData" if silent_for >= _NO_DATA_AFTER else "")
        if mood == "error":
            failing = "Unreachable" if found.errors >= _ERRORS_IN_A_ROW else ""
            return self._made(name, builders.silent, state=State.ERROR, unavailable=failing)
        if mood == "good":
            since = found.clear_from
            clear_for = now - since if since is not None and found.checks else 0.0
            return self._made(name, builders.report, clear_for=clear_for, checks=found.checks)
        if not counted:
            shown = {"metric_class": MetricClass.CLEAR, "breached": False, "checks": found.checks}
            return self._made(name, builders.bad, **shown)
        make = builders.bad if mood == "bad" else builders.suspect
        return self._made(name, make, checks=found.checks)

    def _nothing(self, name: str, unavailable: str = "") -> MetricReport:
        return self._made(name, builders.silent, unavailable=unavailable)

    def _made(self, name: str, make, **changes) -> MetricReport:  # type: ignore[no-untyped-def]
        action = MetricAction.NOTIFY if name == "drift" else MetricAction.ROLLBACK
        settled = {"action": action, "discard": 20.0, "patience": 40.0}
        return make(name, **settled, on_no_data=self._truth.on_no_data, **changes)
