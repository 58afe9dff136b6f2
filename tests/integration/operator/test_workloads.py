"""Whose workload it is, whether it is there, and whether it is still the same one."""

from localcluster.waiting import wait_until
from support.faults import Request, writing
from support.scenario import NAME, Scenario


def test_missing_workload_is_reported_and_guarded_once_it_exists(case: Scenario) -> None:
    case.guard()
    operator = case.start_operator()
    status = case.wait_for_reason("WorkloadMissing")
    assert f"there is no Deployment {NAME} in namespace {case.namespace}" in status["message"]
    assert case.condition("Ready")["status"] == "False"
    assert case.condition("Ready")["reason"] == "WorkloadMissing"
    before = len(case.proxy.writes(committed=False))
    operator.wait_for_checks(4)
    assert case.written_after(before) == []
    assert case.patches(committed=False) == []

    case.deploy("v1")
    case.wait_for_reason("Watching")
    assert case.condition("Ready")["status"] == "True"


def test_workload_that_is_deleted_while_it_is_guarded_is_not_brought_back(case: Scenario) -> None:
    case.stable("v1")
    case.site.kube.delete("Deployment", case.namespace, NAME)
    case.wait_for_reason("WorkloadMissing")
    before = len(case.proxy.writes(committed=False))
    case.operator.wait_for_checks(3)
    assert case.written_after(before) == []
    assert case.site.kube.get("Deployment", case.namespace, NAME) is None


def recreate(case: Scenario, version: str) -> None:
    """Delete the Deployment and create another one of the same name."""
    uid = case.workload()["metadata"]["uid"]
    case.site.kube.delete("Deployment", case.namespace, NAME)
    case.deploy(version)
    wait_until(lambda: case.workload()["metadata"]["uid"] != uid, 10, "another Deployment")


def verifying(request: Request) -> bool:
    """Match the status write that says that the workload was patched."""
    if not writing("modelrollouts/status")(request):
        return False
    return (request.json["status"].get("transaction") or {}).get("stage") == "Verifying"


def test_workload_replaced_during_verification_ends_the_transaction(case: Scenario) -> None:
    case.stable("v1", rollback={"verifyFor": "20s"})
    case.deploy("v2")
    case.wait_for_reason("Verifying")
    recreate(case, "v3")
    last = case.wait_for_outcome("WorkloadReplaced")
    assert "deleted and created again" in last["message"]
    case.wait_for_reason("Watching")
    assert case.version() == "v3"
    assert len(case.patches(committed=False)) == 1
    assert case.quarantined() == [2]


def test_workload_replaced_between_intent_and_patch_is_not_patched(case: Scenario) -> None:
    case.stable("v1")

    def act(_: Request) -> None:
        recreate(case, "v3")

    case.proxy.before(writing("deployments", "PATCH"), act)
    case.deploy("v2")
    case.wait_for_outcome("WorkloadReplaced")
    case.wait_for_reason("Watching")
    assert case.version() == "v3"
    assert [write.status for write in case.patches(committed=False)] == [422]


def test_rollback_that_is_deleted_in_mid_transaction_is_not_finished(case: Scenario) -> None:
    """A ModelRollout that is gone guards nothing any more: the workload stays as it is."""
    case.stable("v1")

    def act(_: Request) -> None:
        case.site.kube.delete("ModelRollout", case.namespace, NAME)

    case.proxy.after(lambda r: verifying(r) or _is_intent(r), act)
    case.deploy("v2")
    wait_until(
        lambda: case.site.kube.get("ModelRollout", case.namespace, NAME) is None, 30, "it is gone"
    )
    case.guard(name="another", target="elsewhere")
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    assert case.version() == "v2"


def _is_intent(request: Request) -> bool:
    if not writing("modelrollouts/status")(request):
        return False
    return bool(request.json["status"].get("transaction"))


def test_second_guard_of_one_workload_holds_until_the_first_is_deleted(case: Scenario) -> None:
    case.stable("v1")
    case.guard(name="younger")
    status = case.wait_for_reason("TargetTaken", name="younger")
    assert f"ModelRollout {NAME} guards Deployment {NAME} already" in status["message"]
    assert case.condition("Ready", "younger")["status"] == "False"
    before = len(case.proxy.writes(committed=False))
    case.operator.wait_for_checks(4)
    assert case.written_after(before) == []
    assert case.rollout("younger")["status"].get("current") is None

    case.site.kube.delete("ModelRollout", case.namespace, NAME)
    case.wait_for_reason("Watching", name="younger")
    case.deploy("v2")
    wait_until(
        lambda: case.status("younger").get("lastTransaction", {}).get("outcome") == "Succeeded",
        30,
        "the younger one rolls back",
    )
    assert len(case.patches(committed=False)) == 1
