"""The API server refuses the patch: said once, terminal for the transaction, nobody condemned."""

from support.metrics_source import quality
from support.policies import FROZEN, frozen
from support.scenario import GOOD, Scenario


def test_denial_by_admission_ends_the_transaction_and_condemns_nobody(case: Scenario) -> None:
    case.stable("v1", rollback={"cooldown": "1h"})
    with frozen(case):
        case.deploy("v2")
        last = case.wait_for_outcome("Refused")
        assert FROZEN in last["message"]
        status = case.wait_for_reason("Cooldown")
        case.operator.wait_for_checks(4)
        assert case.version() == "v2"
        assert case.patches(committed=False) == [], "the dry run was refused"
        assert status["attempts"] == 1
        assert case.quarantined() == [], "nothing was written, so nothing is condemned"
        assert case.phases()[2] != "Quarantined"
        assert case.wait_for_event("Refused", FROZEN)


def weak_account(case: Scenario) -> tuple[str, str]:
    """The operator's roles, without the right to patch Deployments."""
    kube, namespace, name = case.site.kube, case.namespace, "weak"
    kube.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}, namespace
    )
    found = kube.get("ClusterRole", "", "model-rollout-operator")
    assert found is not None
    rules = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "patch"]}
        if "deployments" in rule["resources"]
        else rule
        for rule in found["rules"]
    ]
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}
    group = "rbac.authorization.k8s.io"
    role = {"metadata": {"name": name}, "apiVersion": f"{group}/v1", "kind": "Role"}
    kube.create({**role, "rules": [*rules, lease]}, namespace)
    kube.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
        namespace,
    )
    return namespace, name


def test_missing_right_on_deployments_is_said_and_blocks_nothing_else(case: Scenario) -> None:
    other = f"{case.namespace}-other"
    case.site.source.publish(other, GOOD)
    case.deploy("v1")
    case.deploy("v1", name="other")
    case.guard(rollback={"cooldown": "1h"})
    case.guard(name="other", target="other", metric={"query": quality(other)})
    case.start_operator(account=weak_account(case))
    case.wait_for_reason("Watching")
    case.deploy("v2")
    last = case.wait_for_outcome("Refused")
    assert "403" in last["message"]
    case.wait_for_reason("Cooldown")
    assert case.quarantined() == []

    case.deploy("v3", name="other")
    case.wait_for_event("Proven", "Revision 2 is Stable")
    assert case.wait_for_reason("Watching", name="other")["current"]["revision"] == 2
    assert case.patches(committed=False) == [], "the dry run was refused"
