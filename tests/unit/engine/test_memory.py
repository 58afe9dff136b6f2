"""The working memory of one guard: evidence of one serving period never counts for another."""

import pytest

from model_rollout.analysis.evidence import Rule, report
from model_rollout.analysis.measurement import NoData, QueryResult, Sample, State
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
