"""What one process remembers of one guard: can be lost at any instruction, and is rebuilt."""

from dataclasses import dataclass, field, replace

from model_rollout.analysis.measurement import QueryResult
from model_rollout.analysis.values import Evidence, MetricRule, observe
from model_rollout.api.rollout import Component
from model_rollout.api.status import CurrentRevision
from model_rollout.decision.notices import Notice
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.content import Content
from model_rollout.revisions.places import ComponentProblem


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


@dataclass(frozen=True, slots=True)
class Seen:
    """The content of a workload, and what it was read from: reading it again would cost more."""

    body: Json | None
    components: tuple[Component, ...]
    content: Content | ComponentProblem | None
    fingerprint: str
    """Digest of the workload's UID and of its normalised template."""


@dataclass
class Memory:
    """The working memory of one guard."""

    uid: str
    measured: dict[str, Measured] = field(default_factory=dict)
    period: Period | None = None
    rebuild: bool = True
    """Evidence from before this process is still to be asked for."""
    next_measurement: float = 0.0
    seen: Seen | None = None
    """What the workload held when it was last read."""
    unchanged_since: float = 0.0
    """When its template was first seen so, by the monotonic clock."""
    revisions: dict[str, Json] | None = None
    """ModelRevisions by name; None: to be listed."""
    refused: tuple[str, str] = ("", "")
    """Id of a transaction, and why the API server refused its patch."""
    announced: bool = False
    """The last decision's Event was emitted, or is too old to matter."""
    untold: list[Notice] = field(default_factory=list)
    """Events that are still to be emitted."""
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

    def observe(self, name: str, result: QueryResult, *, counts: bool) -> None:
        """Take in one measurement; without `counts` it is shown and is no evidence."""
        measured = self.measured[name]
        evidence = measured.evidence
        if counts:
            measured.evidence = observe(evidence, measured.rule, result)
        else:
            shown = observe(replace(evidence, start=None), measured.rule, result)
            measured.evidence = replace(shown, start=evidence.start)


def _start(
    current: CurrentRevision | None, rule: MetricRule, now: float, *, edited: bool
) -> float | None:
    """Return from when on samples count; None while nothing serves."""
    if current is None or current.serving_since is None:
        return None
    start = current.serving_since + rule.discard
    return max(start, now) if edited else start
