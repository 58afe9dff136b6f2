"""What is remembered: pruned to the limit, and read from what was there before the operator."""

from localcluster.waiting import wait_until
from support.scenario import BAD, GOOD, Scenario


def test_pruning_keeps_the_current_and_the_newest_stable_revision(case: Scenario) -> None:
    # A warm-up without end: of what is deployed after v1, nothing becomes Stable.
    case.stable("v1", history={"limit": 2})
    case.edit({"spec": {"analysis": {"bakeTime": "1h"}}}, kind="ModelRollout")
    for number in range(2, 6):
        case.deploy(f"v1{number}")
        case.wait_for(
            lambda s, number=number: s["current"]["revision"] == number, f"revision {number}"
        )
    wait_until(lambda: sorted(case.revisions()), 15, "pruned", until=lambda found: found == [1, 5])
    assert case.phases()[1] == "Stable"
    assert case.status()["stable"]["revision"] == 1
    assert case.patches(committed=False) == []


def test_pruned_history_still_rolls_back(case: Scenario) -> None:
    case.stable("v1", history={"limit": 2})
    for number, version in ((2, "v12"), (3, "v13")):
        case.deploy(version)
        case.wait_for(
            lambda s, number=number: s["current"]["revision"] == number, f"revision {number}"
        )
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    assert last["to"] == 1
    assert case.version() == "v1"
    assert len(case.patches(committed=False)) == 1


def deploy_before_the_operator(case: Scenario, *versions: str) -> None:
    """A history of ReplicaSets that nobody guarded."""
    for number, version in enumerate(versions, start=1):
        case.deploy(version)
        wait_until(
            lambda number=number: len(case.site.kube.items("ReplicaSet", case.namespace)) == number,
            15,
            f"ReplicaSet {number}",
        )


def test_revisions_before_the_operator_are_imported_and_never_stable(case: Scenario) -> None:
    deploy_before_the_operator(case, "v1", "v12", "v3")
    case.guard()
    case.start_operator()
    status = case.wait_for_reason("Watching")
    revisions = case.revisions()
    assert [revisions[number]["spec"].get("imported", False) for number in (1, 2, 3)] == [
        True,
        True,
        False,
    ]
    assert [revisions[number]["spec"]["summary"] for number in (1, 2)] == [
        "model:v1, s3://models/v1",
        "model:v12, s3://models/v12",
    ]
    assert case.phases() == {1: "Superseded", 2: "Superseded", 3: "Stable"}
    assert status["current"]["revision"] == 3


def test_imported_revision_is_the_target_when_nothing_better_exists(case: Scenario) -> None:
    case.quality |= {"v1": BAD, "v12": GOOD, "v2": BAD}
    deploy_before_the_operator(case, "v1", "v12", "v2")
    case.guard()
    case.start_operator()
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"]) == (3, 2), "the newest of the earlier ones"
    assert case.version() == "v12"
    assert len(case.patches(committed=False)) == 1


def test_imported_revision_is_no_target_where_unproven_ones_are_not_allowed(
    case: Scenario,
) -> None:
    deploy_before_the_operator(case, "v1", "v2")
    case.guard(rollback={"allowUnproven": False})
    case.start_operator()
    status = case.wait_for_reason("NoTarget")
    case.operator.wait_for_checks(3)
    assert "there is no revision to go back to, so nothing was changed" in status["message"]
    assert case.condition("RollbackTargetAvailable")["status"] == "False"
    assert case.patches(committed=False) == []
    assert case.quarantined() == []
