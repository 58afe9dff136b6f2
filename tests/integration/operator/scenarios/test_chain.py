"""What follows when a rollback has nowhere to go, does not help, or is refused."""

from support.bundle import EVIL, PROMPT, Bundle, objects_written
from support.nodes import registry
from support.policies import FROZEN, frozen
from support.scenario import BAD, Json, Scenario, deployment

RULES = {
    "name": "rules",
    "alternative": {"image": "model:rules", "weights": "s3://models/none"},
}


def turned_bad(case: Scenario) -> None:
    """v1 and v3 were proven; now everything but v1 answers badly, and v2 is deployed."""
    case.deploy("v3")
    case.wait_for(
        lambda s: s["current"]["revision"] == 2 and s["reason"] == "Watching", "v3 is Stable"
    )
    case.quality["v3"] = BAD
    case.deploy("v2")


def test_escalation_goes_on_to_the_older_stable_revision(case: Scenario) -> None:
    case.stable("v1", rollback={"escalate": True})
    turned_bad(case)
    last = case.wait_for_outcome("Succeeded", timeout=60)
    status = case.wait_for_reason("Watching")
    assert case.version() == "v1"
    assert (last["from"], last["to"]) == (2, 1)
    assert "revision 2 did not help: quality is 0.4" in last["message"]
    assert case.quarantined() == [3, 2]
    assert (status["attempts"], len(status["rollbacks"])) == (2, 1), "a chain counts once"
    assert len(case.patches(committed=False)) == 2


def test_without_escalation_a_rollback_that_does_not_help_latches(case: Scenario) -> None:
    case.stable("v1")
    turned_bad(case)
    case.wait_for_outcome("StillBreached", timeout=60)
    case.operator.wait_for_checks(4)
    status = case.status()
    assert (status["phase"], status["reason"]) == ("Failed", "RollbackDidNotHelp")
    assert case.version() == "v3"
    assert case.quarantined() == []
    assert len(case.patches(committed=False)) == 1


def test_fallback_is_applied_where_there_is_no_revision_to_go_back_to(case: Scenario) -> None:
    case.deploy("v2")
    case.guard(fallbacks=[RULES])
    case.start_operator()
    last = case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    assert "to fallback rules" in case.wait_for_event("MetricBreached", "fallback rules")
    assert case.version() == "rules"
    [container] = case.workload()["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "MODEL_URI", "value": "s3://models/none"}]
    assert (last["from"], last["to"]) == (1, 2)
    assert case.quarantined() == [1]
    assert case.phases() == {1: "Quarantined", 2: "Stable"}


def test_fallback_is_applied_where_the_target_does_not_come_up(case: Scenario) -> None:
    with registry(case, "v1", "v2", "rules") as images:

        def deploy(version: str) -> None:
            case.publish(version)
            body = deployment(version)
            body["spec"]["template"]["spec"] |= images.template
            case.site.kube.apply(body, case.namespace)

        deploy("v1")
        case.guard(rollback={"deadline": "8s"}, fallbacks=[RULES])
        case.start_operator()
        case.wait_for_reason("Watching", timeout=60)
        images.hold("v2", "rules")
        deploy("v2")
        last = case.wait_for_outcome("Succeeded", timeout=90)
        assert "revision 1 does not come up (ImagePullBackOff)" in last["message"]
        assert case.version() == "rules"
        entries = {e["revision"]: e["phase"] for e in case.status()["quarantine"]}
        assert entries == {1: "Unusable", 2: "Quarantined"}
        assert len(case.patches(committed=False)) == 2


def test_fallback_that_names_no_component_holds_and_says_what_to_write(case: Scenario) -> None:
    wrong: Json = {"name": "rules", "alternative": {"imgae": "model:rules"}}
    case.deploy("v2")
    case.guard(fallbacks=[wrong])
    case.start_operator()
    status = case.wait_for_reason("SpecInvalid")
    assert (
        "fallback rules: 'imgae' is no component with a single value; write one of: image, weights"
        in status["message"]
    )
    assert case.condition("Ready")["status"] == "False"
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    case.edit({"spec": {"fallbacks": [RULES]}}, kind="ModelRollout")
    case.wait_for_outcome("Succeeded")
    assert case.version() == "rules"


def test_refusal_of_the_second_write_is_found_before_the_first(case: Scenario) -> None:
    bundle = Bundle(case)
    bundle.stable(rollback={"cooldown": "1h"})
    with frozen(case):
        bundle.deploy("v2", EVIL)
        last = case.wait_for_outcome("Refused")
        assert FROZEN in last["message"]
        case.wait_for_reason("Cooldown")
        case.operator.wait_for_checks(3)
        assert objects_written(case) == []
        assert bundle.live() == ("v2", EVIL)
        assert case.quarantined() == []


def test_refusal_of_the_prompt_leaves_the_deployment_alone(case: Scenario) -> None:
    bundle = Bundle(case)
    bundle.stable(rollback={"cooldown": "1h"})
    with frozen(case, "configmaps", group="", probe=PROMPT):
        bundle.deploy("v2", EVIL)
        last = case.wait_for_outcome("Refused")
        assert f"ConfigMap {PROMPT}: " in last["message"]
        assert FROZEN in last["message"]
        case.operator.wait_for_checks(3)
        assert objects_written(case) == []
        assert bundle.live() == ("v2", EVIL)
