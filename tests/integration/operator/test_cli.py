"""The command line against a real API server, with a real operator that does what it is asked."""

import json
import re
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.accounts import kubeconfig_for_service_account
from localcluster.waiting import wait_until
from support.faults import Request, writing
from support.person import Person
from support.scenario import NAME, Scenario

OPERATOR = Path(__file__).resolve().parents[3] / "operator"


@dataclass
class Following:
    """A command that goes on until Ctrl-C."""

    person: Person
    words: tuple[str, ...]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            self.person.command(*self.words),
            env=self.person.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str) -> str:
        """Wait for a line; return it."""

        def found() -> str | None:
            return next((line for line in self.lines if re.search(pattern, line)), None)

        line = wait_until(found, 60, f"a line {pattern!r} in {self.lines}")
        assert line is not None
        return line

    def interrupt(self) -> int:
        """Ctrl-C; return the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends by itself; return the exit status."""
        status = self._process.wait(20)
        self._reader.join(5)
        return status


def two_good_revisions(case: Scenario) -> Person:
    """Revision 1 is Stable, revision 2 is deployed and measured."""
    case.stable("v1")
    case.deploy("v3")
    case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
    case.wait_for_reason("Watching")
    return Person(case)


def test_rollback_waits_for_the_end_and_resume_turns_automation_on(case: Scenario) -> None:
    person = two_good_revisions(case)
    said = person.types("rollback", NAME, "--yes", "--reason", "complaints")
    assert "goes from revision 2 (model:v3, s3://models/v3) to" in said
    assert re.search(r"Succeeded +Rolled back revision 2 to 1: killSwitch: Rollback", said), said
    assert f"No automation acts until: modelrollout resume {NAME}" in said
    assert case.version() == "v1"
    assert case.quarantined() == [2]
    assert case.rollout()["metadata"]["annotations"] == {"modelrollout.dev/reason": "complaints"}

    again = person.types("rollback", NAME, "--yes", status=2)
    assert "its rollback has ended; for another one write first: modelrollout resume" in again
    assert "automation is on again (the kill switch was Rollback)" in person.types("resume", NAME)
    assert case.status()["killSwitch"]["value"] == "None"
    assert "annotations" not in case.rollout()["metadata"]
    assert "is not stopped" in person.types("resume", NAME)
    assert case.version() == "v1"
    assert len(case.patches(committed=False)) == 1


def test_rollback_refuses_what_the_operator_would_refuse(case: Scenario) -> None:
    person = two_good_revisions(case)
    person.types("rollback", NAME, "--to", "1", "--yes")
    person.types("resume", NAME)
    for to, sentence in (
        ("9", "there is no revision 9; there are: 1, 2"),
        ("1", "revision 1 is deployed already"),
        ("2", "revision 2 is quarantined (SwitchRollback); to clear that first: modelrollout unq"),
    ):
        assert sentence in person.types("rollback", NAME, "--to", to, "--yes", status=2)
    said = person.types("rollback", NAME, "--yes", status=2)
    assert "there is no revision to go back to: revision 2 is quarantined" in said
    assert "nobody can be asked here: write --yes" not in said
    assert case.rollout()["spec"]["killSwitch"] == "None"
    assert "toRevision" not in case.rollout()["spec"]["rollback"]
    assert case.status()["attempts"] == 1


def test_rollback_to_a_revision_that_a_person_cleared(case: Scenario) -> None:
    person = two_good_revisions(case)
    person.types("rollback", NAME, "--yes")
    person.types("resume", NAME)
    assert "those that are: 2" in person.types("unquarantine", NAME, "1", status=2)
    said = person.types("unquarantine", NAME, "2")
    assert "The quarantine of revision 2 (SwitchRollback) was cleared by a person" in said
    assert case.quarantined() == []
    assert "annotations" not in case.rollout()["metadata"]

    person.types("rollback", NAME, "--to", "2", "--yes")
    assert case.version() == "v3"
    person.types("unquarantine", NAME, "1")
    # Flips in quick succession: the operator has to see both.
    person.types("resume", NAME, "--no-wait")
    person.types("rollback", NAME, "--to", "1", "--yes")
    assert case.version() == "v1"
    assert case.status()["attempts"] == 3


