"""What one process remembers of one guard: can be lost at any instruction, and is rebuilt."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_rollout.analysis.evidence import (
    Evidence,
    Rule,
    begin,
    observe,
    rejudged,
    restore,
    same_evidence,
)
from model_rollout.analysis.measurement import Answer
from model_rollout.api.component import Component
from model_rollout.api.status import CurrentRevision
from model_rollout.decision.notices import Notice
from model_rollout.engine.guard import Guard
from model_rollout.engine.rulebook import RuleSet
from model_rollout.ports.http import HttpReading
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.content import Content
from model_rollout.revisions.history import Revision
from model_rollout.revisions.places import ComponentProblem


@dataclass(frozen=True, slots=True)
class Period:
    """The serving period of one revision: evidence of one never counts for another."""

    revision: int
    serving_since: float | None


@dataclass
class Measured:
    """The evidence of one metric, and the rule that it was gathered by."""

    rule: Rule
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Seen:
    """The content of a workload, and what it was read from: reading it again would cost more."""

    body: Json | None
    components: tuple[Component, ...]
    config_maps: tuple[tuple[str, str] | None, ...]
    """UID and resourceVersion of each ConfigMap; None for one that is not there."""
    http: dict[str, str | ComponentProblem]
    """The values that servers hold, by component."""
    objects: dict[str, Json | ComponentProblem]
    """Other objects that fields refer to, as they were read."""
    content: Content | ComponentProblem | None
    fingerprint: str
    """Digest of the workload's UID, of its normalised template and of the ConfigMaps' contents."""


@dataclass
class Memory:
    """The working memory of one guard."""

    uid: str
    measured: dict[str, Measured] = field(default_factory=dict)
    period: Period | None = None
    next_measurement: float = 0.0
    guard: Guard | None = None
    """The ModelRollout as it was last parsed."""
    rules: RuleSet | None = None
    """The rules as they were last made."""
    template_hash: tuple[tuple[str, int], str] | None = None
    """UID and generation of the workload, and the `pod-template-hash` that belongs to them."""
    parsed: dict[str, tuple[Json, Revision]] = field(default_factory=dict)
    """ModelRevisions as they were last parsed, with what they were parsed from."""
    seen: Seen | None = None
    """What the workload held when it was last read."""
    unchanged_since: float = 0.0
    """When its template was first seen so, by the monotonic clock."""
    revisions: dict[str, Json] | None = None
    """ModelRevisions by name; None: to be listed."""
    refused: tuple[str, str] = ("", "")
    """Id of a transaction, and why the API server refused one of its writes."""
    preflighted: str = "-"
    """Id of the transaction whose writes the API server accepted as a dry run."""
    readings: dict[str, HttpReading] = field(default_factory=dict)
    """What servers said last, by component: given back to them with a write."""
    swept: bool = False
    """Snapshots that no ModelRevision refers to were looked for since the process started."""
    recorded: str = ""
    """Digest of the newest record that is known to exist as a RolloutRecord."""
    unrecorded: str = ""
    """Why the newest record could not be written as a RolloutRecord; empty when it was."""
    announced: bool = False
    """The last decision's Event was emitted, or is too old to matter."""
    untold: list[Notice] = field(default_factory=list)
    """Events that are still to be emitted."""
    failures: int = 0
    """Checks in a row that ended in an error."""

    def begin_period(
        self,
        current: CurrentRevision | None,
        rules: tuple[Rule, ...],
        now: float,
        checkpoints: Mapping[str, str],
    ) -> None:
        """Start evidence anew when another revision serves, or a metric was edited.

        `checkpoints`: what the status keeps of the evidence, by metric; a process that finds its
        own period there goes on from it.
        """
        period = Period(current.revision, current.serving_since) if current else None
        if period != self.period:
            self.measured, self.period = {}, period
        for rule in rules:
            known = self.measured.get(rule.name)
            if known is not None and known.rule is rule:
                continue
            if known is not None and same_evidence(known.rule, rule):
                known.rule, known.evidence = rule, rejudged(known.evidence, rule)
            else:
                edited = known is not None
                evidence = begin(rule, now, _start(current, rule, now, edited=edited))
                kept = restore(evidence, rule, checkpoints.get(rule.name, ""))
                self.measured[rule.name] = Measured(rule, kept or evidence)
        wanted = [rule.name for rule in rules]
        self.measured = {name: self.measured[name] for name in wanted}

    def observe(self, name: str, answers: tuple[Answer, ...], now: float, *, counts: bool) -> None:
        """Take in the answers of one check; without `counts` they are shown and are no evidence."""
        measured = self.measured[name]
        measured.evidence = observe(measured.evidence, measured.rule, answers, now, counts=counts)


def _start(
    current: CurrentRevision | None, rule: Rule, now: float, *, edited: bool
) -> float | None:
    """Return from when on samples count; None while nothing serves."""
    if current is None or current.serving_since is None:
        return None
    start = current.serving_since + rule.discard
    return max(start, now) if edited else start
