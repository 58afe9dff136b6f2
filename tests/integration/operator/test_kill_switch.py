"""The kill switch: obeyed between any two writes, and every flip is told."""

from typing import Any

import pytest

from localcluster.waiting import wait_until
from support.faults import Match, Reply, Request, intent, reading, refusal, writing
from support.scenario import Scenario

PATCH = writing("deployments", "PATCH")


def flip_after(case: Scenario, match: Match, switch: str) -> None:
    """Have a person flip the switch after a write of the operator, before it goes on."""

    def act(_: Request) -> None:
        case.flip(switch)

    case.proxy.after(match, act)


def condemning(request: Request) -> bool:
    """Match the write that marks the ModelRevision that is left as quarantined."""
    return (
        writing("modelrevisions/status")(request)
        and request.json["status"].get("phase") == "Quarantined"
    )


@pytest.mark.parametrize("write", [intent, condemning], ids=["intent", "quarantine"])
def test_pause_between_the_intent_and_the_patch_stops_the_rollback(
    case: Scenario, write: Match
) -> None:
    case.stable("v1")
    flip_after(case, write, "Pause")
    case.deploy("v2")
    status = case.wait_for(
        lambda s: s.get("transaction", {}).get("interrupted"), "an interrupted transaction"
    )
    case.operator.wait_for_checks(3)
    assert (status["phase"], status["reason"]) == ("Paused", "Paused")
    assert "Without it: Rolling back revision 2 to revision 1" in status["message"]
    assert case.condition("KillSwitchEngaged")["reason"] == "Pause"
    assert case.patches(committed=False) == []
    assert case.version() == "v2"

    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"
    assert len(case.patches(committed=False)) == 1
    assert case.status()["attempts"] == 1


def test_pause_that_no_watch_has_brought_yet_stops_the_patch(case: Scenario) -> None:
    """The switch is read from the API server directly before the patch, not from a cache."""
    case.stable("v1")

    def act(_: Request) -> None:
        case.flip("Pause")

    read = case.proxy.before(reading("modelrollouts"), act)
    case.deploy("v2")
    case.wait_for(lambda s: s.get("transaction", {}).get("interrupted"), "an interruption")
    assert read.hits == 1
    assert case.patches(committed=False) == []
    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert len(case.patches(committed=False)) == 1


def test_pause_after_the_patch_keeps_measuring_and_writes_nothing_more(case: Scenario) -> None:
    case.stable("v1")
    flip_after(case, PATCH, "Pause")
    case.deploy("v2")
    case.wait_for(lambda s: s.get("phase") == "Paused", "phase Paused")
    case.operator.wait_for_checks(2)
    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert len(case.patches(committed=False)) == 1
    assert case.status()["attempts"] == 1


def test_pause_with_a_breach_says_what_would_have_been_done(case: Scenario) -> None:
    case.stable("v1")
    case.flip("Pause")
    case.wait_for(lambda s: s.get("phase") == "Paused", "phase Paused")
    case.deploy("v2")
    status = case.wait_for_reason("Paused")
    case.operator.wait_for_checks(3)
    assert "Without it: Rolling back revision 2 to revision 1: quality is 0.4" in status["message"]
    assert not status.get("transaction")
    assert case.quarantined() == []
    assert case.patches(committed=False) == []

    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert len(case.patches(committed=False)) == 1


def test_rollback_goes_back_without_a_breach_and_none_writes_nothing(case: Scenario) -> None:
    case.stable("v1")
    case.deploy("v3")
    case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
    case.wait_for_reason("Watching")
    case.flip("Rollback")
    last = case.wait_for_outcome("Succeeded")
    status = case.wait_for_reason("SwitchedBack")
    assert (last["kind"], last["from"], last["to"]) == ("Switch", 2, 1)
    assert case.version() == "v1"
    assert case.quarantined() == [2]

    case.flip("None")
    case.wait_for_reason("Watching")
    case.operator.wait_for_checks(3)
    assert case.version() == "v1"
    assert case.status()["attempts"] == status["attempts"] == 1
    assert len(case.patches(committed=False)) == 1


