"""A revision that was found bad is deployed again: reverted once, then contested, then a person."""

from support.scenario import NAME, Scenario

UNQUARANTINE = "modelrollout.dev/unquarantine"


def annotate(case: Scenario, value: str) -> None:
    case.edit({"metadata": {"annotations": {UNQUARANTINE: value}}}, kind="ModelRollout")


def annotation(case: Scenario) -> str | None:
    annotations = case.rollout()["metadata"].get("annotations") or {}
    value: str | None = annotations.get(UNQUARANTINE)
    return value


def quarantined(case: Scenario) -> None:
    """Bring it so far that v2 is quarantined and v1 serves again."""
    case.stable("v1")
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")


def contested(case: Scenario) -> None:
    """Apply the quarantined v2 until the operator stops reverting it."""
    quarantined(case)
    case.deploy("v2")
    case.wait_for(lambda s: s["lastTransaction"]["kind"] == "Revert", "a revert")
    case.wait_for_reason("Watching")
    assert case.version() == "v1"
    assert len(case.patches(committed=False)) == 2
    case.deploy("v2")
    case.wait_for_reason("Contested")


def test_quarantined_revision_is_reverted_once_and_then_contested(case: Scenario) -> None:
    contested(case)
    case.operator.wait_for_checks(4)
    status = case.status()
    assert case.version() == "v2"
    assert len(case.patches(committed=False)) == 2, "left alone from now on"
    assert case.condition("Contested")["status"] == "True"
    assert status["phase"] == "Failed"
    assert "was reverted once and is deployed again by deployer" in status["message"]
    assert "it takes --force-conflicts once" in status["message"]
    assert f"kubectl annotate modelrollout {NAME} -n {case.namespace}" in status["message"]
    assert f"{UNQUARANTINE}=2" in status["message"]


def test_unquarantine_annotation_accepts_the_revision_and_is_removed(case: Scenario) -> None:
    contested(case)
    case.quality["v2"] = 0.9
    case.publish("v2")
    annotate(case, "2")
    case.wait_for_event("Unquarantined", "quarantine of revision 2")
    case.wait_for_reason("Watching")
    assert annotation(case) is None
    assert case.quarantined() == []
    assert case.version() == "v2"
    assert len(case.patches(committed=False)) == 2
    assert case.condition("Contested")["status"] == "False"


def test_wrong_unquarantine_value_is_answered_with_what_to_write(case: Scenario) -> None:
    quarantined(case)
    annotate(case, "v2")
    note = case.wait_for_event("UnquarantineRefused")
    assert "names 'v2'; write the number of a quarantined revision: 2" in note
    case.wait_for_reason("Watching")
    assert annotation(case) is None
    assert case.quarantined() == [2]
    assert len(case.patches(committed=False)) == 1


def test_bad_revision_applied_again_during_verification_is_reverted(case: Scenario) -> None:
    case.stable("v1", rollback={"verifyFor": "3s"})
    case.deploy("v2")
    case.wait_for_reason("Verifying")
    case.deploy("v2")
    case.wait_for(
        lambda s: (
            s.get("lastTransaction", {}).get("kind") == "Revert"
            and s["lastTransaction"]["outcome"] == "Succeeded"
        ),
        "a revert that succeeds",
    )
    assert case.version() == "v1"
    assert len(case.patches()) == 2
    assert case.quarantined() == [2]


def test_other_revision_is_accepted_after_a_quarantine(case: Scenario) -> None:
    quarantined(case)
    case.deploy("v3")
    case.wait_for(lambda s: s["current"]["revision"] == 3, "revision 3")
    case.wait_for_reason("Watching")
    assert case.version() == "v3"
    assert case.phases() == {1: "Stable", 2: "Quarantined", 3: "Stable"}
    assert len(case.patches(committed=False)) == 1