def test_pause_stops_the_operator_and_says_how_to_come_back(case: Scenario) -> None:
    case.stable("v1")
    person = Person(case)
    said = person.types("pause", NAME, "--reason", "migration of the index")
    assert f"{NAME} is paused: it is measured, nothing is written to Deployment {NAME}" in said
    assert f"To come back: modelrollout resume {NAME} --kubeconfig" in said
    assert "is paused already" in person.types("pause", NAME)
    [manager] = [
        entry["manager"]
        for entry in case.rollout()["metadata"]["managedFields"]
        if "f:killSwitch" in json.dumps(entry["fieldsV1"])
        and entry["manager"] == "kubectl-modelrollout"
    ]
    assert manager == "kubectl-modelrollout"
    case.deploy("v2")
    case.wait_for_reason("Paused")
    explained = person.types("explain", NAME)
    assert f"{NAME} is Paused (Paused)" in explained
    assert "Without it: Rolling back revision 2 to revision 1: quality is 0.4" in explained
    assert f"modelrollout resume {NAME}" in explained
    assert case.patches(committed=False) == []

    person.types("resume", NAME)
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"


def test_rollback_that_was_interrupted_goes_on(case: Scenario) -> None:
    person = two_good_revisions(case)
    case.operator.freeze()
    following = Following(person, ("rollback", NAME, "--yes"))
    wait_until(lambda: case.rollout()["spec"]["killSwitch"] == "Rollback", 30, "the flip")
    assert following.interrupt() == 130
    assert any("and the operator goes on; to follow it:" in line for line in following.lines)
    case.operator.thaw()
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"


def test_rollback_that_does_not_end_in_time(case: Scenario) -> None:
    person = two_good_revisions(case)
    case.operator.freeze()
    said = person.types("rollback", NAME, "--yes", "--timeout", "2s", status=1)
    assert "not finished after 2s; to follow it: modelrollout status" in said
    case.operator.thaw()


def test_pause_holds_without_an_operator(case: Scenario) -> None:
    case.deploy("v1")
    case.guard()
    person = Person(case)
    said = person.types("pause", NAME, "--timeout", "1s")
    assert "the operator has not said so yet" in said
    assert case.rollout()["spec"]["killSwitch"] == "Pause"
    said = person.types("resume", NAME, "--timeout", "1s", status=1)
    assert "so nothing may guard the model" in said
    assert "the operator has not looked at it yet: is it running?" in person.types("status")
    said = person.types("rollback", NAME, "--yes", status=2)
    assert f"nothing is recorded of {NAME} yet" in said


def test_status_follows_changes_until_it_is_interrupted(case: Scenario) -> None:
    case.stable("v1")
    person = Person(case)
    one, every = Following(person, ("status", NAME, "-w")), Following(person, ("status", "--watch"))
    one.wait_for(rf"^ModelRollout {case.namespace}/{NAME} of Deployment {NAME}$")
    one.wait_for(r"^\d\d:\d\d:\d\d +Healthy +1 +1 +None +<none> +Watching +Revision 1 is Stable")
    every.wait_for(rf"^{NAME} +Healthy +1 +1 +None +<none> +Revision 1 is Stable")
    case.deploy("v2")
    one.wait_for(r"RollingBack +2 +1 +None +quality +MetricBreached +Rolling back revision 2")
    every.wait_for(rf"^{NAME} +RollingBack +2 +1 +None +quality +Rolling back revision 2")
    one.wait_for("Succeeded +Rolled back revision 2 to 1")
    every.wait_for("Rolled back revision 2 to 1")
    assert (one.interrupt(), every.interrupt()) == (130, 130)
    assert not any("Traceback" in line for line in [*one.lines, *every.lines])


