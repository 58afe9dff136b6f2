"""Scenario 3: the image of the target is gone, or no GPU is free for it."""

from localcluster.waiting import wait_until
from support.nodes import GPU, gpus, registry
from support.scenario import NAME, Json, Scenario, deployment

DEADLINE = {"deadline": "8s"}


def deploy(case: Scenario, version: str, pod: Json, **container: object) -> None:
    """Deploy a version whose pods run where `pod` leads."""
    case.publish(version)
    body = deployment(version, container=container)
    body["spec"]["template"]["spec"] |= pod
    case.site.kube.apply(body, case.namespace)


def stable(case: Scenario, number: int) -> None:
    case.wait_for(
        lambda s: s["current"]["revision"] == number and s["reason"] == "Watching",
        f"revision {number} is Stable",
        60,
    )


def test_target_whose_image_is_gone_is_unusable_and_the_next_one_is_restored(
    case: Scenario,
) -> None:
    with registry(case, "v1", "v2", "v3") as images:
        deploy(case, "v1", images.template)
        case.guard(rollback=DEADLINE)
        case.start_operator()
        stable(case, 1)
        deploy(case, "v3", images.template)
        stable(case, 2)
        images.hold("v1", "v2")
        deploy(case, "v2", images.template)
        last = case.wait_for_outcome("Succeeded", timeout=90)
        case.wait_for_reason("Watching")
        assert (last["from"], last["to"]) == (2, 1)
        assert "revision 2 does not come up (ImagePullBackOff)" in last["message"]
        assert case.version() == "v1"
        assert [write.request.name for write in case.patches()] == [NAME, NAME]
        entries = {e["revision"]: e for e in case.status()["quarantine"]}
        assert {n: e["phase"] for n, e in entries.items()} == {2: "Unusable", 3: "Quarantined"}
        assert entries[2]["expires"], "the image may be pushed again"
        assert "expires" not in entries[3]
        assert case.phases() == {1: "Stable", 2: "Unusable", 3: "Quarantined"}
        assert len(case.status()["rollbacks"]) == 1, "a chain counts once"


def test_target_without_a_free_gpu_stalls_condemns_nothing_and_goes_on(case: Scenario) -> None:
    with gpus(case, 2) as pod:
        one = {"resources": {"limits": {GPU: "1"}}}
        deploy(case, "v1", pod, **one)
        case.guard(rollback=DEADLINE)
        case.start_operator()
        stable(case, 1)
        case.edit({"spec": {"killSwitch": "Pause"}}, kind="ModelRollout")
        deploy(case, "v2", pod, **one)
        case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
        wait_until(lambda: pods(case) == ["model:v2"], 30, "v2 has replaced v1")
        case.site.kube.create(training(pod, one), case.namespace)
        wait_until(lambda: len(pods(case)) == 2, 30, "the other GPU is taken")
        case.flip("None")

        status = case.wait_for_reason("RollbackStalled", timeout=60)
        assert "Unschedulable" in status["message"]
        assert "Insufficient nvidia.com/gpu" in status["message"]
        assert "nothing is condemned" in status["message"]
        assert status["phase"] == "Failed"
        case.wait_for_event("RollbackStalled", "Insufficient nvidia.com/gpu")
        case.operator.wait_for_checks(3)
        assert case.quarantined() == [2], "the target is not"
        assert case.phases()[1] == "Stable"
        assert len(case.patches(committed=False)) == 1

        case.site.kube.delete("Pod", case.namespace, "training")
        case.wait_for_outcome("Succeeded", timeout=60)
        assert case.version() == "v1"
        assert len(case.patches(committed=False)) == 1


def training(pod: Json, container: Json) -> Json:
    """A pod of somebody else that takes a GPU."""
    trainer = {"name": "trainer", "image": "training:v1", **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "training"},
        "spec": {**pod, "terminationGracePeriodSeconds": 0, "containers": [trainer]},
    }


def pods(case: Scenario) -> list[str]:
    """The images of the pods that run."""
    items = case.site.kube.items("Pod", case.namespace)
    running = [item for item in items if item["status"].get("phase") == "Running"]
    return [item["spec"]["containers"][0]["image"] for item in running]
