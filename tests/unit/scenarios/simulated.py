"""A model whose answers are counted, scraped and judged for simulated days: nothing waits, nothing runs."""

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from model_rollout.analysis.evidence import Rule, begin, observe, questions, report
from model_rollout.analysis.measurement import Sample, Series, Window
from model_rollout.analysis.placeholders import Problem, Values
from model_rollout.analysis.report import MetricReport
from model_rollout.analysis.rules import metric_rule
from model_rollout.analysis.templates import resolve
from model_rollout.api.rollout import ModelRolloutSpec

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
GOOD, TOTAL = "good_total", "all_total"

Rate = Callable[[float], float]
"""The share of right answers at a time, in seconds since the beginning."""


def rule_of(interval: float, **metric: Any) -> Rule:
    """The rule of one metric on the two counters, with all defaults."""
    counted = {"name": "accuracy", "counts": {"good": GOOD, "total": TOTAL}, "min": 0.85}
    spec = ModelRolloutSpec.model_validate(
        {
            "targetRef": {"name": "model"},
            "metrics": [counted | metric],
            "analysis": {"interval": f"{interval:.0f}s"},
        }
    )
    resolved = resolve(spec.metrics[0], {}, Values("ml", "model", "model"))
    assert not isinstance(resolved, Problem)
    rule = metric_rule(resolved, spec, None)
    assert not isinstance(rule, Problem)
    return rule


@dataclass
class Counters:
    """What Prometheus has of the two counters: one sample of each at every scrape."""

    times: list[float] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=lambda: {GOOD: [], TOTAL: []})

    def scrape(self, time: float, good: float, total: float) -> None:
        """Count so many answers since the last scrape."""
        self.times.append(time)
        for name, more in ((GOOD, good), (TOTAL, total)):
            samples = self.samples[name]
            before = samples[-1].value if samples else 0.0
            samples.append(Sample(time, before + more))

    def window(self, promql: str, begin_: float, end: float) -> Window:
        low, high = bisect_right(self.times, begin_), bisect_right(self.times, end)
        samples = tuple(self.samples[promql][low:high])
        return Window(begin_, end, (Series((), samples),) if samples else ())

    def share(self, begin_: float, end: float) -> float | None:
        """The share of right answers in between, as a dashboard would show it."""
        low, high = bisect_right(self.times, begin_), bisect_right(self.times, end) - 1
        if high <= low:
            return None
        good, total = (
            self.samples[name][high].value - self.samples[name][low].value for name in (GOOD, TOTAL)
        )
        return good / total if total else None


def steady(
    length: float, every: float, answers: int, rate: Rate, *, late: float = 0.0, seed: int = 0
) -> Counters:
    """A model that answers evenly; of each answer it is known `late` seconds later how good it was."""
    drawn, counters = random.Random(seed), Counters()
    counters.scrape(0.0, 0.0, 0.0)
    for number in range(1, int(length / every)):
        time = number * every
        known = answers if time > late else 0
        good = sum(drawn.random() < rate(time - late) for _ in range(known))
        counters.scrape(time, good, known)
    return counters


def judged(
    rule: Rule, counters: Counters, interval: float, serving: float, until: float
) -> Iterator[tuple[float, MetricReport]]:
    """Check a revision that serves from `serving` on, every `interval` seconds."""
    evidence = begin(rule, serving, serving + rule.discard)
    now = serving
    while now < until:
        now += interval
        answers = tuple(
            counters.window(asked.promql, now - asked.lookback, now)
            for asked in questions(rule, evidence)
        )
        evidence = observe(evidence, rule, answers, now, counts=True)
        yield now, report(evidence, rule, now)


def first_breach(found: Iterator[tuple[float, MetricReport]]) -> tuple[float, MetricReport] | None:
    return next(((now, told) for now, told in found if told.breached), None)
