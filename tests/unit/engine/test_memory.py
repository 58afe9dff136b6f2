"""The working memory of one guard: evidence of one serving period never counts for another."""

from dataclasses import replace

import pytest

from model_rollout.analysis.evidence import Rule, report
from model_rollout.analysis.measurement import NoData, QueryResult, Sample, Series, State, Window
from model_rollout.analysis.report import MetricClass
from model_rollout.api.status import CurrentRevision
from model_rollout.engine.memory import Memory
from unit.decision.builders import current, revision, rules_of, spec

NOW = 10_000.0
SERVING = current(revision(1), serving_since=1_000.0)


def rules(**metric: object) -> tuple[Rule, ...]:
    return rules_of(
        spec(metrics=[{"name": "accuracy", "query": "accuracy", "min": 0.85} | metric])
    ).rules


def gathered(on: CurrentRevision | None = SERVING) -> Memory:
    """A memory with one sample."""
    memory = Memory("u1")
    memory.begin_period(on, rules(), NOW, {})
    memory.observe("accuracy", (Sample(NOW, 0.5),), NOW, counts=True)
    return memory


def checks(memory: Memory) -> int:
    measured = memory.measured["accuracy"]
    return report(measured.evidence, measured.rule, NOW).checks


def test_evidence_is_kept_within_a_period() -> None:
    memory = gathered()
    memory.begin_period(SERVING, rules(), NOW + 30.0, {})
    assert checks(memory) == 1


@pytest.mark.parametrize(
    "next_",
    [
        None,
        SERVING.model_copy(update={"serving_since": None}),
        SERVING.model_copy(update={"serving_since": NOW}),
        current(revision(2), serving_since=1_000.0),
    ],
    ids=["nothing recorded", "serves no more", "serves anew", "another revision"],
)
def test_another_period_begins_without_evidence(next_: CurrentRevision | None) -> None:
    memory = gathered()
    memory.begin_period(next_, rules(), NOW, {})
    assert checks(memory) == 0


def test_clocks_that_are_held_begin_no_other_period() -> None:
    memory = gathered()
    memory.begin_period(SERVING.model_copy(update={"held_since": NOW}), rules(), NOW, {})
    assert checks(memory) == 1


def test_samples_are_discarded_until_the_warm_up_is_over() -> None:
    memory = Memory("u1")
    memory.begin_period(SERVING, rules(query="rate(x[1h])"), NOW, {})
    assert memory.measured["accuracy"].evidence.start == 1_000.0 + 3600.0


def test_nothing_counts_before_it_serves() -> None:
    memory = gathered(SERVING.model_copy(update={"serving_since": None}))
    assert memory.measured["accuracy"].evidence.start is None
    assert checks(memory) == 0


def test_edited_metric_starts_anew_from_now() -> None:
    memory = gathered()
    memory.begin_period(SERVING, rules(min=0.7), NOW + 60.0, {})
    assert checks(memory) == 0
    assert memory.measured["accuracy"].evidence.start == NOW + 60.0


def test_added_metric_takes_what_is_known_of_the_period() -> None:
    memory = gathered()
    two = (*rules(), *rules(name="latency"))
    memory.begin_period(SERVING, two, NOW + 60.0, {})
    assert checks(memory) == 1
    assert memory.measured["latency"].evidence.start == 1_000.0 + 120.0


def test_removed_metric_is_forgotten() -> None:
    memory = gathered()
    memory.begin_period(SERVING, rules(name="latency"), NOW, {})
    assert list(memory.measured) == ["latency"]


@pytest.mark.parametrize(
    ("answer", "state"), [(Sample(NOW + 30.0, 0.5), State.BAD), (NoData("empty"), State.NO_DATA)]
)
def test_measurement_that_does_not_count_is_shown(answer: QueryResult, state: State) -> None:
    memory = gathered()
    before = memory.measured["accuracy"].evidence
    memory.observe("accuracy", (answer,), NOW + 30.0, counts=False)
    after = memory.measured["accuracy"].evidence
    assert after.state is state
    assert (after.start, after.streak, after.checks) == (before.start, before.streak, 1)


COUNTED = {"query": None, "counts": {"bad": "wrong", "total": "all"}, "min": None, "max": 0.15}


def counted(times: int) -> tuple[Window, Window]:
    """Ten answers every 15 s, of which four are wrong."""
    samples = [1_100.0 + 15.0 * n for n in range(times)]
    series = [
        Series((("pod", "a"),), tuple(Sample(t, each * n) for n, t in enumerate(samples)))
        for each in (4.0, 10.0)
    ]
    return Window(1_000.0, samples[-1], (series[0],)), Window(1_000.0, samples[-1], (series[1],))


def test_edit_of_how_rare_a_false_rollback_is_keeps_the_evidence_and_judges_it_anew() -> None:
    memory, first = Memory("u1"), rules(**COUNTED)
    memory.begin_period(SERVING, first, 1_100.0, {})
    for times in range(1, 22):
        memory.observe("accuracy", counted(times), 1_085.0 + 15.0 * times, counts=True)
    before = report(memory.measured["accuracy"].evidence, first[0], 1_400.0)
    strict = replace(first[0], design=replace(first[0].design, metrics=1_000_000))
    memory.begin_period(SERVING, (strict,), 1_400.0, {})
    after = report(memory.measured["accuracy"].evidence, strict, 1_400.0)
    assert (before.total, before.metric_class) == (after.total, MetricClass.BREACHED)
    assert after.metric_class is MetricClass.SUSPECT
