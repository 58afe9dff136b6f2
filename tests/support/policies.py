"""Admission that refuses what the operator writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from localcluster.controlplane import KubectlError
from localcluster.waiting import wait_until
from support.scenario import NAME, SERVICE_ACCOUNT, SYSTEM_NAMESPACE, Scenario

OPERATOR = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{SERVICE_ACCOUNT}"
FROZEN = "models are frozen until Monday"


@contextmanager
def frozen(
    case: Scenario, resource: str = "deployments", *, group: str = "apps", probe: str = NAME
) -> Iterator[None]:
    """Have admission refuse the operator's updates of one resource in this namespace.

    `probe` is the name of one, to see when it takes effect.
    """
    name = f"freeze-{case.namespace}"
    kube, api = case.site.kube, "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": [resource],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": case.namespace}},
            "resourceRules": [rule],
        },
        "validations": [
            {"expression": f"request.userInfo.username != '{OPERATOR}'", "message": FROZEN}
        ],
    }
    policy = {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}}
    kube.create(policy | {"spec": spec})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    kube.create(policy | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding})
    wait_until(lambda: _is_denied(case, resource, probe), 20, "the policy is in force")
    try:
        yield
    finally:
        kube.delete("ValidatingAdmissionPolicyBinding", "", name)
        kube.delete("ValidatingAdmissionPolicy", "", name)


def _is_denied(case: Scenario, resource: str, name: str) -> bool:
    """A policy takes effect a moment after it was created."""
    command = ("patch", resource, name, "--namespace", case.namespace, "--as", OPERATOR)
    change = ("--patch", '{"metadata":{"labels":{"x":"y"}}}', "--dry-run=server")
    try:
        case.site.control_plane.kubectl(*command, *change)
    except KubectlError as error:
        return FROZEN in str(error)
    return False
