"""Others write while the operator rolls back: their edits are kept, and where they clash they win."""

from typing import Any

from support.faults import Broken, intent, refusal, writing
from support.scenario import NAME, Scenario

PATCH = writing("deployments", "PATCH")


def before_the_patch(case: Scenario, do: Any) -> None:
    """Have somebody else write at the last moment: after every read of the operator."""

    def act(_: object) -> None:
        do()

    case.proxy.before(PATCH, act)


def patch_codes(case: Scenario) -> list[int]:
    return [write.status for write in case.patches(committed=False)]


def test_edit_of_replicas_during_a_rollback_is_kept(case: Scenario) -> None:
    case.stable("v1")
    before_the_patch(case, lambda: case.edit({"spec": {"replicas": 2}}))
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    assert case.workload()["spec"]["replicas"] == 2
    assert case.version() == "v1"
    assert patch_codes(case) == [200]


def test_edit_of_the_observed_template_during_a_rollback_is_kept(case: Scenario) -> None:
    case.stable("v1")
    labels = {"template": {"metadata": {"labels": {"team": "vision"}}}}
    before_the_patch(case, lambda: case.edit({"spec": labels}))
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    assert case.workload()["spec"]["template"]["metadata"]["labels"]["team"] == "vision"
    assert case.version() == "v1"
    assert patch_codes(case) == [200]
    status, revisions = case.status(), case.revisions()
    current = revisions[status["current"]["revision"]]
    # The same components over another rest: a revision of its own, and it is what is deployed.
    assert current["spec"]["digest"] == status["current"]["digest"]
    assert current["spec"]["restoredFrom"] == 1


def test_edit_that_moves_the_place_of_a_component_is_found_again(case: Scenario) -> None:
    """The `test` of the patch fails, 422 without causes; the live object shows the new place."""
    case.stable("v1")
    first = {"name": "LOG_LEVEL", "value": "debug"}
    before_the_patch(
        case,
        lambda: case.site.kube.json_patch(
            "Deployment",
            case.namespace,
            NAME,
            [{"op": "add", "path": "/spec/template/spec/containers/0/env/0", "value": first}],
        ),
    )
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    assert patch_codes(case) == [422, 200]
    environment = case.workload()["spec"]["template"]["spec"]["containers"][0]["env"]
    assert environment == [first, {"name": "MODEL_URI", "value": "s3://models/v1"}]
    assert case.status()["attempts"] == 1


def test_edit_of_the_same_field_wins_over_the_rollback(case: Scenario) -> None:
    case.stable("v1")
    before_the_patch(case, lambda: case.deploy("v3"))
    case.deploy("v2")
    last = case.wait_for_outcome("ConcurrentEdit")
    assert (
        "deployer changed image and weights while revision 2 was to be rolled back"
        in (last["message"])
    )
    status = case.wait_for_reason("Watching")
    case.operator.wait_for_checks(3)
    assert case.version() == "v3"
    assert patch_codes(case) == [422], "no further write"
    assert status["current"]["revision"] == 3
    assert case.quarantined() == [2]
    assert case.phases()[2] == "Quarantined"


def test_deploy_during_verification_ends_the_transaction_as_overtaken(case: Scenario) -> None:
    case.stable("v1", rollback={"verifyFor": "20s"})
    case.deploy("v2")
    case.wait_for_reason("Verifying")
    case.deploy("v3")
    case.wait_for_outcome("Overtaken")
    case.wait_for_reason("Watching")
    assert case.version() == "v3"
    assert patch_codes(case) == [200]
    assert case.quarantined() == [2]


def test_conflict_on_the_patch_is_read_again_and_repeated(case: Scenario) -> None:
    """The API server answers 409 when others, such as a controller, write the status at once."""
    case.stable("v1")
    conflict = case.proxy.answer(PATCH, refusal(409, "Conflict"))
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    assert conflict.hits == 1
    assert patch_codes(case) == [409, 200]
    assert case.status()["attempts"] == 1
    assert case.quarantined() == [2]


def test_conflict_on_the_status_is_read_again_and_decided_again(case: Scenario) -> None:
    case.stable("v1")
    conflict = case.proxy.answer(intent, refusal(409, "Conflict"))
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    assert conflict.hits == 1
    assert patch_codes(case) == [200]
    assert case.status()["attempts"] == 1


def test_status_that_somebody_else_wrote_is_not_overwritten(case: Scenario) -> None:
    """A real 409: the object changes between the read and the write of the intent."""
    case.stable("v1")
    case.proxy.before(
        intent,
        lambda _: (
            case.edit({"metadata": {"labels": {"team": "vision"}}}, kind="ModelRollout") and None
        ),
    )
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    statuses = [
        write.status for write in case.proxy.writes(committed=False) if intent(write.request)
    ]
    assert statuses[:2] == [409, 200]
    assert case.rollout()["metadata"]["labels"] == {"team": "vision"}
    assert patch_codes(case) == [200]
    assert case.status()["attempts"] == 1


def test_duplicated_patch_changes_the_workload_once(case: Scenario) -> None:
    """A proxy or a broken connection sends it twice: the `test` of the second one fails."""
    case.stable("v1")
    case.proxy.answer(PATCH, Broken.TWICE)
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    assert patch_codes(case) == [200, 422]
    assert case.status()["attempts"] == 1
    assert case.version() == "v1"


def test_patch_whose_answer_is_lost_changes_the_workload_once(case: Scenario) -> None:
    case.stable("v1")
    case.proxy.after(PATCH, lambda _: Broken.DROPPED)
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    # It may be sent again before the watch tells that it arrived; then its `test` fails.
    assert patch_codes(case) in ([200], [200, 422])
    assert case.status()["attempts"] == 1


def test_too_many_requests_waits_as_long_as_the_server_says(case: Scenario) -> None:
    case.stable("v1")
    case.proxy.answer(PATCH, refusal(429, "TooManyRequests", retry_after=2))
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    refused, repeated = case.patches(committed=False)
    assert (refused.status, repeated.status) == (429, 200)
    assert repeated.time - refused.time >= 2.0
    assert case.status()["attempts"] == 1
