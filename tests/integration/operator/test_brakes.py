"""What keeps a proven breach from being acted on, and the person who lets it begin."""

import time

from localcluster.waiting import wait_until
from support.person import Person
from support.scenario import BAD, NAME, Scenario

APPROVE = "modelrollout.dev/approve"


def approval(case: Scenario) -> str | None:
    annotations = case.rollout()["metadata"].get("annotations") or {}
    value: str | None = annotations.get(APPROVE)
    return value


def annotate(case: Scenario, value: str) -> None:
    case.site.control_plane.kubectl(
        "annotate", "modelrollout", NAME, "-n", case.namespace, f"{APPROVE}={value}"
    )


def waiting(case: Scenario, **rollback: object) -> str:
    """Bring it so far that the rollback of v2 waits for a person; return its id."""
    case.stable("v1", rollback={"mode": "Manual", **rollback})
    case.deploy("v2")
    status = case.wait_for_reason("AwaitingApproval")
    wanted: str = status["lastDecision"]["transaction"]
    assert f"{APPROVE}={wanted}" in status["message"]
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    return wanted


def test_manual_begins_what_the_command_approves(case: Scenario) -> None:
    wanted = waiting(case)
    person = Person(case)
    assert f"modelrollout approve {NAME} {wanted}" in person.types("explain", NAME)
    assert f"kubectl modelrollout approve {NAME} -n" in person.types("status", NAME)
    assert "nobody can be asked here: write --yes" in person.types("approve", NAME, status=2)
    said = person.types("approve", NAME, "0123456789abcdef", status=2)
    assert f"does not wait, {wanted} does: modelrollout approve {NAME} {wanted}" in said
    assert approval(case) is None

    said = person.types("approve", NAME, wanted)
    assert "goes from revision 2 (model:v2, s3://models/v2) to revision 1" in said
    assert "Why it waits: rollback.mode is Manual" in said
    assert "Succeeded" in said
    assert case.version() == "v1"
    assert case.status()["lastTransaction"]["id"] == wanted
    assert approval(case) is None
    assert len(case.patches(committed=False)) == 1
    assert "nothing waits for approval" in person.types("approve", NAME, status=2)


def test_manual_begins_what_an_annotation_approves(case: Scenario) -> None:
    annotate(case, waiting(case))
    last = case.wait_for_outcome("Succeeded")
    assert "A person approved this" not in last["message"]
    assert case.wait_for_event("MetricBreached", "A person approved this. Rolling back revision 2")
    assert case.version() == "v1"
    assert approval(case) is None
    assert case.quarantined() == [2]


def test_wrong_approval_is_answered_with_what_to_write(case: Scenario) -> None:
    wanted = waiting(case)
    annotate(case, "0123456789abcdef")
    note = case.wait_for_event("ApprovalRefused")
    assert f"write {APPROVE}={wanted}" in note
    case.wait_for_reason("AwaitingApproval")
    assert approval(case) is None
    assert case.patches(committed=False) == []


def test_approval_while_the_operator_is_down_begins_once(case: Scenario) -> None:
    wanted = waiting(case)
    case.operator.kill()
    annotate(case, wanted)
    case.start_operator()
    case.wait_for_outcome("Succeeded")
    assert approval(case) is None
    assert case.status()["attempts"] == 1
    assert len(case.patches()) == 1


def test_manual_applies_to_a_revision_that_is_applied_again(case: Scenario) -> None:
    annotate(case, waiting(case))
    case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    case.deploy("v2")
    status = case.wait_for_reason("AwaitingApproval")
    assert "Reverting revision 2 to revision 1" in status["message"]
    assert "was applied again by deployer" in status["message"]
    annotate(case, status["lastDecision"]["transaction"])
    case.wait_for(lambda s: s["lastTransaction"]["kind"] == "Revert", "a revert")
    assert case.version() == "v1"


def test_revision_outside_of_the_window_is_reported_and_the_switch_rolls_it_back(
    case: Scenario,
) -> None:
    case.stable("v1", rollback={"window": "3s"})
    case.deploy("v3")
    case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
    case.wait_for(lambda s: s["stable"]["revision"] == 2, "revision 2 is Stable")
    serves = time.time()
    wait_until(lambda: time.time() - serves > 4.0, 10, "it has served for longer than the window")
    case.quality = {"v1": BAD, "v3": BAD}
    case.publish("v3")
    status = case.wait_for_reason("OutsideWindow")
    assert "longer than rollback.window (3s): the world has changed" in status["message"]
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    assert case.quarantined() == []
    case.flip("Rollback")
    case.wait_for(lambda s: s.get("lastTransaction", {}).get("kind") == "Switch", "its end")
    assert case.version() == "v1"


def allowed(case: Scenario) -> None:
    """v2 is quarantined, and applied again by a pipeline where that is allowed."""
    case.stable("v1", quarantine={"policy": "Allow"})
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    assert case.quarantined() == [2]


def test_allowed_revision_is_accepted_and_proven(case: Scenario) -> None:
    allowed(case)
    case.quality["v2"] = 0.9
    case.deploy("v2")
    note = case.wait_for_event("QuarantineAllowed")
    assert "was applied again by deployer; quarantine.policy is Allow" in note
    case.wait_for(lambda s: s["stable"]["revision"] == 2, "revision 2 is Stable")
    assert case.version() == "v2"
    assert case.quarantined() == []
    assert len(case.patches(committed=False)) == 1


def test_allowed_revision_that_is_still_bad_is_rolled_back_again(case: Scenario) -> None:
    allowed(case)
    case.deploy("v2")
    case.wait_for_event("QuarantineAllowed")
    case.wait_for(
        lambda s: s["attempts"] == 2 and not s.get("transaction"), "a second rollback that ends"
    )
    assert case.version() == "v1"
    assert case.quarantined() == [2]
    assert case.status()["lastTransaction"]["kind"] == "Rollback"
