"""Replays of made-up histories, with the engine's own code."""

import random
from typing import Any

import pytest

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.backtest.clock import Grid
from model_rollout.backtest.episodes import Episode, Kind
from model_rollout.backtest.history import History
from model_rollout.backtest.replay import Replay, Replayed
from model_rollout.backtest.replicasets import ReplicaSet, Rollouts
from model_rollout.backtest.states import State
from model_rollout.backtest.workload import Workload
from model_rollout.ports.kubernetes import Json
from unit.backtest.made_up import ENDPOINT, MadeUpHistory

DAY = 86_400.0
BEGIN = 1_700_000_010.0
PERIOD = Grid(BEGIN, 30.0, 2_881)
SWITCH = BEGIN + DAY / 2
OLD, NEW = "model-5c8f6bd7d4", "model-6d4f5b7c9d"
ROLLOUTS = Rollouts(
    {
        OLD: ReplicaSet(OLD, BEGIN - DAY, {"server": "model:1"}),
        NEW: ReplicaSet(NEW, SWITCH, {"server": "model:2"}),
    },
    (
        State(BEGIN, OLD, 2, {OLD: 2}, {OLD: 2}),
        State(SWITCH, NEW, 2, {OLD: 2, NEW: 1}, {OLD: 2}),
        State(SWITCH + 60.0, NEW, 2, {NEW: 2}, {NEW: 2}),
    ),
)
COUNTS = {
    "name": "accuracy",
    "counts": {"good": "good_total", "total": "all_total"},
    "min": 0.85,
}
VALUE = {"name": "drift", "query": "psi", "max": 0.2, "for": "15m"}


def rollout(*metrics: Json, **changes: Any) -> Json:
    spec = {
        "targetRef": {"name": "model"},
        "components": [{"name": "image", "image": {"container": "server"}}],
        "metrics": list(metrics),
        "rollback": {"mode": "DryRun"},
        **changes,
    }
    metadata = {
        "name": "model",
        "namespace": "ml",
        "uid": "u",
        "resourceVersion": "1",
        "generation": 1,
    }
    return {"metadata": metadata, "spec": spec}  # fmt: skip


def outcomes(made_up: MadeUpHistory, first: float, second: float, each: int = 10) -> None:
    """Scrape counters of good and of all outcomes; the share of good ones changes with the revision."""
    chance = random.Random(1)
    good, total = [], []
    counted_good = counted = 0
    for number in range(int(DAY / 30.0) + 20):
        time = BEGIN - 300.0 + number * 30.0 + 7.0
        share = first if time < SWITCH else second
        counted += each
        counted_good += sum(chance.random() < share for _ in range(each))
        good.append((time, counted_good))
        total.append((time, counted))
    made_up.scrape("good_total", good)
    made_up.scrape("all_total", total)


async def replayed(
    made_up: MadeUpHistory,
    body: Json,
    *,
    rollouts: Rollouts = ROLLOUTS,
    period: Grid = PERIOD,
    shortcut: bool = True,
) -> Replayed:
    spec = ModelRolloutSpec.model_validate(body["spec"])
    objects = Workload(spec, "ml", None, rollouts).objects(period.begin)
    replay = Replay(body, (), objects, History(made_up, ENDPOINT), period, shortcut=shortcut)
    try:
        return await replay.run(lambda share: None)
    finally:
        replay.close()


def of(found: Replayed, kind: Kind) -> list[Episode]:
    return [episode for episode in found.episodes if episode.sighting.kind is kind]


async def test_a_bad_revision_would_have_been_rolled_back() -> None:
    made_up = MadeUpHistory()
    outcomes(made_up, 0.95, 0.6)
    found = await replayed(made_up, rollout(COUNTS))
    [episode] = of(found, Kind.ROLLBACK)
    assert 0.0 < episode.begin - SWITCH < 900.0
    assert episode.end is None
    assert (episode.sighting.revision, episode.sighting.target) == (2, 1)
    assert episode.sighting.reason == "MetricBreached"
    assert episode.sighting.message.startswith(
        "Rolling back revision 2 to revision 1: accuracy: since"
    )
    assert "limit 15 %" in episode.sighting.message


async def test_revisions_are_told_with_when_they_served() -> None:
    made_up = MadeUpHistory()
    outcomes(made_up, 0.95, 0.6)
    first, second = (await replayed(made_up, rollout(COUNTS))).spells
    assert (first.revision, first.replica_set) == (1, OLD)
    assert first.serving == BEGIN + 30.0  # settled
    assert first.stable == BEGIN + 30.0 + 3600.0
    assert first.end == second.begin == SWITCH + 30.0
    assert (second.revision, second.replica_set, second.stable) == (2, NEW, None)
    assert second.serving == SWITCH + 60.0


async def test_a_healthy_model_with_little_traffic_never_is() -> None:
    made_up = MadeUpHistory()
    outcomes(made_up, 0.92, 0.92, each=2)
    found = await replayed(made_up, rollout(COUNTS))
    assert not of(found, Kind.ROLLBACK)
    [trace] = found.traces
    one, three = trace.plain
    assert len(one.fired) > 100
    assert one.alone > 100
    assert len(three.fired) > 3


