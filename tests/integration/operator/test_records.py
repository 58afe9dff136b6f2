"""RolloutRecords: exactly one Intent and one Outcome of a rollback, whatever goes wrong."""

import asyncio
import re
import time
from typing import Any

from localcluster.accounts import kubeconfig_for_service_account
from localcluster.controlplane import KubectlError
from localcluster.waiting import wait_until
from model_rollout.adapters.kubernetes.client import load_api
from model_rollout.adapters.kubernetes.cluster import KubernetesCluster
from model_rollout.engine.retention import Retention
from model_rollout.records.chain import content_digest
from model_rollout.records.retention import DAY
from support.faults import Broken, Request, refusal, writing
from support.scenario import NAME, SERVICE_ACCOUNT, SYSTEM_NAMESPACE, Scenario
from unit.engine.fakes import FakeTime
from unit.records.made_up import bodies

INTENT = (1, "Intent", "MetricBreached", "")
OUTCOME = (2, "Outcome", "Succeeded", "Succeeded")
CREATION = writing("rolloutrecords", "POST")


def rolled_back(case: Scenario) -> None:
    """Wait until a rollback has succeeded and nothing is left to be written."""
    case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    case.operator.wait_for_checks(2)


def test_rollback_leaves_an_intent_and_an_outcome_in_one_chain(case: Scenario) -> None:
    case.stable("v1", rollback={"cooldown": "1h"})
    assert case.records() == [], "neither a deploy nor the steady state is recorded"
    case.deploy("v2")
    rolled_back(case)
    assert case.recorded() == [INTENT, OUTCOME]
    intent, outcome = case.records()
    assert [content_digest(spec) for spec in (intent, outcome)] == [
        intent["digest"],
        outcome["digest"],
    ]
    assert "previous" not in intent
    assert outcome["previous"]["digest"] == intent["digest"]
    assert intent["transaction"] == outcome["transaction"]
    assert (intent["from"]["revision"], intent["to"]["revision"]) == (2, 1)
    assert intent["evidence"][0]["class"] == "Breached"
    assert intent["evidence"][0]["query"]
    assert outcome["components"] == intent["components"], "what was to be restored is live"
    assert case.status()["records"][-1]["digest"] == outcome["digest"]


def test_intent_is_recorded_before_the_workload_is_written(case: Scenario) -> None:
    case.stable("v1")
    case.deploy("v2")
    rolled_back(case)
    written = [w.request.resource for w in case.proxy.writes() if w.committed]
    first = written.index("rolloutrecords")
    assert written[first - 1] == "modelrollouts/status"
    assert "deployments" not in written[:first]
    assert written.count("rolloutrecords") == 2


def test_record_that_is_refused_keeps_the_workload_as_it_is(case: Scenario) -> None:
    case.stable("v1", rollback={"cooldown": "1h"})
    case.proxy.before(CREATION, lambda _: refusal(403, "Forbidden"), times=1000)
    case.deploy("v2")
    status = case.wait_for_reason("Unrecorded")
    assert "403" in status["message"]
    assert status["transaction"]["stage"] == "Applying"
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    assert case.version() == "v2"
    assert case.wait_for_event("Unrecorded")
    case.proxy.clear()
    rolled_back(case)
    assert case.recorded() == [INTENT, OUTCOME]
    assert len(case.patches()) == 1


def test_operator_that_dies_over_a_record_writes_it_once(case: Scenario) -> None:
    """Before the first record is written, after it is, and the same for the second one."""
    case.stable("v1", rollback={"cooldown": "1h"})
    for place in (case.proxy.before, case.proxy.after, case.proxy.before, case.proxy.after):
        place(CREATION, lambda request: _die(case, request))
    case.deploy("v2")
    for _ in range(4):
        wait_until(lambda: not case.operator.is_running, 40, "the operator dies over a record")
        case.start_operator()
    rolled_back(case)
    assert case.recorded() == [INTENT, OUTCOME]
    assert len(case.patches()) == 1


def _die(case: Scenario, _: Request) -> Broken:
    case.operator.kill()
    return Broken.DROPPED


def test_record_that_is_sent_twice_is_one(case: Scenario) -> None:
    case.stable("v1", rollback={"cooldown": "1h"})
    case.proxy.before(CREATION, lambda _: Broken.TWICE, times=2)
    case.deploy("v2")
    rolled_back(case)
    assert case.recorded() == [INTENT, OUTCOME]


def test_record_under_the_same_name_with_another_content_is_left_alone(case: Scenario) -> None:
    """Somebody who may create records guesses the name: the operator says so and writes nothing."""
    case.stable("v1", rollback={"cooldown": "1h"})

    def forge(request: Request) -> None:
        body: dict[str, Any] = request.json
        forged = {**body["spec"], "message": "nothing happened"}
        case.site.kube.create({**body, "spec": forged}, case.namespace)

    case.proxy.before(CREATION, forge)
    case.deploy("v2")
    status = case.wait_for_reason("Unrecorded")
    assert "another content" in status["message"]
    case.operator.wait_for_checks(2)
    assert case.version() == "v2"
    (record,) = case.records()
    assert record["message"] == "nothing happened", "never overwritten"
    case.site.kube.delete("RolloutRecord", case.namespace, _names(case)[0])
    rolled_back(case)
    assert case.recorded() == [INTENT, OUTCOME]


