"""When nothing is measured: what `onNoData` says, and what a repeated value is worth."""

import time

import pytest

from support.metrics_source import quality
from support.scenario import BAD, GOOD, Json, Scenario


def silent(case: Scenario, action: str) -> Json:
    return {"onNoData": action, "noDataAfter": "3s"}


def test_silence_is_a_breach_only_where_somebody_said_so(case: Scenario) -> None:
    case.quality["v2"] = None
    case.stable("v1", metric=silent(case, "Rollback"))
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"], case.version()) == (2, 1, "v1")
    assert "quality has no data" in last["message"]
    assert "its onNoData is Rollback" in last["message"]
    case.wait_for_event("MetricSilent")
    assert case.quarantined() == [2]


@pytest.mark.parametrize("action", ["Hold", "Notify"])
def test_silence_is_told_and_rolls_nothing_back(case: Scenario, action: str) -> None:
    case.quality["v2"] = None
    operator = case.stable("v1", metric=silent(case, action))
    case.deploy("v2")
    case.wait_for(lambda _: case.condition("MetricsAvailable")["status"] == "False", "silence")
    note = case.wait_for_event("MetricsNoData" if action == "Notify" else "MetricsUnavailable")
    assert "quality has no data" in note
    operator.wait_for_checks(3)
    assert (case.version(), case.patches(committed=False)) == ("v2", [])
    assert case.phases()[2] == "Candidate"
    held = case.status()["reason"] == "MetricsUnavailable"
    assert held == (action == "Hold")


# -- sampleTime ----------------------------------------------------------------------------------


def dated(case: Scenario, **changes: object) -> Json:
    """A gauge with the time at which it was made, as Pushgateway keeps it."""
    made = quality(case.namespace).replace("}", ',of="made"}')
    return {"sampleTime": made, "for": "3s"} | changes


def push(case: Scenario, value: float, age: float = 0.0) -> None:
    case.site.source.publish(case.namespace, time.time() - age, of="made")
    case.site.source.publish(case.namespace, value, of="value")


def pushed(case: Scenario, **changes: object) -> Json:
    value = quality(case.namespace).replace("}", ',of="value"}')
    return dated(case, query=value, **changes)


def test_value_that_is_repeated_is_no_further_evidence(case: Scenario) -> None:
    push(case, GOOD)
    case.deploy("v1")
    case.guard(metric=pushed(case))
    operator = case.start_operator()
    case.wait_for_reason("Baking")
    operator.wait_for_checks(1)
    push(case, GOOD)
    case.wait_for_reason("Watching")
    push(case, BAD)
    case.wait_for_reason("Suspicious")
    operator.wait_for_checks(6)  # twice as long as `for`
    assert (case.status()["reason"], case.patches(committed=False)) == ("Suspicious", [])


def test_value_older_than_max_age_is_no_data(case: Scenario) -> None:
    push(case, GOOD)
    case.deploy("v1")
    case.guard(metric=pushed(case, maxAge="4s", noDataAfter="6s"))
    case.start_operator()
    status = case.wait_for_reason("MetricsUnavailable")
    assert status["metrics"][0]["state"] == "NoData"
    assert "older than maxAge" in status["message"]
    push(case, GOOD)
    case.wait_for(lambda s: s["metrics"][0]["state"] == "Good", "a new value")
