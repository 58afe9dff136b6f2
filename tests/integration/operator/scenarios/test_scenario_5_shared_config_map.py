"""Scenario 5: two ModelRollouts share a ConfigMap, and one of them breaches."""

from localcluster.waiting import wait_until
from support.bundle import EVIL, KIND, PROMPT, SYSTEM, Bundle, maps_written, prompt, write_prompt
from support.metrics_source import quality
from support.scenario import BAD, COMPONENTS, GOOD, NAME, Scenario, version_of

OTHER = "other"
SHARED = {"name": "prompt", "configMap": {**SYSTEM["configMap"], "shared": True}}


def two_guards(case: Scenario, *, shared: bool) -> Bundle:
    """Guard two models that read one prompt; the other one's quality is `model="other"`."""
    components = [*COMPONENTS, SHARED if shared else SYSTEM]
    show(case, GOOD)
    write_prompt(case, KIND)
    case.deploy("v1", name=OTHER)
    of_other = quality(case.namespace).replace("}", ',model="other"}')
    settle = {"settle": "2s"}
    case.guard(
        OTHER, target=OTHER, components=components, metric={"query": of_other}, analysis=settle
    )
    bundle = Bundle(case)
    bundle.deploy("v1", KIND)
    of_model = quality(case.namespace).replace("}", ',model=""}')
    case.guard(components=components, metric={"query": of_model}, analysis=settle)
    case.start_operator()
    for name in (NAME, OTHER):
        case.wait_for_reason("Watching", name=name)
    return bundle


def show(case: Scenario, value: float) -> None:
    case.site.source.publish(case.namespace, value, model=OTHER)


def patches_of(case: Scenario, name: str) -> int:
    return sum(write.request.name == name for write in case.patches(committed=False))


def test_map_that_both_may_not_move_is_refused_before_anything_is_written(case: Scenario) -> None:
    bundle = two_guards(case, shared=False)
    bundle.deploy("v1", EVIL)
    status = case.wait_for_reason("SharedComponent")
    assert "write shared: true in both" in status["message"]
    assert f"ModelRollout {OTHER}" in status["message"]
    assert case.condition("SharedComponent")["status"] == "True"
    case.wait_for_event("SharedComponent", OTHER)
    case.operator.wait_for_checks(3)
    assert maps_written(case, committed=False) == []
    assert case.patches(committed=False) == []
    assert prompt(case) == EVIL


def test_shared_map_moves_for_both_and_the_sibling_records_it(case: Scenario) -> None:
    bundle = two_guards(case, shared=True)
    case.deploy("v3", name=OTHER)
    bundle.deploy("v1", EVIL)
    wait_until(
        lambda: case.status(OTHER)["current"]["revision"] == 2, 20, "the sibling has revision 2"
    )
    case.wait_for_outcome("Succeeded")
    sibling = wait_until(
        lambda: case.status(OTHER),
        30,
        "the sibling is Stable with the restored prompt",
        until=lambda s: s["current"]["revision"] == 3 and s["reason"] == "Watching",
    )
    assert prompt(case) == KIND
    assert version_of(case.workload(OTHER)) == "v3", "its own components stay"
    case.operator.wait_for_checks(6)
    assert maps_written(case, committed=False) == [f"PATCH configmaps {PROMPT}"], "no ping-pong"
    assert (patches_of(case, NAME), patches_of(case, OTHER)) == (1, 0)
    assert sibling.get("attempts", 0) == 0
    assert sibling.get("quarantine", []) == []


def test_both_that_breach_move_the_shared_map_once(case: Scenario) -> None:
    bundle = two_guards(case, shared=True)
    bundle.deploy("v1", EVIL)
    show(case, BAD)
    wait_until(lambda: prompt(case) == KIND, 40, "the prompt is restored")
    show(case, GOOD)
    for name in (NAME, OTHER):
        case.wait_for_reason("Watching", name=name, timeout=40)
    case.operator.wait_for_checks(6)
    assert prompt(case) == KIND
    assert maps_written(case) == [f"PATCH configmaps {PROMPT}"]
    assert patches_of(case, NAME) + patches_of(case, OTHER) <= 2
