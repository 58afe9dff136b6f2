"""What one process remembers of one guard: can be lost at any instruction, and is rebuilt."""

from dataclasses import dataclass, field

from model_rollout.analysis.measurement import QueryResult
from model_rollout.analysis.values import Evidence, MetricRule, observe
from model_rollout.api.status import CurrentRevision
from model_rollout.ports.kubernetes import Json


@dataclass(frozen=True, slots=True)
class Period:
    """The serving period of one revision: evidence of one never counts for another."""

    revision: int
    serving_since: float | None


@dataclass
class Measured:
    """The evidence of one metric, and the rule that it was gathered by."""

    rule: MetricRule
    evidence: Evidence


@dataclass
class Memory:
    """The working memory of one guard."""

    uid: str
    measured: dict[str, Measured] = field(default_factory=dict)
    period: Period | None = None
    rebuild: bool = True
    """Evidence from before this process is still to be asked for."""
    next_measurement: float = 0.0
    fingerprint: str = ""
    """Digest of the template as last seen."""
    unchanged_since: float = 0.0
    """When it was first seen so, by the monotonic clock."""
    revisions: dict[str, Json] | None = None
    """ModelRevisions by name; None: to be listed."""
    refused: tuple[str, str] = ("", "")
    """Id of a transaction, and why the API server refused its patch."""
    announced: bool = False
    """The last decision's Event was emitted, or is too old to matter."""
    failures: int = 0
    """Checks in a row that ended in an error."""

    def begin_period(
        self, current: CurrentRevision | None, rules: tuple[MetricRule, ...], now: float
    ) -> None:
        """Start evidence anew when another revision serves, or a metric was edited."""
        period = Period(current.revision, current.serving_since) if current else None
        if period != self.period:
            self.measured, self.period = {}, period
        for rule in rules:
            known = self.measured.get(rule.name)
            if known is None or known.rule != rule:
                edited = known is not None
                evidence = Evidence(created=now, start=_start(current, rule, now, edited=edited))
                self.measured[rule.name] = Measured(rule, evidence)
        wanted = {rule.name for rule in rules}
        self.measured = {name: m for name, m in self.measured.items() if name in wanted}

    def observe(self, name: str, result: QueryResult) -> None:
        """Take in one measurement."""
        measured = self.measured[name]
        measured.evidence = observe(measured.evidence, measured.rule, result)


def _start(
    current: CurrentRevision | None, rule: MetricRule, now: float, *, edited: bool
) -> float | None:
    """Return from when on samples count; None while nothing serves."""
    if current is None or current.serving_since is None:
        return None
    start = current.serving_since + rule.discard
    return max(start, now) if edited else start
