"""Components in other objects: a feature flag is part of the version, and restored with it."""

from typing import Any

from support.faults import Request, writing
from support.scenario import BAD, COMPONENTS, GOOD, NAME, Scenario

Json = dict[str, Any]

REF = {"apiVersion": "core.openfeature.dev/v1beta1", "kind": "FeatureFlag", "name": NAME}
PATH = "spec.flagSpec.flags.ranker.defaultVariant"
FLAG = {"name": "ranker", "field": {"path": PATH, "ref": REF}}


def put_flag(case: Scenario, variant: str, **flag: Any) -> None:
    ranker = {
        "state": "ENABLED",
        "variants": {"linear": "linear-v3", "deep": "deep-v1", "none": "none"},
        "defaultVariant": variant,
        **flag,
    }
    body = {
        "apiVersion": REF["apiVersion"],
        "kind": REF["kind"],
        "metadata": {"name": NAME},
        "spec": {"flagSpec": {"flags": {"ranker": ranker}}},
    }
    case.site.kube.apply(body, case.namespace)


def ranker(case: Scenario) -> Json:
    body = case.site.kube.get("FeatureFlag", case.namespace, NAME)
    assert body is not None
    found: Json = body["spec"]["flagSpec"]["flags"]["ranker"]
    return found


def follow(case: Scenario, resource: str) -> None:
    """The restored version answers once this resource is written."""

    def committed(write: Any) -> None:
        if write.request.resource == resource:
            case.site.source.publish(case.namespace, GOOD)

    case.proxy.committed = committed


def test_flag_alone_is_restored_without_a_restart(case: Scenario) -> None:
    put_flag(case, "linear")
    case.stable("v1", components=[*COMPONENTS, FLAG])
    follow(case, "featureflags")
    put_flag(case, "deep")
    case.site.source.publish(case.namespace, BAD)
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"]) == (2, 1)
    assert ranker(case)["defaultVariant"] == "linear"
    assert case.patches(committed=False) == []


def test_flag_is_restored_before_the_workload(case: Scenario) -> None:
    put_flag(case, "linear")
    case.stable("v1", components=[*COMPONENTS, FLAG], analysis={"settle": "2s"})
    put_flag(case, "deep")
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    assert (ranker(case)["defaultVariant"], case.version()) == ("linear", "v1")
    done = case.proxy.writes("featureflags", "deployments")
    assert [write.request.resource for write in done] == ["featureflags", "deployments"]
    tests = [op["path"] for op in done[0].request.json if op["op"] == "test"]
    assert "/metadata/uid" in tests
    assert "/spec/flagSpec/flags/ranker/defaultVariant" in tests


def test_restored_flag_is_put_back_when_somebody_edits_the_workload(case: Scenario) -> None:
    put_flag(case, "linear")
    case.stable("v1", components=[*COMPONENTS, FLAG], analysis={"settle": "2s"})

    def act(_: Request) -> None:
        case.deploy("v3")

    case.proxy.after(writing("featureflags", "PATCH"), act)
    put_flag(case, "deep")
    case.deploy("v2")
    case.wait_for_outcome("ConcurrentEdit")
    assert (ranker(case)["defaultVariant"], case.version()) == ("deep", "v3")


def test_edit_beside_the_value_is_kept(case: Scenario) -> None:
    put_flag(case, "linear")
    case.stable("v1", components=[*COMPONENTS, FLAG])
    follow(case, "featureflags")

    def act(_: Request) -> None:
        put_flag(case, "deep", state="DISABLED")

    case.proxy.before(writing("featureflags", "PATCH"), act)
    put_flag(case, "deep")
    case.site.source.publish(case.namespace, BAD)
    case.wait_for_outcome("Succeeded")
    assert (ranker(case)["defaultVariant"], ranker(case)["state"]) == ("linear", "DISABLED")


def test_object_that_may_not_be_read_names_the_cluster_role(case: Scenario) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": NAME}
    field = {"path": "spec.minReadySeconds", "ref": ref}
    case.deploy("v1")
    case.guard(components=[*COMPONENTS, {"name": "agent", "field": field}])
    case.start_operator()
    status = case.wait_for_reason("ComponentUnreadable")
    assert (
        f"may not read DaemonSet {case.namespace}/{NAME}: apply a ClusterRole" in status["message"]
    )
    assert 'rbac.modelrollout.dev/aggregate-to-operator: "true"' in status["message"]


def test_kind_that_the_cluster_does_not_have_is_told(case: Scenario) -> None:
    ref = {"apiVersion": "example.com/v1", "kind": "Widget", "name": NAME}
    case.deploy("v1")
    case.guard(components=[*COMPONENTS, {"name": "x", "field": {"path": "spec.a", "ref": ref}}])
    case.start_operator()
    status = case.wait_for_reason("ComponentUnreadable")
    assert "this cluster has no kind Widget of example.com/v1" in status["message"]
