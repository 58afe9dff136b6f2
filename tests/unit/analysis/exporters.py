"""A small world of exporters that a Prometheus scrapes: what it would have answered at any time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from model_rollout.analysis.count_evidence import CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.evidence import (
    Evidence,
    Rule,
    begin,
    observe,
    past,
    questions,
    replay,
    report,
)
from model_rollout.analysis.measurement import Answer, Sample, Series, Window
from model_rollout.analysis.placeholders import Problem, Values
from model_rollout.analysis.report import MetricReport
from model_rollout.analysis.rules import Record, metric_rule
from model_rollout.analysis.templates import resolve
from model_rollout.api.rollout import ModelRolloutSpec

NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC."""

LOOKBACK = 300.0


@dataclass(frozen=True)
class Exporter:
    """One process: what it counted since the scrape before, at each scrape that reached it."""

    name: str
    scrapes: tuple[tuple[float, float, float], ...]
    """Time, good and bad outcomes since the scrape before."""
    restarts: frozenset[int] = frozenset()
    """Scrapes before which it began anew."""

    def series(self, counter: str, *, eager: bool = True) -> Series:
        """`eager` false: the counter is not there before it counted something."""
        value, samples = 0.0, list[Sample]()
        for number, (time, good, bad) in enumerate(self.scrapes):
            if number in self.restarts:
                value = 0.0
            value += {"good": good, "bad": bad, "total": good + bad}[counter]
            if value or eager:
                samples.append(Sample(time, value))
        return Series((("instance", self.name),), tuple(samples))


@dataclass
class Server:
    """Answers questions for the counters `good`, `bad` and `total`."""

    exporters: Sequence[Exporter]
    eager: bool = True
    """Counters of bad outcomes are there from the beginning."""
    histories: dict[str, tuple[Series, ...]] = field(default_factory=dict)

    def all(self, counter: str) -> tuple[Series, ...]:
        if counter not in self.histories:
            eager = self.eager or counter != "bad"
            self.histories[counter] = tuple(
                found
                for exporter in self.exporters
                if (found := exporter.series(counter, eager=eager)).samples
            )
        return self.histories[counter]

    def window(self, counter: str, start: float, end: float, order: int = 1) -> Window:
        found = []
        for series in self.all(counter)[::order]:
            samples = tuple(s for s in series.samples if start < s.time <= end)
            if samples:
                found.append(Series(series.labels, samples))
        return Window(start, end, tuple(found))

    def answers(self, rule: Rule, evidence: Evidence, now: float) -> tuple[Answer, ...]:
        return tuple(
            self.window(q.promql, now - q.lookback, now) for q in questions(rule, evidence)
        )

    def check(self, evidence: Evidence, rule: Rule, now: float, order: int = 1) -> Evidence:
        """What the engine does in one check."""
        if asked := past(rule, evidence, now):
            found = tuple(self.window(q.promql, q.begin, q.end, order) for q in asked)
            evidence = replay(evidence, rule, found, now)
        return observe(evidence, rule, self.answers(rule, evidence, now), now, counts=True)

    def checks(
        self, rule: Rule, times: Iterable[float], start: float, created: float = NOON
    ) -> Evidence:
        evidence = begin(rule, created, start)
        for time in times:
            evidence = self.check(evidence, rule, time)
        return evidence


def steady(
    name: str, rates: Iterable[tuple[float, float]], offset: float = 0.0, every: float = 15.0
) -> Exporter:
    """An exporter that is scraped without a miss; `rates`: good and bad outcomes per scrape."""
    times = (NOON + offset + every * number for number in range(10**9))
    return Exporter(name, tuple((t, *rate) for t, rate in zip(times, rates, strict=False)))


def spec(
    metric: dict[str, object], *others: dict[str, object], **analysis: object
) -> ModelRolloutSpec:
    data = {
        "targetRef": {"name": "w"},
        "metrics": [{"name": "accuracy"} | metric, *others],
        "analysis": analysis,
    }
    return ModelRolloutSpec.model_validate(data)


VALUES = Values(namespace="ml", name="guard", workload="w")


def rule_of(
    metric: dict[str, object],
    *others: dict[str, object],
    record: Record | None = None,
    **analysis: object,
) -> Rule:
    found = spec(metric, *others, **analysis)
    resolved = resolve(found.metrics[0], {}, VALUES)
    assert not isinstance(resolved, Problem), resolved
    rule = metric_rule(resolved, found, record)
    assert not isinstance(rule, Problem), rule
    return rule


GOOD_TOTAL: dict[str, object] = {"counts": {"good": "good", "total": "total"}, "min": 0.85}
BAD_TOTAL: dict[str, object] = {"counts": {"bad": "bad", "total": "total"}, "max": 0.15}
GOOD_BAD: dict[str, object] = {"counts": {"good": "good", "bad": "bad"}, "max": 0.15}

START = NOON + 120.0
END = NOON + 1800.0
EVERY_30 = [NOON + 30.0 * n for n in range(61)]

FINE = [(10.0, 1.0)]
HALF = [(5.0, 5.0)]


def counts_rule(metric: dict[str, object], **analysis: object) -> CountRule:
    rule = rule_of(metric, **analysis)
    assert isinstance(rule, CountRule)
    return rule


RULE = counts_rule(GOOD_TOTAL)


def gathered(
    server: Server, times: Iterable[float] = EVERY_30, rule: CountRule = RULE, start: float = START
) -> CountEvidence:
    evidence = server.checks(rule, times, start)
    assert isinstance(evidence, CountEvidence)
    return evidence


def said(
    server: Server, times: Sequence[float] = EVERY_30, rule: CountRule = RULE, start: float = START
) -> MetricReport:
    return report(gathered(server, times, rule, start), rule, times[-1])


def pods(*rates: Sequence[tuple[float, float]]) -> Server:
    """One exporter for each list of rates."""
    return Server([steady(f"pod-{n}", r, offset=3.0 * n) for n, r in enumerate(rates)])
