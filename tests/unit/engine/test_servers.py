"""Components that servers hold: read at each check, restored with the others, never guessed."""

from typing import Any

import pytest

from model_rollout.ports.http import BadAnswer, ConcurrentChange, Unreachable
from unit.decision.builders import SPEC
from unit.engine.fakes import Engine

INDEX = {"name": "index", "http": {"url": "http://kb/alias"}}


@pytest.fixture
async def engine() -> Engine:
    """An engine whose first index is Stable; the next one is bad."""
    made = Engine(components=[*SPEC["components"], INDEX])
    await made.checks(20)
    assert made.status["reason"] == "Watching"
    return made


async def turn_bad(engine: Engine, checks: int = 10) -> None:
    engine.http.value = "docs-2"
    engine.prometheus.answer = 0.1
    for _ in range(checks):
        await engine.check()
        if engine.http.value == "docs-1":
            engine.prometheus.answer = 0.95


async def test_bad_index_is_put_back_and_the_workload_left_alone(engine: Engine) -> None:
    await turn_bad(engine, 20)
    assert engine.http.written == ["docs-1"]
    assert "write" not in engine.cluster.calls
    assert engine.status["lastTransaction"]["outcome"] == "Succeeded"


@pytest.mark.parametrize("error", [Unreachable("no answer"), BadAnswer("no JSON")])
async def test_server_that_does_not_answer_is_a_hold(engine: Engine, error: Exception) -> None:
    engine.http.fail = [error]
    await engine.check()
    assert engine.status["reason"] == "ComponentUnreadable"
    assert "http://kb/alias" in engine.status["message"]
    await engine.check()
    assert engine.status["reason"] == "Watching"
    assert engine.status["current"]["revision"] == 1


async def test_server_that_falls_silent_in_verification_does_not_end_it(engine: Engine) -> None:
    engine.http.value, engine.prometheus.answer = "docs-2", 0.1
    while engine.status.get("transaction", {}).get("stage") != "Verifying":
        await engine.check()
    engine.http.fail = [Unreachable("no answer")]
    await engine.check()
    assert engine.status["reason"] == "ComponentUnreadable"
    assert engine.status["transaction"]["stage"] == "Verifying"


async def test_value_that_cannot_be_set_is_found_before_anything_is_written(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(endpoint: Any, value: str) -> None:
        raise BadAnswer("HTTP 404")

    monkeypatch.setattr(engine.http, "check", gone)
    await turn_bad(engine)
    assert engine.http.written == []
    assert engine.status["lastTransaction"]["outcome"] == "Refused"
    assert "http://kb/alias: HTTP 404" in engine.status["lastTransaction"]["message"]


async def test_value_that_somebody_changed_meanwhile_is_read_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed(*_: Any) -> None:
        engine.http.value = "docs-3"
        raise ConcurrentChange("409")

    monkeypatch.setattr(engine.http, "write", changed)
    await turn_bad(engine)
    assert engine.http.value == "docs-3"
    assert engine.status["lastTransaction"]["outcome"] == "ConcurrentEdit"
