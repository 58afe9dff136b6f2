"""What decisions read of a StatefulSet, and which of its pods are in the way of a rollback."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollout.api.component import Component
from model_rollout.api.revision import ComponentValue
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import Stage, SwitchStatus
from model_rollout.decision.blocking import blocking_pods, may_block
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.observed import newest_hash, read_pods, read_workload
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import earlier_contents
from unit.decision.builders import (
    NOW,
    WORKLOAD_UID,
    candidate,
    current,
    entry,
    facts,
    revision,
    spec,
    template,
    transaction,
)

UID = WORKLOAD_UID
FIRST, SECOND = revision(1), candidate(2)
VERIFYING = transaction(SECOND, FIRST, stage=Stage.VERIFYING)
OWNER = [{"uid": UID}]
IMAGE = (Component.model_validate({"name": "image", "image": {"container": "server"}}),)


def stateful_set(
    image: str = "m:1", *, replicas: int = 3, ready: int = 3, observed: int = 2, **changes: Any
) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "sentiment", "namespace": "ml", "uid": UID, "generation": 2},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "sentiment"}},
            "template": template(image),
            **changes,
        },
        "status": {
            "observedGeneration": observed,
            "replicas": replicas,
            "updatedReplicas": ready,
            "availableReplicas": ready,
            "currentRevision": "old",
            "updateRevision": "new",
        },
    }


def kept(name: str, image: str, number: int, owner: str = UID) -> Json:
    """A ControllerRevision, as the controller of StatefulSets writes it."""
    data = {"spec": {"template": {"$patch": "replace", **template(image)}}}
    metadata = {"name": name, "ownerReferences": [{"uid": owner}]}
    return {"metadata": metadata, "data": data, "revision": number}


def pod(name: str, hash_: str, *, ready: bool = False, **metadata: Any) -> Json:
    status = "True" if ready else "False"
    return {
        "metadata": {
            "name": name,
            "uid": f"{name}-uid",
            "labels": {"controller-revision-hash": hash_},
            "ownerReferences": OWNER,
            **metadata,
        },
        "status": {"conditions": [{"type": "Ready", "status": status}]},
    }


def values(image: str) -> tuple[ComponentValue, ...]:
    found = read_content(template(image), IMAGE)
    assert isinstance(found, Content)
    return found.components


KEPT = [kept("first", "m:1", 1), kept("bad", "m:2", 2), kept("new", "m:1", 3)]


def in_the_way(*pods: Json, left: str = "m:2") -> list[str]:
    found = blocking_pods(read_workload(stateful_set()), pods, KEPT, IMAGE, values(left))
    return [each["metadata"]["name"] for each in found]


def test_pod_of_the_revision_that_was_left_is_in_the_way_while_it_is_not_ready() -> None:
    assert in_the_way(pod("a", "bad")) == ["a"]
    assert in_the_way(pod("a", "bad", ready=True)) == []


@pytest.mark.parametrize(
    "other",
    [
        pod("a", "new"),
        pod("a", "first"),
        pod("a", "unknown"),
        pod("a", "bad", ownerReferences=[{"uid": "another"}]),
        pod("a", "bad", ownerReferences=[]),
        pod("a", "bad", deletionTimestamp="2026-01-01T10:00:00Z"),
    ],
    ids=["restored", "older", "unknown", "another owner", "no owner", "being deleted"],
)
def test_other_pods_are_left_alone(other: Json) -> None:
    assert in_the_way(other) == []


def test_pod_of_the_restored_template_is_never_in_the_way_whatever_was_left() -> None:
    """Only a ConfigMap differed: the template that was left holds what the restored one holds."""
    assert in_the_way(pod("a", "new"), pod("b", "first"), left="m:1") == ["b"]


def test_only_a_rollback_that_is_verified_deletes_pods() -> None:
    workload = read_workload(stateful_set(ready=1))
    assert may_block(workload, VERIFYING)
    assert not may_block(workload, None)
    for stage in set(Stage) - {Stage.VERIFYING}:
        assert not may_block(workload, VERIFYING.model_copy(update={"stage": stage}))


@pytest.mark.parametrize(
    "body",
    [
        stateful_set(ready=1, podManagementPolicy="Parallel"),
        stateful_set(ready=1, observed=1),
        stateful_set(ready=1, updateStrategy={"type": "OnDelete"}),
        stateful_set(ready=1, updateStrategy={"rollingUpdate": {"partition": 1}}),
        stateful_set(ready=1) | {"kind": "Deployment"},
    ],
    ids=["parallel", "not seen yet", "on delete", "partition", "Deployment"],
)
def test_pods_are_left_to_whoever_replaces_them(body: Json) -> None:
    assert not may_block(read_workload(body), VERIFYING)


def coming_up(**changes: Any) -> Facts:
    """A rollback from m:2 to m:1 that is written and not yet rolled out."""
    status = {
        "transaction": VERIFYING,
        "current": current(FIRST, serving_since=None, since=NOW - 10.0),
        "quarantine": (entry(SECOND),),
    }
    return facts(live=stateful_set("m:1", ready=1), status=status, **changes)


def test_stuck_pod_is_deleted_by_its_uid_one_at_a_time() -> None:
    stuck = (pod("a", "bad"), pod("b", "bad"))
    decision = decide(coming_up(pods=Pods(blocking=stuck)))
    assert (decision.action, decision.reason) == (Action.UNBLOCK, Reason.ROLLING_OUT)
    [write] = decision.writes
    assert (write.delete, write.ref.kind, write.ref.name) == (True, "Pod", "a")
    assert write.read == stuck[0]
    assert not decision.remembered


def test_stuck_pod_is_left_alone_while_the_switch_is_on_pause() -> None:
    pods = Pods(blocking=(pod("a", "bad"),))
    seen = {"kill_switch": SwitchStatus(value=KillSwitch.PAUSE, since=NOW - 10.0)}
    paused = spec(killSwitch="Pause")
    given = coming_up(pods=pods, spec=paused)
    status = given.status.model_copy(update=seen)
    decision = decide(replace(given, status=status))
    assert (decision.reason, decision.writes) == (Reason.PAUSED, ())


def test_pod_that_may_not_be_deleted_is_told_and_not_tried_again() -> None:
    pods = Pods(blocking=(pod("a", "bad"),))
    decision = decide(coming_up(pods=pods, refused="Pod a: no rule allows it"))
    assert decision.writes == ()
    assert "Pod a: no rule allows it" in decision.message


def test_rolled_out_needs_every_pod_of_the_update_revision_available() -> None:
    assert read_workload(stateful_set()).rolled_out
    assert not read_workload(stateful_set(ready=2)).rolled_out
    assert not read_workload(stateful_set(observed=1)).rolled_out


def test_newest_template_has_the_hash_of_the_update_revision() -> None:
    body = stateful_set()
    assert newest_hash(body, KEPT) == "new"
    pods = [pod("a", "new", ready=True), pod("b", "bad"), pod("c", "first", ready=True)]
    assert read_pods(pods, newest_hash(body, KEPT)).old == 2


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"type": "OnDelete"}, "OnDelete, so no pod is replaced before somebody deletes it"),
        ({"rollingUpdate": {"partition": 2}}, "is 2, so the pods below number 2 keep the template"),
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}, ""),
        ({}, ""),
    ],
)
def test_update_strategy_that_waits_for_a_person_is_told(strategy: Json, said: str) -> None:
    waits = read_workload(stateful_set(ready=1, updateStrategy=strategy)).waits
    assert said in waits if said else waits == ""
    assert read_workload(stateful_set(updateStrategy=strategy)).waits == ""


def test_earlier_contents_are_those_of_its_controller_revisions_oldest_first() -> None:
    foreign = kept("x", "m:9", 9, owner="another")
    found = earlier_contents((KEPT[1], foreign, KEPT[0]), UID, IMAGE)
    assert [each.components[0].value for each in found] == ["m:1", "m:2"]
