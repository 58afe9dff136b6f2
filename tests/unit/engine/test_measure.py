"""Asking Prometheus: all metrics every time, and of the past what no check has seen."""

from dataclasses import replace

import pytest

from model_rollout.analysis.evidence import checkpoint, report
from model_rollout.analysis.measurement import (
    ErrorKind,
    NoData,
    QueryError,
    QueryResult,
    Sample,
    Series,
    SeriesResult,
    State,
)
from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.engine.measure import Measurer
from model_rollout.engine.memory import Memory
from model_rollout.ports.prometheus import Endpoint
from unit.decision.builders import current, revision, rules_of, spec

NOW = 100_000.0
INTERVAL = 30.0
SERVING = current(revision(1), serving_since=NOW - 3600.0)
VALUES = [
    {"name": "accuracy", "query": "accuracy", "min": 0.85, "for": "1m"},
    {"name": "latency", "query": "latency", "max": 1.0, "for": "1m"},
]
COUNTS = [{"name": "accuracy", "counts": {"good": "right", "total": "all"}, "min": 0.85}]
LABELS = (("pod", "a"),)
ERROR = QueryError(ErrorKind.TIMEOUT, "late")
BAD_PAST = tuple(Sample(NOW - 120.0 + 30.0 * i, 0.5) for i in range(4))