def test_rollback_to_a_revision_that_is_missing_writes_nothing(case: Scenario) -> None:
    case.stable("v1")
    case.deploy("v3")
    case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
    case.wait_for_reason("Watching")
    wish = {"spec": {"killSwitch": "Rollback", "rollback": {"toRevision": 99}}}
    case.edit(wish, kind="ModelRollout")
    status = case.wait_for_reason("NoTarget")
    case.operator.wait_for_checks(3)
    assert "revision 99 is missing" in status["message"]
    assert "Write in rollback.toRevision one of: 1" in status["message"]
    assert case.patches(committed=False) == []
    assert case.quarantined() == []
    assert case.status().get("attempts", 0) == 0

    case.edit({"spec": {"rollback": {"toRevision": 1}}}, kind="ModelRollout")
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"


def test_rollback_without_any_other_revision_writes_nothing(case: Scenario) -> None:
    case.stable("v1")
    case.flip("Rollback")
    case.wait_for_reason("NoTarget")
    case.operator.wait_for_checks(3)
    assert case.condition("RollbackTargetAvailable")["status"] == "False"
    assert case.patches(committed=False) == []
    assert case.quarantined() == []


def test_every_flip_is_an_event(case: Scenario) -> None:
    case.stable("v1")
    for before, after in (("None", "Pause"), ("Pause", "Rollback"), ("Rollback", "None")):
        case.flip(after)
        case.wait_for_event("SwitchFlipped", f"from {before} to {after}")
    assert case.status()["killSwitch"]["value"] == "None"
    assert case.patches(committed=False) == []


def test_flips_in_quick_succession_are_an_event_each(case: Scenario) -> None:
    case.stable("v1")

    def notes_a_flip(request: Request) -> bool:
        written = writing("modelrollouts/status")(request)
        return written and request.json["status"]["reason"] == "SwitchFlipped"

    def act(_: Request) -> None:
        case.flip("None")

    case.proxy.after(notes_a_flip, act)
    case.flip("Pause")
    case.wait_for_event("SwitchFlipped", "from None to Pause")
    case.wait_for_event("SwitchFlipped", "from Pause to None")


def malformed(case: Scenario) -> Reply:
    """The object as it would be read if somebody had loosened the schema."""
    body = case.rollout()
    body["spec"]["killSwitch"] = "Stopp"
    return Reply(200, body)


@pytest.mark.parametrize("kind", ["malformed", "unreadable"])
def test_switch_that_cannot_be_read_counts_as_pause(case: Scenario, kind: str) -> None:
    case.stable("v1")

    def act(_: Request) -> Reply:
        return malformed(case) if kind == "malformed" else refusal(503, "ServiceUnavailable")

    fault = case.proxy.before(reading("modelrollouts"), act, times=-1)
    case.deploy("v2")
    wait_until(lambda: fault.hits >= 3, 30, "the switch is read several times")
    assert case.patches(committed=False) == []
    assert case.version() == "v2"

    case.proxy.clear()
    case.wait_for_outcome("Succeeded")
    assert len(case.patches(committed=False)) == 1
    assert case.status()["attempts"] == 1


def test_switch_flipped_while_no_operator_runs_is_obeyed_first(case: Scenario) -> None:
    operator = case.stable("v1")

    def die(_: Request) -> Any:
        operator.kill()

    case.proxy.after(intent, die)
    case.deploy("v2")
    wait_until(lambda: not operator.is_running, 30, "the operator dies after the intent")
    case.flip("Pause")
    case.start_operator()
    case.wait_for(lambda s: s["transaction"].get("interrupted"), "an interrupted transaction")
    case.operator.wait_for_checks(2)
    assert case.patches(committed=False) == []
    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert len(case.patches(committed=False)) == 1