async def test_a_value_is_outside_for_long_enough() -> None:
    made_up = MadeUpHistory({"psi": lambda time: {(): 0.5 if time >= SWITCH + 3600.0 else 0.1}})
    found = await replayed(made_up, rollout(VALUE))
    [episode] = of(found, Kind.ROLLBACK)
    assert episode.begin == SWITCH + 3600.0 + 900.0
    [suspect] = of(found, Kind.SUSPECT)
    assert (suspect.begin, suspect.end) == (SWITCH + 3600.0, episode.begin)
    [trace] = found.traces
    assert trace.shares[-1] == 1.0
    assert [len(rule.fired) for rule in trace.plain] == [1, 1]


async def test_a_breach_that_only_notifies_is_told() -> None:
    made_up = MadeUpHistory({"psi": lambda time: {(): 0.5}})
    found = await replayed(made_up, rollout(VALUE | {"action": "Notify"}))
    assert not of(found, Kind.ROLLBACK)
    assert of(found, Kind.NOTIFY)


async def test_silence_is_a_hold_and_a_gap() -> None:
    def psi(time: float) -> dict[Any, float]:
        return {} if SWITCH + 7200.0 <= time < SWITCH + 14_400.0 else {(): 0.1}

    found = await replayed(MadeUpHistory({"psi": psi}), rollout(VALUE))
    [hold] = of(found, Kind.HOLD)
    assert hold.sighting.reason == "MetricsUnavailable"
    assert hold.begin == SWITCH + 7200.0 - 30.0 + 900.0
    assert hold.end == SWITCH + 14_400.0
    [trace] = found.traces
    assert trace.gaps == [(SWITCH + 7200.0 - 30.0, SWITCH + 14_400.0)]


async def test_without_an_earlier_revision_there_is_no_way_back() -> None:
    made_up = MadeUpHistory({"psi": lambda time: {(): 0.5}})
    found = await replayed(made_up, rollout(VALUE), rollouts=Rollouts())
    [hold] = of(found, Kind.HOLD)
    assert hold.sighting.reason == "NoTarget"
    assert [spell.replica_set for spell in found.spells] == ["model-unknown"]


async def test_a_rollout_that_does_not_come_up_would_have_been_taken_back() -> None:
    stuck = Rollouts(ROLLOUTS.replica_sets, ROLLOUTS.states[:2])
    made_up = MadeUpHistory({"psi": lambda time: {(): 0.1}})
    found = await replayed(made_up, rollout(VALUE), rollouts=stuck)
    [episode] = of(found, Kind.ROLLBACK)
    assert episode.sighting.reason == "RolloutFailed"
    assert episode.begin == SWITCH + 30.0 + 1800.0


async def test_at_zero_replicas_nothing_is_judged() -> None:
    asleep = State(SWITCH, OLD, 0, {}, {})
    states = (ROLLOUTS.states[0], asleep, State(SWITCH + 7200.0, OLD, 2, {OLD: 2}, {OLD: 2}))
    made_up = MadeUpHistory({"psi": lambda time: {(): 0.5 if time >= SWITCH else 0.1}})
    slept = Rollouts(ROLLOUTS.replica_sets, states)
    found = await replayed(made_up, rollout(VALUE), rollouts=slept)
    held = [e for e in of(found, Kind.HOLD) if e.sighting.reason == "ScaledToZero"]
    assert [(e.begin, e.end) for e in held] == [(SWITCH, SWITCH + 7200.0)]


def eventful(seed: int) -> MadeUpHistory:
    """Much happens: gaps, breaches, an expression with several series now and then."""
    made_up = MadeUpHistory()
    outcomes(made_up, 0.93, 0.84 - 0.1 * seed, each=4)
    chance = random.Random(seed)
    wild = [chance.random() for _ in range(200)]

    def psi(time: float) -> dict[Any, float]:
        level = wild[int(time // 1200) % 200]
        if level < 0.1:
            return {}
        if level < 0.15:
            return {(("pod", "a"),): 0.1, (("pod", "b"),): 0.1}
        return {(): 0.5 if level > 0.8 else 0.1}

    made_up.expressions["psi"] = psi
    return made_up


@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_what_is_not_written_down_would_have_changed_nothing(seed: int) -> None:
    made_up = eventful(seed)
    body = rollout(COUNTS, VALUE | {"for": "5m"})
    short = await replayed(made_up, body)
    full = await replayed(made_up, body, shortcut=False)
    assert short.episodes == full.episodes
    assert short.spells == full.spells
    assert [trace.shares for trace in short.traces] == [trace.shares for trace in full.traces]
    assert len(short.episodes) > 3


async def test_the_same_history_gives_the_same_result() -> None:
    results = []
    for _ in range(2):
        made_up = eventful(0)
        results.append(await replayed(made_up, rollout(COUNTS, VALUE)))
    assert results[0].episodes == results[1].episodes
    assert results[0].traces[0].shares == results[1].traces[0].shares
