"""What the engine remembers of all models for the fleet brake."""

from typing import Any

import pytest

from model_rollout.api.types import time_text
from model_rollout.decision.decide import decide
from model_rollout.decision.fleet import FleetLimits
from model_rollout.engine.fleet import Fleet
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Key
from unit.decision.builders import NOW, bad, facts
from unit.engine.fakes import KEY, Engine, rollout_body

BEGUN, CALM = decide(facts(reports=(bad(),))), decide(facts())
KEYS = [Key(f"team-{n % 3}", f"model-{n}") for n in range(6)]


def body(key: Key, **status: Any) -> Any:
    """A ModelRollout of a team."""
    found = rollout_body(key.name, metadata={"namespace": key.namespace, "uid": str(key)})
    return found | {"status": status}


def fleet(limits: FleetLimits | None = None, **status: Any) -> Fleet:
    """Six models of three teams."""
    store = Store()
    for key in KEYS:
        store.put_rollout(body(key, **status))
    return Fleet(store, limits or FleetLimits())


def test_fifth_of_six_is_held() -> None:
    found = fleet()
    for index, key in enumerate(KEYS):
        assert bool(found.brake(key, NOW)) is (index >= 4)
        found.note(key, BEGUN, NOW)
    assert found.state(NOW) == (6, True)
    assert "6 of 6 models in 3 namespaces" in found.brake(KEYS[0], NOW)


def test_same_model_counts_once() -> None:
    found = fleet()
    for _ in range(9):
        found.note(KEYS[0], BEGUN, NOW)
    assert found.state(NOW) == (1, False)
    assert found.brake(KEYS[0], NOW) == ""


def test_calm_models_do_not_count() -> None:
    found = fleet()
    for key in KEYS:
        found.note(key, CALM, NOW)
    assert found.state(NOW) == (0, False)


def test_it_thaws_when_the_window_has_passed_with_fewer() -> None:
    found = fleet()
    for key in KEYS:
        found.note(key, BEGUN, NOW)
    found.note(KEYS[0], BEGUN, NOW + 500.0)
    assert found.brake(KEYS[0], NOW + 599.0) != ""
    assert found.brake(KEYS[0], NOW + 600.0) == ""
    assert found.state(NOW + 600.0) == (1, False)


def test_window_of_zero_turns_it_off() -> None:
    found = fleet(FleetLimits(window=0.0))
    for key in KEYS:
        found.note(key, BEGUN, NOW)
        assert found.brake(key, NOW) == ""


def test_deleted_one_does_not_count() -> None:
    found = fleet()
    for key in KEYS:
        found.note(key, BEGUN, NOW)
    found.forget(KEYS[0])
    found.forget(KEYS[1])
    assert found.state(NOW) == (4, False)


HELD = {"action": "Hold", "reason": "FleetFrozen", "transaction": "a1"}


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ({"rollbacks": [time_text(NOW - 700.0), time_text(NOW - 60.0)]}, 6),
        ({"rollbacks": [time_text(NOW - 601.0)]}, 0),
        ({"rollbacks": ["yesterday"]}, 0),
        ({"reason": "FleetFrozen", "lastDecision": HELD}, 6),
        ({"reason": "Watching", "lastDecision": HELD}, 0),
        (
            {
                "reason": "RollbackDidNotHelp",
                "failure": {"reason": "StillBreached"},
                "lastDecision": {"action": "Hold", "reason": "RollbackDidNotHelp"},
            },
            6,
        ),
        ({}, 0),
    ],
    ids=["rolled back", "long ago", "malformed", "held", "not held any more", "latched", "new"],
)
def test_restart_counts_what_the_statuses_say(status: dict[str, Any], counted: int) -> None:
    found = fleet(**status)
    found.seed(NOW)
    assert found.state(NOW) == (counted, counted == 6)


async def test_checks_obey_it_and_say_so() -> None:
    engine = Engine()
    for key in KEYS[:4]:
        engine.store.put_rollout(body(key))
    await engine.checks(20)
    for key in KEYS[:4]:
        engine.fleet.note(key, BEGUN, engine.clock.wall() + 100.0)
    engine.deploy("m:2")
    engine.prometheus.answer = 0.5
    await engine.checks(10)
    assert (engine.status["reason"], engine.image) == ("FleetFrozen", "m:2")
    assert engine.counted.frozen
    assert "FleetFrozen" in [event["reason"] for event in engine.cluster.events]
    engine.checker.forget(KEYS[0])
    await engine.check()
    assert engine.status["transaction"]["to"] == 1
    assert KEY.name == "sentiment"