def test_operator_may_write_records_once_and_never_change_one(case: Scenario) -> None:
    account = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{SERVICE_ACCOUNT}"
    verbs = ("get", "list", "create", "delete", "update", "patch", "deletecollection", "watch")

    def may(verb: str) -> bool:
        command = ("auth", "can-i", verb, "rolloutrecords.modelrollout.dev", "--as", account)
        try:
            return case.site.control_plane.kubectl(*command, "-n", case.namespace).strip() == "yes"
        except KubectlError:  # its exit status says no
            return False

    assert [verb for verb in verbs if may(verb)] == ["get", "list", "create", "delete"]


def test_old_records_are_deleted_with_the_rights_of_the_operator(case: Scenario) -> None:
    for body in bodies(3):
        body["metadata"].pop("namespace")
        case.site.kube.create(body, case.namespace)
    kubeconfig = kubeconfig_for_service_account(
        case.site.control_plane,
        SYSTEM_NAMESPACE,
        SERVICE_ACCOUNT,
        case.site.workspace.folder / f"{case.namespace}-retention.kubeconfig",
    )

    async def sweep(later: float) -> None:
        api = await load_api(str(kubeconfig), None)
        clock = FakeTime(time.time() + later)
        cluster = KubernetesCluster(api, (case.namespace,))
        try:
            await Retention(cluster, clock, lambda: True, keep=180 * DAY).sweep()
        finally:
            await api.close()

    asyncio.run(sweep(179 * DAY))
    assert [spec["sequence"] for spec in case.records("sentiment")] == [1, 2, 3]
    asyncio.run(sweep(181 * DAY))
    assert [spec["sequence"] for spec in case.records("sentiment")] == [3]


def _names(case: Scenario) -> list[str]:
    items = case.site.kube.items("RolloutRecord", case.namespace)
    return [item["metadata"]["name"] for item in items]


def test_records_survive_their_model_rollout_and_another_of_the_name_has_a_chain_of_its_own(
    case: Scenario,
) -> None:
    case.stable("v1", rollback={"cooldown": "1h"})
    case.deploy("v2")
    rolled_back(case)
    case.site.kube.delete("ModelRollout", case.namespace, NAME)
    wait_until(lambda: not case.revisions(), 30, "the ModelRevisions are collected")
    assert case.recorded() == [INTENT, OUTCOME]
    case.guard(killSwitch="Pause")
    wait_until(lambda: len(case.records()) == 3, 30, "the flip of the new one is recorded")
    chains = {spec["rollout"]["uid"] for spec in case.records()}
    assert len(chains) == 2
    assert sorted(spec["sequence"] for spec in case.records()) == [1, 1, 2]


def test_what_a_person_does_is_recorded_with_what_is_known_of_who_and_why(case: Scenario) -> None:
    case.stable("v1")
    reason = {"annotations": {"modelrollout.dev/reason": "complaints"}}
    case.edit({"metadata": reason, "spec": {"killSwitch": "Pause"}}, kind="ModelRollout")
    case.wait_for(lambda s: s.get("phase") == "Paused", "the switch is seen")
    wait_until(case.records, 15, "the flip is recorded")
    (record,) = case.records()
    assert (record["stage"], record["reason"]) == ("Decision", "SwitchFlipped")
    assert record["actor"] == {
        "kind": "Person",
        "name": "",
        "knownBy": "Unknown",
        "stated": "complaints",
    }
    written = len(case.proxy.writes())
    case.operator.wait_for_checks(3)
    assert case.written_after(written) == [], "while it stays so, nothing more is recorded"


def test_what_dry_run_would_have_done_is_recorded_once(case: Scenario) -> None:
    case.stable("v1", rollback={"mode": "DryRun"})
    case.deploy("v2")
    case.wait_for_reason("DryRun")
    case.operator.wait_for_checks(4)
    assert case.recorded() == [(1, "Decision", "DryRun", "")]
    assert "Rolling back revision 2 to revision 1" in case.records()[0]["message"]
    assert case.version() == "v2"


def test_approved_rollback_tells_what_waited_and_that_a_person_let_it_begin(case: Scenario) -> None:
    case.stable("v1", rollback={"mode": "Manual"})
    case.deploy("v2")
    case.wait_for_reason("AwaitingApproval")
    (waiting,) = wait_until(case.records, 15, "what waits is recorded")
    assert waiting["reason"] == "AwaitingApproval"
    pending = re.findall(r"approve=([0-9a-f]{16})", waiting["message"])[0]
    annotations = {"annotations": {"modelrollout.dev/approve": pending}}
    case.edit({"metadata": annotations}, kind="ModelRollout")
    rolled_back(case)
    _, approval, intent, outcome = case.records()
    assert (approval["action"], approval["actor"]["kind"]) == ("Approve", "Person")
    assert {r["transaction"] for r in (approval, intent, outcome)} == {pending}
    assert [r["stage"] for r in (approval, intent, outcome)] == ["Decision", "Intent", "Outcome"]
