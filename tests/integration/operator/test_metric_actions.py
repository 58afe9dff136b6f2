"""What a breach of a metric leads to: its action, its bounds, its clocks, and what holds it back."""

import re
from typing import Any

import pytest

from support.metrics_source import quality
from support.scenario import BAD, GOOD, NAME, Json, Scenario


def show(case: Scenario, value: float | None) -> None:
    """Change the gauge although nothing is deployed."""
    case.site.source.publish(case.namespace, value)


def edit(case: Scenario, **spec: Any) -> None:
    """Merge fields into the spec of the ModelRollout."""
    case.edit({"spec": spec}, kind="ModelRollout", name=NAME)


def metric(status: Json) -> Json:
    [found] = status["metrics"]
    return dict(found)


def told(case: Scenario, reason: str) -> int:
    """How many Events have this reason."""
    return [why for why, _ in case.events()].count(reason)


def wait_for_rollback_of(case: Scenario, revision: int) -> Json:
    status = case.wait_for(
        lambda status: status.get("lastTransaction", {}).get("from") == revision,
        f"revision {revision} is rolled back",
    )
    return dict(status["lastTransaction"])


# -- bounds and clocks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "good", "bad"),
    [
        ({"min": 0.8}, 0.8, 0.79),
        ({"max": 0.5}, 0.5, 0.51),
        ({"min": 0.2, "max": 0.5}, 0.2, 0.19),
        ({"min": 0.2, "max": 0.5}, 0.5, 0.51),
        ({"min": -2}, -2, -3),
    ],
    ids=["below min", "above max", "below both", "above both", "negative"],
)
def test_first_sample_outside_the_bounds_decides_without_for(
    case: Scenario, bounds: dict[str, float], good: float, bad: float
) -> None:
    case.quality = {"v1": good, "v2": bad}
    case.stable("v1", metrics=[watched(case, **bounds)])
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    assert f"quality is {bad:.4g} (limit " in last["message"]
    assert "outside in 1 sample since" in last["message"]
    assert case.version() == "v1"
    assert len(case.patches(committed=False)) == 1


def watched(case: Scenario, **changes: Any) -> Json:
    """A metric without bounds: they are what the test is about."""
    return {"name": "quality", "query": quality(case.namespace), "for": "0s"} | changes


def test_spike_shorter_than_for_rolls_nothing_back(case: Scenario) -> None:
    case.stable("v1", metric={"for": "5s"})
    show(case, BAD)
    suspicious = case.wait_for_reason("Suspicious")
    show(case, GOOD)
    case.wait_for_reason("Watching")
    case.operator.wait_for_checks(6)
    assert (suspicious["phase"], metric(suspicious)["class"]) == ("Suspect", "Suspect")
    assert metric(case.status())["class"] == "Clear"
    assert case.patches(committed=False) == []


def test_value_that_is_read_again_before_every_is_no_second_sample(case: Scenario) -> None:
    case.stable("v1", metric={"for": "6s", "every": "6s"})
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded", 60)
    [samples] = re.findall(r"outside in all (\d+) samples", last["message"])
    # Six or seven without `every`: one a check.
    assert int(samples) <= 4


# -- actions -------------------------------------------------------------------------------------


def test_notify_tells_each_breach_once_and_rolls_nothing_back(case: Scenario) -> None:
    operator = case.stable("v1", metric={"action": "Notify"})
    case.deploy("v2")
    case.wait_for_event("MetricBreached", "quality is 0.4 (limit >= 0.8)")
    operator.wait_for_checks(4)
    status = case.status()
    assert (status["breached"], metric(status)["class"]) == ("quality", "Breached")
    assert (status["phase"], status["reason"]) == ("Suspect", "Suspicious")
    assert told(case, "MetricBreached") == 1
    show(case, GOOD)
    case.wait_for(lambda status: not status.get("breached"), "the breach is over")
    show(case, BAD)
    case.wait_for(lambda status: status.get("breached"), "the next breach")
    operator.wait_for_checks(2)
    assert told(case, "MetricBreached") == 2
    assert (case.version(), case.patches(committed=False)) == ("v2", [])
    assert case.quarantined() == []


def test_action_none_shows_a_breach_and_nothing_else(case: Scenario) -> None:
    operator = case.stable("v1", metric={"action": "None"})
    case.deploy("v2")
    case.wait_for(
        lambda status: status.get("breached") == "quality" and status["reason"] == "Watching",
        "v2 is Stable in spite of it",
    )
    operator.wait_for_checks(4)
    status = case.status()
    assert (metric(status)["state"], metric(status)["class"]) == ("Bad", "Breached")
    assert status["phase"] == "Healthy"
    assert told(case, "MetricBreached") == 0
    assert (case.version(), case.patches(committed=False)) == ("v2", [])


# -- what holds a rollback back ------------------------------------------------------------------


def test_dry_run_says_what_automatic_then_does(case: Scenario) -> None:
    operator = case.stable("v1", rollback={"mode": "DryRun"})
    case.deploy("v2")
    status = case.wait_for_reason("DryRun")
    would = "Rolling back revision 2 to revision 1: quality is 0.4 (limit >= 0.8)"
    assert f"nothing is written. Without it: {would}" in status["message"]
    case.wait_for_event("DryRun", would)
    operator.wait_for_checks(4)
    assert case.patches(committed=False) == []
    assert case.quarantined() == []
    assert case.status().get("attempts", 0) == 0
    edit(case, rollback={"mode": "Automatic"})
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"]) == (2, 1)
    assert len(case.patches(committed=False)) == 1