def test_status_follows_as_documents_and_sees_a_deletion(case: Scenario) -> None:
    case.deploy("v1")
    case.guard()
    person = Person(case)
    documents = Following(person, ("status", NAME, "-w", "-o", "yaml"))
    one = Following(person, ("status", NAME, "-w"))
    every = Following(person, ("status", "-w"))
    documents.wait_for("killSwitch: None")
    one.wait_for("the operator has not looked at it yet")
    every.wait_for(f"^{NAME} ")
    case.flip("Pause")
    documents.wait_for("killSwitch: Pause")
    one.wait_for("Pause")
    case.site.kube.delete("ModelRollout", case.namespace, NAME)
    every.wait_for(f"^{NAME} +Deleted")
    one.wait_for(f"{NAME} was deleted: nothing guards it now")
    assert one.wait() == 1
    assert documents.interrupt() == 130
    assert every.interrupt() == 130
    bodies = list(yaml.safe_load_all("\n".join(documents.lines)))
    assert [body["spec"]["killSwitch"] for body in bodies if body] == ["None", "Pause", "Pause"]
    assert not any("managedFields" in body["metadata"] for body in bodies if body)


def test_what_was_deployed_and_what_differs(case: Scenario) -> None:
    case.stable("v1")
    case.deploy("v2", container={"resources": {"requests": {"cpu": "1m"}}})
    case.wait_for_outcome("Succeeded")
    person = Person(case)
    history = person.types("history", NAME).splitlines()
    assert history[0].split() == ["NUMBER", "PHASE", "REASON", "SERVED", "QUALITY", "MODEL"]
    assert re.match(r"1 +Stable +Proven +\d+s +0\.95 +model:v1, s3://models/v1", history[1])
    assert re.match(r"2 +Quarantined +MetricBreached +\d+s +0\.4 +model:v2, ", history[2])
    difference = person.types("diff", NAME, "1", "2").splitlines()
    assert "-model:v1" in difference
    assert "+model:v2" in difference
    assert "-s3://models/v1" in difference
    assert "! containers[server].resources" in difference
    document = json.loads(person.types("diff", NAME, "1", "2", "-o", "json"))
    assert [component["name"] for component in document["components"]] == ["image", "weights"]
    listed = json.loads(person.types("history", NAME, "-o", "json"))
    assert [item["spec"]["number"] for item in listed["items"]] == [1, 2, 3]
    assert {item["kind"] for item in listed["items"]} == {"ModelRevision"}
    assert json.loads(person.types("status", NAME, "-o", "json"))["kind"] == "ModelRollout"
    said = person.types("status", NAME)
    assert "Rollback from 2 to 1: Succeeded at" in said
    assert "mode Automatic, 1 of 20 used within 1d" in said
    assert "Revision 3 (model:v1, s3://models/v1) of Deployment" in person.types("explain", NAME)


def test_names_that_are_not_there(case: Scenario) -> None:
    case.guard("one")
    case.guard("two", target="two")
    person = Person(case)
    namespace = case.namespace
    for words in (("status", "three"), ("status", "three", "-w"), ("explain", "three")):
        said = person.types(*words, status=1)
        assert f"no ModelRollout three in namespace {namespace}; there are one, two" in said
    assert person.types("__names").split() == ["one", "two"]
    said = person.types("status", "one", "-A", status=2)
    assert "a name is in one namespace" in said
    assert f"{namespace} " in person.types("status", "-A")


def account(case: Scenario, *verbs: str, server: str | None = None) -> Person:
    """A person who may do these things, and nothing else."""
    kube, namespace, group = case.site.kube, case.namespace, "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": ["modelrollout.dev"], "resources": ["modelrollouts"], "verbs": list(verbs)}
    ]
    rules = rules if verbs else []
    metadata = {"name": "person"}
    subject = {"kind": "ServiceAccount", "name": "person", "namespace": namespace}
    role_ref = {"apiGroup": group, "kind": "Role", "name": "person"}
    bodies: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": role_ref,
        },
    ]
    for body in bodies:
        kube.create(body, namespace)
    file = case.site.workspace.folder / f"{namespace}-person.kubeconfig"
    cluster = case.site.control_plane
    return Person(
        case, kubeconfig_for_service_account(cluster, namespace, "person", file, server=server)
    )


