"""Scenario 1: prompt and model are changed together, and only the prompt is bad."""

from support.bundle import EVIL, KIND, PROMPT, Bundle, objects_written
from support.scenario import NAME, Scenario

BLAMES = {"blames": ["prompt"]}
SETTLE = {"settle": "2s"}
"""Long enough that both changes are one revision."""
BOTH = [f"PATCH configmaps {PROMPT}", f"PATCH deployments {NAME}"]


def test_only_the_prompt_is_restored_and_the_new_model_stays(case: Scenario) -> None:
    bundle = Bundle(case)
    bundle.stable(metric=BLAMES, analysis=SETTLE)
    bundle.deploy("v2", EVIL)
    last = case.wait_for_outcome("Succeeded")
    status = case.wait_for_reason("Watching")
    assert bundle.live() == ("v2", KIND)
    assert objects_written(case) == BOTH, "the prompt, then the restart"
    assert "Rolled back revision 2 to 1" in last["message"]
    mixed = case.revisions()[status["current"]["revision"]]
    assert (mixed["spec"]["number"], mixed["spec"]["restoredFrom"]) == (3, 1)
    values = {c["name"]: c["value"] for c in mixed["spec"]["components"]}
    assert values["image"] == "model:v2"
    assert values["prompt"] == _digest_of_the_prompt(case, 1)
    assert case.quarantined() == [2]
    assert case.phases() == {1: "Stable", 2: "Quarantined", 3: "Stable"}


def test_whole_bundle_is_restored_once_where_the_prompt_was_not_the_cause(case: Scenario) -> None:
    bundle = Bundle(case, lambda version, _: version == "v1")
    bundle.stable(metric=BLAMES, analysis=SETTLE)
    bundle.deploy("v2", EVIL)
    last = case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    assert bundle.live() == ("v1", KIND)
    assert objects_written(case) == [*BOTH, f"PATCH deployments {NAME}"]
    assert "prompt alone did not help: quality is 0.4" in last["message"]
    status = case.status()
    assert (status["current"]["revision"], status["attempts"], len(status["rollbacks"])) == (
        1,
        2,
        1,
    )
    assert case.quarantined() == [2, 3]


def test_whole_bundle_that_does_not_help_either_is_the_end(case: Scenario) -> None:
    bundle = Bundle(case, lambda version, _: version == "v1")
    bundle.stable(metric=BLAMES, analysis=SETTLE)
    bundle.deploy("v2", EVIL)
    bundle.good = lambda *_: False
    case.wait_for_outcome("StillBreached")
    case.operator.wait_for_checks(4)
    status = case.status()
    assert (status["phase"], status["reason"]) == ("Failed", "RollbackDidNotHelp")
    assert bundle.live() == ("v1", KIND)
    assert len(objects_written(case)) == 3, "the part, the whole, and nothing any more"
    assert case.quarantined() == [], "the version was not the cause"


def _digest_of_the_prompt(case: Scenario, number: int) -> str:
    components = case.revisions()[number]["spec"]["components"]
    found: str = next(c["value"] for c in components if c["name"] == "prompt")
    return found