@pytest.mark.parametrize(
    ("brake", "reason", "sentence", "released"),
    [
        (
            {"cooldown": "1h"},
            "Cooldown",
            "the cooldown after the last rollback ends at 2",
            {"cooldown": "0s"},
        ),
        (
            {"budget": {"maxRollbacks": 1, "per": "1h"}},
            "BudgetExhausted",
            "the budget of 1 rollback within 1h is used up",
            {"budget": {"maxRollbacks": 5}},
        ),
    ],
    ids=["cooldown", "budget"],
)
def test_brake_holds_the_second_rollback_until_it_is_released(
    case: Scenario, brake: Json, reason: str, sentence: str, released: Json
) -> None:
    case.quality["v3"] = BAD
    operator = case.stable("v1", rollback=brake)
    assert case.condition("BudgetExhausted")["status"] == "False"
    case.deploy("v2")
    wait_for_rollback_of(case, 2)
    case.deploy("v3")
    status = case.wait_for_reason(reason)
    assert status["message"].startswith(sentence)
    assert "Without it: Rolling back revision 3 to revision 1" in status["message"]
    assert case.condition("BudgetExhausted")["status"] == str(reason == "BudgetExhausted")
    operator.wait_for_checks(4)
    assert (case.version(), len(case.patches(committed=False))) == ("v3", 1)
    assert case.quarantined() == [2]
    edit(case, rollback=released)
    assert wait_for_rollback_of(case, 3)["outcome"] == "Succeeded"
    assert case.condition("BudgetExhausted")["status"] == "False"
    assert (case.version(), len(case.patches(committed=False))) == ("v1", 2)


# -- where to ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "target"), [("LastStable", 1), ("Previous", 2)])
def test_rollback_goes_to_the_revision_that_is_asked_for(
    case: Scenario, to: str, target: int
) -> None:
    """Revision 1 is Stable, revision 2 warmed up without a complaint."""
    case.quality |= {"v2": GOOD, "v3": BAD}
    case.stable("v1", rollback={"to": to})
    edit(case, analysis={"bakeTime": "1h"})
    case.deploy("v2")
    case.wait_for(
        lambda status: status["current"]["revision"] == 2 and status["reason"] == "Baking",
        "revision 2 warmed up",
    )
    case.deploy("v3")
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"]) == (3, target)
    assert case.version() == f"v{target}"


def test_unproven_revision_is_a_target_only_where_that_is_allowed(case: Scenario) -> None:
    case.deploy("v1")
    case.guard(analysis={"bakeTime": "1h"}, rollback={"allowUnproven": False})
    operator = case.start_operator()
    case.wait_for_reason("Baking")
    case.deploy("v2")
    status = case.wait_for_reason("NoTarget")
    assert status["phase"] == "Failed"
    assert "there is no revision to go back to, so nothing was changed" in status["message"]
    condition = case.condition("RollbackTargetAvailable")
    assert (condition["status"], condition["reason"]) == ("False", "NoTarget")
    operator.wait_for_checks(4)
    assert case.patches(committed=False) == []
    assert case.quarantined() == []
    edit(case, rollback={"allowUnproven": True})
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"]) == (2, 1)


def test_nothing_is_restored_when_only_an_unlisted_part_changed(case: Scenario) -> None:
    operator = case.stable("v1")
    case.quality["v1"] = BAD
    case.deploy("v1", container={"args": ["--threads=64"]})
    status = case.wait_for_reason("NothingToRestore")
    assert status["phase"] == "Failed"
    assert "what changed is not listed as a component: " in status["message"]
    assert "args" in status["message"]
    operator.wait_for_checks(4)
    assert case.patches(committed=False) == []
    assert case.quarantined() == []


# -- did it help? --------------------------------------------------------------------------------


def test_rollback_that_does_not_help_blames_no_revision_and_latches(case: Scenario) -> None:
    operator = case.stable("v1")
    case.quality |= {"v1": BAD, "v3": BAD}
    case.deploy("v2")
    last = case.wait_for_outcome("StillBreached")
    assert "the quarantine of revision 2 is lifted" in last["message"]
    status = case.wait_for_reason("RollbackDidNotHelp")
    operator.wait_for_checks(4)
    assert status["phase"] == "Failed"
    assert case.quarantined() == []
    assert case.phases() == {1: "Stable", 2: "Superseded"}
    assert (case.version(), len(case.patches(committed=False))) == ("v1", 1)
    # Clear once, and the next breach is acted on again.
    case.quality["v1"] = GOOD
    case.publish("v1")
    status = case.wait_for_reason("Watching")
    assert "failure" not in status
    case.deploy("v3")
    assert wait_for_rollback_of(case, 3)["outcome"] == "Succeeded"
    assert (case.version(), len(case.patches(committed=False))) == ("v1", 2)


def test_rollback_without_data_afterwards_is_unverified_and_stands(case: Scenario) -> None:
    operator = case.stable("v1")
    case.quality["v1"] = None
    case.deploy("v2")
    last = case.wait_for_outcome("Unverified")
    assert "it could not be shown that it helped: quality has no data" in last["message"]
    case.wait_for_event("Unverified")
    operator.wait_for_checks(4)
    assert (case.version(), len(case.patches(committed=False))) == ("v1", 1)
    assert case.quarantined() == [2]
    show(case, GOOD)
    status = case.wait_for(lambda status: metric(status)["state"] == "Good", "it goes on measuring")
    assert status["reason"] == "Watching"
