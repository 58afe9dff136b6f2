"""A StatefulSet as target, on the real controller: its pods are replaced one by one, in order."""

from typing import Any

from localcluster.waiting import wait_until
from support.faults import Request, writing
from support.scenario import NAME, Scenario, deployment

Json = dict[str, Any]

FAKE_NODES, NO_NODE = "kwok", "none"
NODES = {
    "name": "nodes",
    "field": {"path": "spec.template.spec.nodeSelector.type"},
}
WEIGHTS = {"name": "weights", "env": {"container": "server", "name": "MODEL_URI"}}
TARGET = {"kind": "StatefulSet", "name": NAME}


def stateful_set(version: str, nodes: str = FAKE_NODES, **spec: Any) -> Json:
    """A StatefulSet of three pods that serve a version on nodes of a type."""
    body = deployment(version, replicas=3)
    body["kind"] = "StatefulSet"
    del body["spec"]["strategy"]
    body["spec"]["template"]["spec"]["nodeSelector"] = {"type": nodes}
    body["spec"] |= {"serviceName": NAME, **spec}
    return body


def deploy(case: Scenario, version: str, nodes: str = FAKE_NODES, **spec: Any) -> None:
    case.site.kube.apply(stateful_set(version, nodes, **spec), case.namespace)


def stable(case: Scenario, **spec: Any) -> None:
    """Have version v1 proven."""
    case.site.source.publish(case.namespace, 0.95)
    deploy(case, "v1", **spec)
    case.guard(targetRef=TARGET, components=[WEIGHTS, NODES])
    case.start_operator()
    case.wait_for_reason("Watching")


def pods(case: Scenario) -> dict[str, Json]:
    items = case.site.kube.items("Pod", case.namespace)
    return {item["metadata"]["name"]: item for item in items}


def uids(case: Scenario) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in pods(case).items()}


def get_stuck(case: Scenario) -> None:
    """Deploy a version whose first pod, the last by number, never comes up."""
    before = uids(case)
    deploy(case, "v2", NO_NODE)
    last = f"{NAME}-2"
    wait_until(lambda: uids(case).get(last, before[last]) != before[last], 30, f"another {last}")
    case.wait_for(lambda s: (s.get("current") or {}).get("revision") == 2, "revision 2 is current")


def deletions(case: Scenario) -> list[str]:
    return [write.request.name for write in case.proxy.writes("pods", committed=False)]


def test_stuck_pod_of_the_bad_revision_is_deleted_and_no_other(case: Scenario) -> None:
    stable(case)
    get_stuck(case)
    stuck = uids(case)[f"{NAME}-2"]
    case.flip("Rollback")
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"]) == (2, 1)
    assert deletions(case) == [f"{NAME}-2"]
    [deletion] = case.proxy.writes("pods")
    assert deletion.request.json["preconditions"] == {"uid": stuck}
    found = pods(case).values()
    assert [pod["spec"]["nodeSelector"] for pod in found] == 3 * [{"type": FAKE_NODES}]
    note = case.wait_for_event("RollingOut", f"Pod {NAME}-2 of revision 2 is not Ready")
    assert "kubernetes#67250" in note
    told = [line for line in case.operator.logs() if f"Pod {NAME}-2 of" in line["message"]]
    assert len(told) == 1


def test_pause_keeps_the_stuck_pod_until_it_is_taken_back(case: Scenario) -> None:
    stable(case)
    get_stuck(case)

    def verifying(request: Request) -> bool:
        if not writing("modelrollouts/status")(request):
            return False
        return (request.json["status"].get("transaction") or {}).get("stage") == "Verifying"

    def act(_: Request) -> None:
        case.flip("Pause")

    case.proxy.after(verifying, act)
    case.flip("Rollback")
    case.wait_for_reason("Paused")
    before = uids(case)
    case.operator.wait_for_checks(4)
    assert deletions(case) == []
    assert uids(case) == before, "without the deletion the controller waits for ever"
    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert deletions(case) == [f"{NAME}-2"]


def test_earlier_templates_are_read_from_controller_revisions(case: Scenario) -> None:
    case.site.source.publish(case.namespace, 0.95)
    deploy(case, "v1")
    wait_until(lambda: len(pods(case)) == 3, 30, "three pods")
    deploy(case, "v2")
    case.guard(targetRef=TARGET, components=[WEIGHTS])
    case.start_operator()
    case.wait_for_reason("Watching")
    found = {n: r["spec"] for n, r in case.revisions().items()}
    assert [found[n]["summary"] for n in (1, 2)] == ["s3://models/v1", "s3://models/v2"]
    assert (found[1]["imported"], found[2].get("imported", False)) == (True, False)


def test_on_delete_holds_with_a_sentence(case: Scenario) -> None:
    stable(case, updateStrategy={"type": "OnDelete"})
    deploy(case, "v3", updateStrategy={"type": "OnDelete"})
    status = case.wait_for_reason("WorkloadPaused")
    assert "updateStrategy.type of the StatefulSet is OnDelete" in status["message"]


def test_partition_is_not_completely_rolled_out(case: Scenario) -> None:
    stable(case)
    deploy(case, "v3", updateStrategy={"rollingUpdate": {"partition": 2}})
    status = case.wait_for_reason("WorkloadPaused")
    assert "partition of the StatefulSet is 2, so the pods below number 2 keep" in status["message"]
    deploy(case, "v3", updateStrategy={"rollingUpdate": {"partition": 0}})
    case.wait_for_reason("Watching")