def counter(share: float, until: float, begin: float = NOW - 3700.0) -> tuple[Series, ...]:
    """A counter that was scraped every 15 s: `share` of 10 answers a second were counted."""
    scrapes = int((until - begin) // 15.0) + 1
    samples = (Sample(begin + 15.0 * i, share * 150.0 * i) for i in range(scrapes))
    return (Series(LABELS, tuple(samples)),)


class Answers:
    """Both sides of Prometheus."""

    def __init__(self, **now: QueryResult) -> None:
        self.now = now
        self.past: dict[str, tuple[Sample, ...] | QueryError] = {}
        self.counters: dict[str, SeriesResult] = {}
        self.asked: list[str] = []
        self.ranges: list[str] = []

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        self.asked.append(promql)
        return self.now.get(promql, Sample(0.0, 0.9))

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> SeriesResult:
        self.asked.append(promql)
        selector, _, length = promql.rstrip("s]").partition("\n[")
        end = self.time
        return self._between(selector, end - float(length or INTERVAL), end)

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        self.ranges.append(promql)
        return self.past.get(promql, ())

    async def raw(
        self, endpoint: Endpoint, selector: str, start: float, end: float
    ) -> SeriesResult:
        self.ranges.append(selector)
        return self._between(selector, start, end)

    def _between(self, selector: str, begin: float, end: float) -> SeriesResult:
        found = self.counters[selector]
        if not isinstance(found, tuple):
            return found
        return tuple(
            Series(s.labels, tuple(p for p in s.samples if begin < p.time <= end)) for s in found
        )

    time = NOW


def fresh(metrics: list[dict[str, object]], *, serving: bool = True, **kept: str) -> Memory:
    memory = Memory("u1")
    on = SERVING if serving else SERVING.model_copy(update={"serving_since": None})
    memory.begin_period(on, rules_of(spec(metrics=metrics)).rules, NOW, kept)
    return memory


async def measured(
    answers: Answers, memory: Memory | None = None, *, counts: bool = True, now: float = NOW
) -> Memory:
    memory = memory or fresh(VALUES)
    answers.time = now
    measurer = Measurer(answers, GroupedQueries(answers), answers, lambda kind: None)
    await measurer.measure(memory, Endpoint("http://p:9090"), INTERVAL, now, counts=counts)
    return memory


def told(memory: Memory, name: str = "accuracy", now: float = NOW) -> MetricReport:
    return report(memory.measured[name].evidence, memory.measured[name].rule, now)


@pytest.mark.parametrize("answer", [NoData("empty"), ERROR])
async def test_one_failure_never_hides_the_rest(answer: QueryResult) -> None:
    memory = await measured(Answers(accuracy=answer))
    assert told(memory).state is not State.GOOD
    assert told(memory, "latency").state is State.GOOD


async def test_sample_belongs_to_our_own_clock() -> None:
    memory = await measured(Answers(accuracy=Sample(NOW + 7200.0, 0.9)))
    assert memory.measured["accuracy"].evidence.answered == NOW


async def test_refused_credentials_are_told() -> None:
    answers = Answers(accuracy=QueryError(ErrorKind.UNAUTHORIZED, "HTTP 401"))
    measurer = Measurer(answers, GroupedQueries(answers), answers, lambda kind: None)
    endpoint = Endpoint("http://p:9090")
    assert await measurer.measure(fresh(VALUES), endpoint, INTERVAL, NOW, counts=True)


async def test_what_was_before_the_process_is_asked_for_once() -> None:
    answers = Answers()
    memory = await measured(answers)
    await measured(answers, memory, now=NOW + 30.0)
    assert answers.ranges == ["accuracy", "latency"]


async def test_revision_that_is_measured_from_its_start_on_has_no_past() -> None:
    answers, memory = Answers(), Memory("u1")
    begins = current(revision(1), serving_since=NOW)
    memory.begin_period(begins, rules_of(spec(metrics=VALUES)).rules, NOW + 1.0, {})
    # Both begin to count after the warm-up of two minutes.
    for minutes in (1.0, 3.0):
        await measured(answers, memory, now=NOW + 60.0 * minutes)
    assert answers.ranges == []
    assert told(memory, now=NOW + 180.0).checks == 1


async def test_breach_survives_a_restart() -> None:
    answers = Answers(accuracy=Sample(0.0, 0.5))
    answers.past["accuracy"] = BAD_PAST
    assert told(await measured(answers)).metric_class is MetricClass.BREACHED


async def test_nothing_is_rebuilt_while_another_content_is_live() -> None:
    answers = Answers()
    await measured(answers, counts=False)
    assert answers.ranges == []


async def test_nothing_is_rebuilt_before_it_serves() -> None:
    answers = Answers()
    await measured(answers, fresh(VALUES, serving=False))
    assert answers.ranges == []


async def test_history_that_failed_is_asked_for_again_and_hides_nothing() -> None:
    answers = Answers(accuracy=NoData("empty"), latency=NoData("empty"))
    answers.past = {"accuracy": ERROR, "latency": tuple(Sample(s.time, 2.0) for s in BAD_PAST)}
    memory = await measured(answers)
    assert told(memory, "latency").checks == 4
    answers.past["accuracy"] = BAD_PAST
    await measured(answers, memory, now=NOW + 30.0)
    assert told(memory).checks == 4
    assert told(memory, "latency").checks == 4


def degrading() -> Answers:
    """Good until 20 minutes ago, then half of all answers are wrong."""
    answers = Answers()
    (good,) = counter(0.95, NOW - 1200.0)
    last = good.samples[-1]
    worse = (Sample(last.time + 15.0 * i, last.value + 75.0 * i) for i in range(1, 140))
    answers.counters = {
        "right": (Series(LABELS, (*good.samples, *worse)),),
        "all": counter(1.0, NOW + 900.0),
    }
    return answers


async def uninterrupted(until: float) -> Memory:
    """A process that has measured since before the revision counted."""
    answers, memory, now = degrading(), fresh(COUNTS), NOW - 3600.0
    while now <= until:
        await measured(answers, memory, now=now)
        now += INTERVAL
    return memory


async def test_counts_are_asked_as_raw_samples() -> None:
    answers = degrading()
    await measured(answers, fresh(COUNTS))
    assert answers.asked == ["right\n[300s]", "all\n[300s]"]


@pytest.mark.parametrize("killed", [NOW - 1500.0, NOW - 1170.0, NOW - 1080.0, NOW])
async def test_restart_holds_what_an_uninterrupted_run_holds(killed: float) -> None:
    without = await uninterrupted(killed)
    restarted = await measured(degrading(), fresh(COUNTS), now=killed)
    assert told(restarted, now=killed) == told(without, now=killed)


async def test_restart_from_a_checkpoint_holds_the_same_and_asks_for_less() -> None:
    before = await uninterrupted(NOW - 1170.0)
    item = before.measured["accuracy"]
    kept = checkpoint(item.evidence, item.rule)
    answers = degrading()
    restarted = await measured(answers, fresh(COUNTS, accuracy=kept), now=NOW - 1080.0)
    without = await uninterrupted(NOW - 1080.0)
    assert told(restarted, now=NOW - 1080.0) == told(without, now=NOW - 1080.0)


async def test_guards_of_a_group_share_one_question() -> None:
    answers = degrading()
    grouped = GroupedQueries(answers, lambda: 0.0)
    measurer = Measurer(answers, grouped, answers, lambda kind: None)
    memories = [fresh(COUNTS) for _ in range(20)]
    for memory in memories:
        item = memory.measured["accuracy"]
        item.rule = replace(item.rule, group=LABELS)
        await measurer.measure(memory, Endpoint("http://p:9090"), INTERVAL, NOW, counts=False)
    assert answers.asked == ["right\n[300s]", "all\n[300s]"]


def of_pod(name: str, series: SeriesResult) -> Series:
    """The series of a counter under the name of another pod."""
    assert isinstance(series, tuple)
    return Series((("pod", name),), series[0].samples)


async def test_guard_of_a_group_reads_back_its_own_past_only() -> None:
    bad, good = degrading().counters["right"], counter(1.0, NOW + 900.0)
    total = degrading().counters["all"]
    answers = Answers()
    answers.counters = {
        "right": (of_pod("a", good), of_pod("b", bad)),
        "all": (of_pod("a", total), of_pod("b", total)),
        'right{pod="a"}': (of_pod("a", good),),
        'all{pod="a"}': (of_pod("a", total),),
    }
    memory = fresh(COUNTS)
    item = memory.measured["accuracy"]
    item.rule = replace(item.rule, group=LABELS)
    await measured(answers, memory)
    assert told(memory).metric_class is MetricClass.CLEAR
    assert told(memory).bad == 0.0


async def test_value_of_a_group_reads_back_its_own_past_only() -> None:
    answers = Answers()
    answers.past["accuracy"] = BAD_PAST  # of the only other guard that there was then
    memory = fresh(VALUES[:1])
    item = memory.measured["accuracy"]
    item.rule = replace(item.rule, group=LABELS)
    answers.counters["accuracy"] = (Series(LABELS, (Sample(NOW, 0.9),)),)
    await measured(answers, memory)
    assert told(memory).checks == 1