@pytest.mark.parametrize(
    ("verbs", "words", "missing"),
    [
        ((), ("status",), "list modelrollouts in namespace NAMESPACE"),
        ((), ("status", "-A"), "list modelrollouts in all namespaces: ask for a ClusterRole"),
        ((), ("status", NAME), "get modelrollouts in namespace NAMESPACE: ask for a Role"),
        (("list",), ("status", "-w"), "watch modelrollouts in namespace NAMESPACE"),
        (("get",), ("pause", NAME), "patch modelrollouts in namespace NAMESPACE"),
        (("get",), ("history", NAME), "list modelrevisions in namespace NAMESPACE"),
        (("get",), ("audit", "export"), "list rolloutrecords in namespace NAMESPACE"),
    ],
)
def test_what_a_person_may_not_do_is_named(
    case: Scenario, verbs: tuple[str, ...], words: tuple[str, ...], missing: str
) -> None:
    case.guard()
    person = account(case, *verbs)
    said = person.types(*words, status=1)
    assert f"you may not {missing.replace('NAMESPACE', case.namespace)}" in said
    assert "to check: kubectl auth can-i" in said
    assert case.rollout()["spec"]["killSwitch"] == "None"


FLIP = writing("modelrollouts", "PATCH")


def test_what_somebody_else_decided_meanwhile_is_not_overwritten(case: Scenario) -> None:
    case.guard()
    person = account(case, "get", "list", "watch", "patch", server=case.proxy.url)

    def act(_: Request) -> None:
        case.flip("Rollback")

    case.proxy.before(FLIP, act)
    said = person.types("pause", NAME, "--no-wait", status=1)
    assert "it changed meanwhile, and nothing was written: look at it again with" in said
    assert case.rollout()["spec"]["killSwitch"] == "Rollback"


def test_what_does_not_matter_may_change_meanwhile(case: Scenario) -> None:
    case.guard()
    person = account(case, "get", "list", "watch", "patch", server=case.proxy.url)

    def act(_: Request) -> None:
        case.edit({"metadata": {"annotations": {"a": "b"}}}, kind="ModelRollout")

    case.proxy.before(FLIP, act)
    person.types("pause", NAME, "--no-wait", "--reason", "why")
    assert case.rollout()["spec"]["killSwitch"] == "Pause"
    annotations = case.rollout()["metadata"]["annotations"]
    assert annotations == {"a": "b", "modelrollout.dev/reason": "why"}
    assert case.proxy.writes("modelrollouts", committed=False)[0].request.method == "PATCH"


def test_audit_of_a_real_chain(case: Scenario) -> None:
    """As an auditor does it: export, keep the head, and verify both against each other later."""
    case.stable("v1", rollback={"cooldown": "1h"})
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    wait_until(lambda: len(case.records()) == 2, 15, "the outcome is recorded")
    person = Person(case)
    exported = person.types("audit", "export")
    lines = [json.loads(line) for line in exported.splitlines()]
    assert [line["spec"] for line in lines] == case.records()
    head = lines[-1]["spec"]["digest"]
    assert f"Intact   {head}" in person.types("audit", "verify", NAME, "--head", head)
    assert person.types("audit", "export", NAME) == exported, "the same records, the same bytes"

    case.site.kube.delete("RolloutRecord", case.namespace, lines[-1]["metadata"]["name"])
    said = person.types("audit", "verify", "--head", head, status=1)
    assert "record 2 is missing after record 1: the end was cut off" in said
    assert f"no record has the digest {head}" in said
    file = case.site.workspace.folder / f"{case.namespace}.jsonl"
    file.write_text(exported)
    assert "Intact" in person.types("audit", "verify", "-f", str(file), "--head", head)
