"""Scenario 7: a person edits the Deployment during a rollback, and their edit is never lost."""

from typing import Any

from support.bundle import EVIL, KIND, PROMPT, Bundle, held, objects_written
from support.faults import Match, writing
from support.scenario import NAME, Scenario, deployment

PATCH = writing("deployments", "PATCH")


def at_the_last_moment(case: Scenario, do: Any, match: Match = PATCH) -> None:
    """By default the prompt is written already, and the patch of the Deployment is on its way."""

    def act(_: object) -> None:
        do()

    case.proxy.before(match, act)


def test_edit_of_something_else_is_kept(case: Scenario) -> None:
    bundle = Bundle(case)
    bundle.stable()
    limits = {"name": "server", "resources": {"limits": {"memory": "2Gi"}}}

    def edit() -> None:
        case.site.kube.strategic(
            "Deployment",
            case.namespace,
            NAME,
            {
                "metadata": {"labels": {"team": "vision"}},
                "spec": {"template": {"spec": {"containers": [limits]}}},
            },
        )

    at_the_last_moment(case, edit)
    bundle.deploy("v2", EVIL)
    case.wait_for_outcome("Succeeded")
    workload = case.workload()
    assert workload["metadata"]["labels"]["team"] == "vision"
    [container] = workload["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "2Gi"}
    assert bundle.live() == ("v1", KIND)


def test_edit_of_the_same_field_wins_and_the_prompt_is_put_back(case: Scenario) -> None:
    bundle = Bundle(case)
    bundle.stable()
    theirs = deployment("v3")
    at_the_last_moment(case, lambda: case.site.kube.apply(theirs, case.namespace, manager="anna"))
    bundle.deploy("v2", EVIL)
    last = case.wait_for_outcome("ConcurrentEdit")
    assert "anna changed image and weights while revision" in last["message"]
    assert "prompt is put back to where it was" in last["message"]
    assert bundle.live() == ("v3", EVIL), "the person's Deployment beside the prompt from before"
    case.wait_for_event("ConcurrentEdit", "anna")
    written = [f"PATCH configmaps {PROMPT}", f"PATCH deployments {NAME}"]
    assert objects_written(case)[:3] == [*written, f"PATCH configmaps {PROMPT}"]
    statuses = [w.status for w in case.patches(committed=False)[:1]]
    assert statuses == [422], "the Deployment itself was never written"


def test_half_of_a_rollback_that_a_person_makes_by_hand_is_not_taken_back(case: Scenario) -> None:
    """They write the weights of the target beside an image of their own: both are theirs."""
    bundle = Bundle(case)
    bundle.stable()
    weights = [{"name": "MODEL_URI", "value": "s3://models/v1"}]
    theirs = deployment("v3", container={"env": weights})
    at_the_last_moment(case, lambda: case.site.kube.apply(theirs, case.namespace, manager="anna"))
    bundle.deploy("v2", EVIL)
    last = case.wait_for_outcome("ConcurrentEdit")
    assert "anna changed image while revision" in last["message"]
    assert "prompt is put back to where it was" in last["message"]
    [container] = case.workload()["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["env"]) == ("model:v3", weights)
    assert [w.status for w in case.patches(committed=False)[:1]] == [422]


def test_annotation_of_the_prompt_is_kept(case: Scenario) -> None:
    """It had none, which the patch tests: it is made anew over the one that is there now."""
    bundle = Bundle(case)
    bundle.stable()
    note = {"metadata": {"annotations": {"example.com/ticket": "4711"}}}
    at_the_last_moment(
        case,
        lambda: case.edit(note, kind="ConfigMap", name=PROMPT),
        writing("configmaps", "PATCH"),
    )
    bundle.deploy("v2", EVIL)
    case.wait_for_outcome("Succeeded")
    assert held(case)["metadata"]["annotations"]["example.com/ticket"] == "4711"
    assert bundle.live() == ("v1", KIND)
    assert [w.status for w in case.proxy.writes("configmaps", committed=False)][-2:] == [422, 200]
    assert case.status()["attempts"] == 1
