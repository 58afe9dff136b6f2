"""The whole operator on a real control plane: a model is proven, breaks, and comes back."""

from support.scenario import Scenario


def test_breach_is_rolled_back_with_one_patch_of_the_workload(case: Scenario) -> None:
    case.stable("v1")
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    status = case.wait_for_reason("Watching")
    assert (last["from"], last["to"], last["kind"]) == (2, 1, "Rollback")
    assert "quality is 0.4 (limit >= 0.8)" in last["message"]
    assert case.version() == "v1"
    assert [write.request.method for write in case.patches(committed=False)] == ["PATCH"]
    assert status["attempts"] == 1
    assert case.quarantined() == [2]
    assert case.phases() == {1: "Stable", 2: "Quarantined"}
    assert case.condition("Ready")["status"] == "True"


def test_steady_state_writes_nothing_but_the_lease(case: Scenario) -> None:
    operator = case.stable("v1")
    operator.wait_for_checks(2)
    before = len(case.proxy.writes()) + len(case.proxy.writes("events"))
    leases = len(case.proxy.writes("leases"))
    operator.wait_for_checks(15)
    after = len(case.proxy.writes(committed=False)) + len(case.proxy.writes("events"))
    assert after == before
    assert len(case.proxy.writes("leases")) > leases, "otherwise the proxy sees nothing at all"


def test_operator_that_is_asked_to_end_gives_the_lease_back(case: Scenario) -> None:
    operator = case.stable("v1")
    assert operator.stop() == 0
    lease = case.site.kube.get("Lease", case.namespace, "model-rollout-operator")
    assert lease is not None
    assert not lease["spec"].get("holderIdentity")
