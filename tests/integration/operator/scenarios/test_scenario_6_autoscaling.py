"""Scenario 6: a HorizontalPodAutoscaler scales from 2 to 8 during a rollback; it ends at 8."""

import pytest

from localcluster.waiting import wait_until
from support.bundle import EVIL, KIND, Bundle, objects_written
from support.faults import Match, intent, writing
from support.scenario import NAME, Scenario

MOMENTS = {
    "after the intent": intent,
    "after the prompt": writing("configmaps", "PATCH"),
    "after the Deployment": writing("deployments", "PATCH"),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_scaling_between_two_writes_of_a_rollback_is_kept(case: Scenario, moment: Match) -> None:
    bundle = Bundle(case)
    bundle.stable()
    case.site.kube.scale(case.namespace, NAME, 2)
    case.wait_for_reason("Watching")

    def scale(_: object) -> None:
        case.site.kube.scale(case.namespace, NAME, 8)

    scaled = case.proxy.after(moment, scale)
    bundle.deploy("v2", EVIL)
    case.wait_for_outcome("Succeeded")
    assert scaled.hits == 1
    assert bundle.live() == ("v1", KIND)
    assert case.workload()["spec"]["replicas"] == 8
    wait_until(
        lambda: case.workload()["status"].get("availableReplicas") == 8, 20, "8 pods are available"
    )
    assert len(objects_written(case)) == 2


def test_real_autoscaler_and_rollback_leave_each_other_alone(case: Scenario) -> None:
    """Below `minReplicas` it scales without a metrics API."""
    case.stable("v1", rollback={"verifyFor": "5s"})
    case.site.kube.scale(case.namespace, NAME, 2)
    case.wait_for_reason("Watching")
    case.site.kube.create(autoscaler(8), case.namespace)

    def wait_for_it(_: object) -> None:
        wait_until(lambda: case.workload()["spec"]["replicas"] == 8, 40, "it scales to 8")

    held = case.proxy.after(intent, wait_for_it)
    case.deploy("v2")
    case.wait_for_outcome("Succeeded", timeout=60)
    assert held.hits == 1
    assert case.version() == "v1"
    assert case.workload()["spec"]["replicas"] == 8
    assert len(case.patches(committed=False)) == 1


def autoscaler(least: int) -> dict[str, object]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME},
        "spec": {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": 10},
    }
