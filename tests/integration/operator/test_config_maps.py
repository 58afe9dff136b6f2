"""ConfigMaps as components: a bad prompt comes back, with one restart and nothing else touched."""

from typing import Any

import pytest

from localcluster.waiting import wait_until
from support.bundle import (
    BUNDLE,
    PROMPT,
    config_map,
    held,
    is_snapshot,
    maps_written,
    write_prompt,
)
from support.faults import writing
from support.scenario import COMPONENTS, NAME, Json, Scenario, deployment

ANNOTATION = "modelrollout.dev/transaction"


def turn_bad(case: Scenario) -> None:
    """From now on what is served answers badly, until the prompt is the good one again."""
    case.site.source.publish(case.namespace, 0.4)

    def follow(write: Any) -> None:
        if write.request.resource == "configmaps" and not is_snapshot(write.answer):
            case.site.source.publish(case.namespace, 0.95)

    case.proxy.committed = follow


def test_contents_are_restored_before_the_pods_restart_once(case: Scenario) -> None:
    write_prompt(case, "be helpful", other="untouched")
    case.stable("v1", components=BUNDLE)
    turn_bad(case)
    write_prompt(case, "be evil", other="edited, and no component")
    case.wait_for_outcome("Succeeded")
    found = held(case)
    assert found["data"] == {"system.txt": "be helpful", "other": "edited, and no component"}
    annotations = case.workload()["spec"]["template"]["metadata"]["annotations"]
    assert annotations[ANNOTATION] == found["metadata"]["annotations"][ANNOTATION]
    order = [str(write.request) for write in case.proxy.writes("configmaps", "deployments")][-2:]
    assert order == [f"PATCH configmaps {PROMPT}", f"PATCH deployments {NAME}"]
    assert case.version() == "v1"
    assert case.quarantined() == [2]


def test_contents_are_restored_without_a_restart_where_pods_read_them_anew(case: Scenario) -> None:
    write_prompt(case, "be helpful")
    never = {"name": "prompt", "configMap": {"name": PROMPT, "restart": "Never"}}
    case.stable("v1", components=[*COMPONENTS, never])
    turn_bad(case)
    write_prompt(case, "be evil")
    case.wait_for_outcome("Succeeded")
    assert held(case)["data"] == {"system.txt": "be helpful"}
    assert case.patches() == []


def test_binary_contents_and_keys_that_were_absent_are_restored(case: Scenario) -> None:
    whole = {"name": "index", "configMap": {"name": PROMPT}}
    before = config_map(data={"a": "1"}, binary={"vector": "AAEC"})
    case.site.kube.apply(before, case.namespace)
    case.stable("v1", components=[*COMPONENTS, whole])
    turn_bad(case)
    case.site.kube.apply(config_map(data={"b": "2"}, binary={"vector": "AQID"}), case.namespace)
    case.wait_for_outcome("Succeeded")
    found = held(case)
    assert (found["data"], found["binaryData"]) == ({"a": "1"}, {"vector": "AAEC"})


def hashed(name: str, version: str = "v1") -> Json:
    """Fields of the Deployment that mounts a ConfigMap of this name."""
    template = deployment(version)["spec"]["template"]
    template["spec"]["volumes"] = [{"name": "prompt", "configMap": {"name": name}}]
    return {"template": template}


