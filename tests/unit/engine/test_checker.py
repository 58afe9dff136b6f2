"""One check: what it asks, what it returns, and that a defect in one guard stays there."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollout.engine import checker as module
from model_rollout.ports.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    Key,
    TestFailed,
    Unavailable,
)
from unit.engine.fakes import KEY, Engine, rollout_body

OTHER = Key("ml", "other")


@pytest.fixture
def engine() -> Engine:
    """A guard that was never checked."""
    return Engine()


async def test_check_is_due_again_after_the_interval(engine: Engine) -> None:
    assert await engine.check() == pytest.approx(10.0)


async def test_change_is_due_when_it_settles(engine: Engine) -> None:
    await engine.checks(3)
    engine.deploy("m:2")
    assert await engine.check(3.0) == pytest.approx(10.0, abs=0.1)
    assert await engine.check(9.0) == pytest.approx(6.0, abs=0.1)


async def test_guard_that_is_gone_is_never_due(engine: Engine) -> None:
    assert await engine.checker.check(OTHER) < 0.0


async def test_check_in_between_does_not_stretch_the_pace_of_measuring(engine: Engine) -> None:
    await engine.checks(3)
    asked = len(engine.prometheus.asked)
    assert await engine.check(4.0) == pytest.approx(6.0)
    assert len(engine.prometheus.asked) == asked
    await engine.check(6.0)
    assert len(engine.prometheus.asked) == asked + 1


async def test_time_that_a_check_takes_does_not_stretch_it_either(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.checks(3)
    query = engine.prometheus.query

    async def slow(url: str, promql: str) -> Any:
        engine.clock.now += 4.0
        return await query(url, promql)

    monkeypatch.setattr(engine.prometheus, "query", slow)
    assert await engine.check() == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("errors", "delays"),
    [
        ([Conflict()] * 5, [0.05, 0.05, 0.05, 16.0, 30.0]),
        ([TestFailed()] * 3, [0.05, 0.05, 0.05]),
        ([Unavailable("503")] * 6, [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]),
        ([Unavailable("429", 7.0)] * 2, [7.0, 7.0]),
        ([Forbidden("403")] * 2, [2.0, 4.0]),
    ],
    ids=["somebody is always faster", "a test", "unavailable", "Retry-After", "forbidden"],
)
async def test_backoff(engine: Engine, errors: list[ApiError], delays: list[float]) -> None:
    engine.cluster.fail["revisions"] = list(errors)
    assert [await engine.check() for _ in errors] == delays


async def test_backoff_begins_anew_after_a_check_that_worked(engine: Engine) -> None:
    engine.cluster.fail["replica_sets"] = [Unavailable("503"), Unavailable("503")]
    assert [await engine.check(), await engine.check()] == [2.0, 4.0]
    await engine.checks(2)
    engine.deploy("m:2")
    engine.cluster.fail["replica_sets"] = [Unavailable("503")] * 9
    await engine.check()
    assert await engine.check(20.0) in (2.0, 4.0)


async def test_retry_after_zero_is_no_busy_loop(engine: Engine) -> None:
    engine.cluster.fail["revisions"] = [Unavailable("429", 0.0)]
    assert await engine.check() > 0.0


async def test_defect_of_one_guard_stays_there(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decide = module.decide

    def broken(facts: Any) -> Any:
        if facts.ref.name == KEY.name:
            raise RuntimeError("a defect")
        return decide(facts)

    monkeypatch.setattr(module, "decide", broken)
    other = engine.cluster.changed(rollout_body("other", targetRef={"name": "nothing"}))
    engine.cluster.rollouts_[OTHER] = other
    assert await engine.check() == 30.0
    assert await engine.checker.check(OTHER) == pytest.approx(10.0)
    assert engine.counted.ended == ["Defect", "ok"]
    assert "a defect" in caplog.text
    assert engine.cluster.rollouts_[OTHER]["status"]["reason"] == "WorkloadMissing"


async def test_malformed_object_is_left_alone(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.edit_rollout(metrics=[{"name": "accuracy", "query": "x", "for": "five minutes"}])
    assert await engine.check() == 30.0
    assert (engine.counted.ended, engine.cluster.writes) == (["Malformed"], [])
    assert "five minutes" not in caplog.text


async def test_decisions_are_counted(engine: Engine) -> None:
    await engine.checks(3)
    assert engine.counted.decisions == [
        "Settling",
        "Settling",
        "NewRevision",
        "Serves",
        "WarmingUp",
    ]


async def test_decision_that_never_comes_to_an_end_goes_on_at_the_next_check(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = module.decide
    monkeypatch.setattr(module, "decide", lambda facts: replace(decide(facts), again=True))
    assert await engine.check() == 1.0
    assert len(engine.counted.decisions) == 12


async def test_recreated_rollout_begins_without_a_memory(engine: Engine) -> None:
    await engine.checks(3)
    listed = engine.cluster.calls.count("revisions")
    engine.cluster.revisions_.clear()
    engine.cluster.rollouts_[KEY] = engine.cluster.changed(
        rollout_body(metadata={"uid": "another", "creationTimestamp": "2026-01-01T11:00:00Z"})
    )
    await engine.checks(3)
    assert engine.cluster.calls.count("revisions") == listed + 1
    (owner,) = next(iter(engine.cluster.revisions_.values()))["metadata"]["ownerReferences"]
    assert owner["uid"] == "another"


async def test_error_is_logged_without_noise_where_somebody_was_faster(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.cluster.fail["revisions"] = [Conflict("409"), Unavailable("503")]
    await engine.checks(2)
    levels = [r.levelname for r in caplog.records if r.message == "check not finished"]
    assert levels == ["WARNING"]  # the conflict is below the level that is captured
