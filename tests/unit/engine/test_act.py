"""The one write to a workload, and everything that can keep it from being made."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from model_rollout.engine.persist import NotLeading
from model_rollout.ports.kubernetes import (
    Conflict,
    Forbidden,
    Rejected,
    TestFailed,
    Unavailable,
)
from unit.engine.fakes import KEY, TARGET, Engine


@pytest.fixture
async def engine() -> Engine:
    """Revision 1 is Stable; a bad revision 2 is Suspect, and breached at the next check."""
    engine = Engine()
    await engine.checks(20)
    assert engine.status["stable"]["revision"] == 1
    engine.deploy("bad:2")
    engine.prometheus.answer = 0.5
    for _ in range(20):
        await engine.check()
        if engine.status["phase"] == "Suspect":
            break
    await engine.check()
    assert engine.status["attempts"] == 0
    engine.cluster.calls.clear()
    return engine


async def test_rollback(engine: Engine) -> None:
    await engine.check()
    assert engine.image == "good:1"
    assert engine.status["attempts"] == 1
    assert engine.cluster.writes.count("write") == 1


async def test_intent_is_written_first_and_the_switch_is_read_directly_before_the_patch(
    engine: Engine,
) -> None:
    await engine.check()
    calls = engine.cluster.calls
    patch = calls.index("write")
    assert "write_rollout_status" in calls[:patch]
    assert calls[patch - 1] == "rollout"


@pytest.mark.parametrize(
    "value", ["Pause", "pause", "StopServing", "", None, 1], ids=lambda value: repr(value)
)
async def test_switch_that_was_flipped_meanwhile_stops_the_patch(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    """The watch has not brought it; the read directly before the write does."""
    read = engine.cluster.rollout

    async def flipped(key: Any) -> Any:
        if engine.cluster.rollouts_[KEY]["spec"].get("killSwitch", "None") != value:
            engine.edit_rollout(killSwitch=value)
        return await read(key)

    monkeypatch.setattr(engine.cluster, "rollout", flipped)
    await engine.check()
    assert "write" not in engine.cluster.calls
    assert engine.image == "bad:2"


async def test_transaction_that_was_stopped_says_so_and_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = engine.cluster.rollout

    async def flipped(key: Any) -> Any:
        engine.edit_rollout(killSwitch="Pause")
        return await read(key)

    with monkeypatch.context() as patched:
        patched.setattr(engine.cluster, "rollout", flipped)
        await engine.check()
    assert engine.status["phase"] == "Paused"
    assert engine.status["transaction"]["interrupted"]
    engine.edit_rollout(killSwitch="None")
    await engine.check()
    assert engine.image == "good:1"
    assert engine.status["attempts"] == 1


async def test_switch_that_cannot_be_read_stops_the_patch(engine: Engine) -> None:
    engine.cluster.fail["rollout"] = [Unavailable("503")]
    await engine.check()
    assert engine.counted.ended[-1] == "Unavailable"
    assert "write" not in engine.cluster.calls


async def test_lost_lease_stops_the_patch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    read = engine.cluster.rollout

    async def lost(key: Any) -> Any:
        engine.leading = False
        return await read(key)

    monkeypatch.setattr(engine.cluster, "rollout", lost)
    with pytest.raises(NotLeading):
        await engine.check()
    assert "write" not in engine.cluster.calls


async def test_rollout_that_was_deleted_meanwhile_stops_the_patch(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(key: Any) -> None:
        return None

    monkeypatch.setattr(engine.cluster, "rollout", gone)
    assert await engine.check() < 0.0
    assert engine.store.rollout(KEY) is None
    assert "write" not in engine.cluster.calls


async def test_rollout_that_was_recreated_meanwhile_stops_the_patch(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def recreated(key: Any) -> Any:
        body = copy.deepcopy(engine.cluster.rollouts_[KEY])
        body["metadata"]["uid"] = "another"
        return body

    monkeypatch.setattr(engine.cluster, "rollout", recreated)
    await engine.check()
    assert "write" not in engine.cluster.calls


def before_the_patch(engine: Engine, do: Callable[[], None]) -> None:
    """Something happens between the decision and the write; the watch has not said so."""
    write = engine.cluster.write

    async def late(sent: Any, *, dry_run: bool = False) -> Any:
        if not dry_run:
            engine.cluster.write = write  # type: ignore[method-assign]
            do()
        return await write(sent, dry_run=dry_run)

    engine.cluster.write = late  # type: ignore[method-assign]


async def test_human_who_edits_the_same_field_wins(engine: Engine) -> None:
    before_the_patch(engine, lambda: engine.deploy("theirs:3", seen=False))
    await engine.check()
    assert engine.image == "theirs:3"
    assert engine.status["lastTransaction"]["outcome"] == "ConcurrentEdit"
    assert engine.cluster.writes.count("write") == 1


async def test_edit_of_another_field_is_kept(engine: Engine) -> None:
    def scale() -> None:
        body = copy.deepcopy(engine.cluster.deployments[TARGET])
        body["spec"]["replicas"] = 7
        engine.cluster.deployments[TARGET] = engine.cluster.changed(body)

    before_the_patch(engine, scale)
    await engine.check()
    assert engine.image == "good:1"
    assert engine.cluster.deployments[TARGET]["spec"]["replicas"] == 7


async def test_patch_whose_answer_was_lost_is_not_made_twice(engine: Engine) -> None:
    write = engine.cluster.write

    async def lost(sent: Any, *, dry_run: bool = False) -> Any:
        body = await write(sent, dry_run=dry_run)
        if dry_run:
            return body
        engine.cluster.write = write  # type: ignore[method-assign]
        raise Unavailable("connection reset")

    engine.cluster.write = lost  # type: ignore[method-assign]
    await engine.check()
    await engine.check()
    assert engine.image == "good:1"
    assert engine.cluster.writes.count("write") == 1
    assert engine.status["transaction"]["stage"] == "Verifying"


async def test_workload_that_is_gone_is_told(engine: Engine) -> None:
    del engine.cluster.deployments[TARGET]
    await engine.check()
    assert engine.status["reason"] == "WorkloadMissing"


@pytest.mark.parametrize(
    "error",
    [Rejected("denied by a policy"), Forbidden("no right to patch"), TestFailed("422")],
    ids=lambda error: type(error).__name__,
)
async def test_patch_that_will_never_work_ends_the_transaction(
    engine: Engine, error: Exception
) -> None:
    """Also a `test` that fails although nothing changed: else it would be tried for ever."""
    engine.cluster.fail["write"] = [error]
    await engine.check()
    assert engine.status["lastTransaction"]["outcome"] == "Refused"
    assert engine.status["quarantine"] == []
    assert engine.cluster.writes.count("write") == 1
    await engine.check()
    assert engine.status["reason"] == "Cooldown"


async def test_conflict_is_tried_again(engine: Engine) -> None:
    engine.cluster.fail["write"] = [Conflict("409")]
    await engine.check()
    assert engine.image == "good:1"
    assert engine.status["attempts"] == 1


async def test_refusal_of_one_transaction_is_not_held_against_the_next(engine: Engine) -> None:
    engine.cluster.fail["write"] = [Rejected("denied")]
    await engine.checks(8)
    assert engine.image == "good:1"
    assert engine.status["attempts"] == 2