def test_reference_to_a_pruned_map_is_restored_and_the_map_created_again(case: Scenario) -> None:
    by_volume = {"name": "prompt", "configMap": {"volume": "prompt"}}
    write_prompt(case, "be helpful", name="prompt-aaaa")
    case.deploy("v1", **hashed("prompt-aaaa"))
    case.guard(components=[*COMPONENTS, by_volume])
    case.start_operator()
    case.wait_for_reason("Watching")
    turn_bad(case)
    write_prompt(case, "be evil", name="prompt-bbbb")
    case.site.kube.apply(deployment("v1", **hashed("prompt-bbbb")), case.namespace)
    case.site.kube.delete("ConfigMap", case.namespace, "prompt-aaaa")
    case.wait_for_outcome("Succeeded")
    assert held(case, "prompt-aaaa")["data"] == {"system.txt": "be helpful"}
    volumes = case.workload()["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["configMap"]["name"] == "prompt-aaaa"
    assert maps_written(case) == ["POST configmaps"]


def test_contents_that_pods_read_at_their_start_count_after_a_restart(case: Scenario) -> None:
    write_prompt(case, "be helpful")
    source = {"valueFrom": {"configMapKeyRef": {"name": PROMPT, "key": "system.txt"}}}
    variables = [
        {"name": "MODEL_URI", "value": "s3://models/v1"},
        {"name": "PROMPT", **source},
    ]
    case.deploy("v1", container={"env": variables})
    case.guard(components=BUNDLE)
    case.start_operator()
    case.wait_for_reason("Watching")
    wait_until(lambda: clock_is_past_the_pods(case), 10, "a second after the pods were created")
    write_prompt(case, "be brief")
    status = case.wait_for_reason("RollingOut")
    assert "kubectl rollout restart deployment/model" in status["message"]
    case.operator.wait_for_checks(3)
    assert "servingSince" not in case.status()["current"]
    restarted = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    case.edit({"spec": {"template": restarted}})
    case.wait_for_reason("Watching")
    assert case.status()["current"]["revision"] == 2


def clock_is_past_the_pods(case: Scenario) -> bool:
    """A ConfigMap says to the second when it was written."""
    probe = config_map("probe")
    made = case.site.kube.create(probe, case.namespace)["metadata"]["creationTimestamp"]
    case.site.kube.delete("ConfigMap", case.namespace, "probe")
    pods = case.site.kube.items("Pod", case.namespace)
    return bool(made > max(pod["metadata"]["creationTimestamp"] for pod in pods))


def test_contents_of_forgotten_revisions_are_deleted(case: Scenario) -> None:
    write_prompt(case, "one")
    case.stable("v1", components=BUNDLE, history={"limit": 2})
    for number, text in enumerate(("two", "three", "four"), start=2):
        write_prompt(case, text)
        case.wait_for(
            lambda status, n=number: (
                status["current"]["revision"] == n and status["reason"] == "Watching"
            ),
            f"revision {number} is Stable",
        )
    kept = {
        body["data"]["system.txt"]
        for body in case.site.kube.items("ConfigMap", case.namespace)
        if is_snapshot(body)
    }
    assert kept == {"three", "four"}


@pytest.mark.parametrize("prune", [True, False], ids=["deleted", "kept"])
def test_snapshot_that_was_deleted_is_not_guessed(case: Scenario, prune: bool) -> None:
    write_prompt(case, "be helpful")
    case.stable("v1", components=BUNDLE)
    case.site.source.publish(case.namespace, 0.4)
    if prune:
        for body in case.site.kube.items("ConfigMap", case.namespace):
            if is_snapshot(body):
                case.site.kube.delete("ConfigMap", case.namespace, body["metadata"]["name"])
    write_prompt(case, "be evil")
    if prune:
        last = case.wait_for_outcome("Refused")
        assert "was deleted or changed" in last["message"]
        assert held(case)["data"] == {"system.txt": "be evil"}
    else:
        case.wait_for(lambda status: status.get("lastTransaction"), "the transaction ended")
        assert held(case)["data"] == {"system.txt": "be helpful"}


def test_pods_that_read_what_is_taken_back_are_restarted_again(case: Scenario) -> None:
    """Two prompts and no other change: the Deployment is only written to restart the pods."""
    rules = {"name": "rules", "configMap": {"name": "rules"}}
    write_prompt(case, "be helpful")
    write_prompt(case, "be polite", name="rules")
    case.stable("v1", components=[*BUNDLE, rules], analysis={"settle": "2s"})

    def act(_: object) -> None:
        write_prompt(case, "be quiet", name="rules")

    case.proxy.after(writing("deployments", "PATCH"), act)
    turn_bad(case)
    write_prompt(case, "be evil")
    write_prompt(case, "be rude", name="rules")
    last = case.wait_for_outcome("ConcurrentEdit")
    assert "prompt is put back to where it was" in last["message"]
    assert held(case)["data"] == {"system.txt": "be evil"}
    assert held(case, "rules")["data"] == {"system.txt": "be quiet"}
    annotations = [
        write.answer["spec"]["template"]["metadata"]["annotations"][ANNOTATION]
        for write in case.patches()[:2]
    ]
    assert annotations == [last["id"], f"{last['id']}-undo"]
