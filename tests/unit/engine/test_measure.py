"""Asking Prometheus: all metrics every time, and after a restart what was before."""

import pytest

from model_rollout.analysis.measurement import (
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    State,
)
from model_rollout.analysis.values import MetricClass, MetricRule, classify, metric_rule
from model_rollout.engine.measure import Measurer, lookback
from model_rollout.engine.memory import Memory
from unit.decision.builders import current, revision, spec

NOW = 100_000.0
URL = "http://prometheus:9090"
SERVING = current(revision(1), serving_since=NOW - 3600.0)
METRICS = [
    {"name": "accuracy", "query": "accuracy", "min": 0.85, "for": "1m"},
    {"name": "latency", "query": "latency", "max": 1.0, "for": "1m"},
]
RULES = tuple(metric_rule(m, spec(metrics=METRICS)) for m in spec(metrics=METRICS).metrics)


class Answers:
    """Both sides of Prometheus."""

    def __init__(self, **now: QueryResult) -> None:
        self.now = now
        self.past: dict[str, tuple[Sample, ...] | QueryError] = {}
        self.ranges: list[tuple[str, float, float, float]] = []

    async def query(self, url: str, promql: str) -> QueryResult:
        assert url == URL
        return self.now.get(promql, Sample(0.0, 0.9))

    async def query_range(
        self, url: str, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        self.ranges.append((promql, start, end, step))
        return self.past.get(promql, ())


def fresh(serving: bool = True) -> Memory:
    memory = Memory("u1")
    on = SERVING if serving else SERVING.model_copy(update={"serving_since": None})
    memory.begin_period(on, RULES, NOW)
    return memory


async def measured(
    answers: Answers, memory: Memory | None = None, *, counts: bool = True, now: float = NOW
) -> Memory:
    memory = memory or fresh()
    kinds: list[str] = []
    measurer = Measurer(answers, answers, kinds.append)
    await measurer.measure(memory, URL, now, counts=counts)
    assert len(kinds) == 2
    return memory


ERROR = QueryError(ErrorKind.TIMEOUT, "late")
BAD_PAST = tuple(Sample(NOW - 120.0 + 30.0 * i, 0.5) for i in range(4))


@pytest.mark.parametrize("answer", [NoData("empty"), ERROR])
async def test_one_failure_never_hides_the_rest(answer: QueryResult) -> None:
    memory = await measured(Answers(accuracy=answer))
    states = [m.evidence.state for m in memory.measured.values()]
    assert states[0] is not State.GOOD
    assert states[1] is State.GOOD


async def test_sample_belongs_to_our_own_clock() -> None:
    memory = await measured(Answers(accuracy=Sample(NOW + 7200.0, 0.9)))
    assert memory.measured["accuracy"].evidence.answered == NOW


async def test_evidence_is_rebuilt_once() -> None:
    answers = Answers()
    memory = await measured(answers)
    await measured(answers, memory, now=NOW + 30.0)
    assert [query for query, *_ in answers.ranges] == ["accuracy", "latency"]
    _, start, end, step = answers.ranges[0]
    assert (end, step) == (NOW, 30.0)
    assert start == max(NOW - 3600.0 + 120.0, NOW - lookback(RULES[0]))


async def test_breach_survives_a_restart() -> None:
    answers = Answers(accuracy=Sample(0.0, 0.5))
    answers.past["accuracy"] = BAD_PAST
    memory = await measured(answers)
    assert classify(memory.measured["accuracy"].evidence, RULES[0]) is MetricClass.BREACHED


async def test_nothing_is_rebuilt_while_another_content_is_live() -> None:
    answers = Answers()
    memory = await measured(answers, counts=False)
    assert answers.ranges == []
    assert memory.rebuild


async def test_nothing_is_rebuilt_before_it_serves() -> None:
    answers = Answers()
    await measured(answers, fresh(serving=False))
    assert answers.ranges == []


async def test_history_that_failed_is_asked_for_again_and_hides_nothing() -> None:
    answers = Answers(accuracy=NoData("empty"), latency=NoData("empty"))
    answers.past = {"accuracy": ERROR, "latency": tuple(Sample(s.time, 2.0) for s in BAD_PAST)}
    memory = await measured(answers)
    assert memory.rebuild
    assert memory.measured["latency"].evidence.checks == 4
    answers.past["accuracy"] = BAD_PAST
    await measured(answers, memory, now=NOW + 30.0)
    assert not memory.rebuild
    assert memory.measured["accuracy"].evidence.checks == 4
    assert memory.measured["latency"].evidence.checks == 4


@pytest.mark.parametrize(
    ("hold", "pace", "seconds"), [("10m", "30s", 1800.0), ("0s", "30s", 900.0)]
)
def test_lookback_covers_what_can_still_matter(hold: str, pace: str, seconds: float) -> None:
    metric = {"name": "m", "query": "m", "max": 1.0, "for": hold, "every": pace}
    found = spec(metrics=[metric])
    rule: MetricRule = metric_rule(found.metrics[0], found)
    assert lookback(rule) == seconds
