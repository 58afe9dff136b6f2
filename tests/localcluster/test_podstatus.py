"""The local node reports what a kubelet would."""

from typing import Any

import pytest

from localcluster.podenv import ConfigError, command_line, expand, field_value
from localcluster.podstatus import (
    ContainerState,
    pod_phase,
    pod_status,
    running,
    terminated,
    waiting,
)

BEFORE, NOW = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "digits"}},
    "spec": {"restartPolicy": "Always"},
}
DONE, FAILED = terminated(0, BEFORE, NOW), terminated(1, BEFORE, NOW)
BACKING_OFF = waiting("CrashLoopBackOff")


def container(state: dict[str, Any], *, last: dict[str, Any] | None = None) -> ContainerState:
    ready = "running" in state
    return ContainerState("c", "image:v1", state=state, last_state=last or {}, ready=ready)


@pytest.mark.parametrize(
    ("policy", "containers", "phase"),
    [
        ("Always", [container(running(NOW))], "Running"),
        ("Always", [container(waiting("ImagePullBackOff"))], "Pending"),
        ("Always", [container(running(NOW)), container(waiting("ErrImagePull"))], "Pending"),
        ("Always", [container(BACKING_OFF, last=FAILED)], "Running"),
        ("Always", [container(DONE)], "Running"),
        ("OnFailure", [container(FAILED)], "Running"),
        ("OnFailure", [container(DONE)], "Succeeded"),
        ("Never", [container(DONE), container(FAILED)], "Failed"),
        ("Never", [container(DONE), container(DONE)], "Succeeded"),
    ],
)
def test_phase(policy: str, containers: list[ContainerState], phase: str) -> None:
    assert pod_phase(policy, containers) == phase


def conditions(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in status["conditions"]}


def test_conditions_keep_the_time_of_their_last_change() -> None:
    first = pod_status(POD, [container(waiting("ContainerCreating"))], BEFORE)
    assert conditions(first)["Ready"]["status"] == "False"
    assert conditions(first)["Ready"]["message"] == "containers with unready status: [c]"
    second = pod_status(POD | {"status": first}, [container(running(NOW))], NOW)
    assert conditions(second)["Ready"]["status"] == "True"
    assert conditions(second)["Ready"]["lastTransitionTime"] == NOW
    assert conditions(second)["Ready"]["message"] is None
    assert conditions(second)["Initialized"]["lastTransitionTime"] == BEFORE
    assert second["startTime"] == BEFORE


def test_image_id_changes_with_the_program() -> None:
    one, two = container(running(NOW)), container(running(NOW))
    one.command, two.command = ["serve", "--model=1"], ["serve", "--model=2"]
    ids = [status["imageID"] for status in pod_status(POD, [one, two], NOW)["containerStatuses"]]
    assert ids[0] != ids[1]
    assert all(identity.startswith("image:v1@sha256:") for identity in ids)


def test_command_line() -> None:
    image, environment = ["python", "serve.py"], {"PORT": "80"}
    assert command_line(image, {"args": ["--port=$(PORT)"]}, environment) == [*image, "--port=80"]
    replaced = command_line(image, {"command": ["other"], "args": ["$(PORT)"]}, environment)
    assert replaced == ["other", "80"]


def test_unknown_references_and_double_dollars_stay() -> None:
    assert expand("$(A) $(B) $$(A) $A", {"A": "1"}) == "1 $(B) $(A) $A"


def test_fields_of_the_pod() -> None:
    assert field_value(POD, "metadata.name") == "p"
    assert field_value(POD, "metadata.labels['app']") == "digits"
    with pytest.raises(ConfigError, match=r"does not support fieldRef spec\.affinity"):
        field_value(POD, "spec.affinity")
