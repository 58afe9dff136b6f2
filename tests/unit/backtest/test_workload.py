from typing import Any

import pytest

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.backtest.replicasets import ReplicaSet, Rollouts
from model_rollout.backtest.states import State
from model_rollout.backtest.workload import Objects, Workload
from model_rollout.decision.observed import newest_hash, read_pods, read_workload
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import earlier_contents

OLD, NEW, OLDER = "model-5c8f6bd7d4", "model-6d4f5b7c9d", "model-7bbbb"
STATES = (
    State(0.0, OLD, 2, {OLD: 2}, {OLD: 2}),
    State(600.0, NEW, 2, {OLD: 1, NEW: 2}, {OLD: 2, NEW: 1}),
    State(660.0, NEW, 2, {NEW: 2}, {NEW: 2}),
)
ROLLOUTS = Rollouts(
    {
        OLDER: ReplicaSet(OLDER, -900.0, {"server": "model:0"}),
        OLD: ReplicaSet(OLD, -500.0, {"server": "model:1"}),
        NEW: ReplicaSet(NEW, 600.0, {"server": "model:2"}),
    },
    STATES,
)
IMAGE = {"name": "image", "image": {"container": "server"}}
WEIGHTS = {"name": "weights", "env": {"container": "server", "name": "MODEL_URI"}}
FLAG = {"name": "flag", "arg": {"container": "server", "flag": "--model"}}
MATCH = {"name": "match", "arg": {"container": "server", "match": "--model=s3://(.+)$"}}
REFERENCE = "spec.template.spec.volumes[name=model].image.reference"
VOLUME = {"name": "volume", "field": {"path": REFERENCE}}
TEMPLATE = {"name": "template", "podTemplate": {}}


def manifest(image: str = "model:2") -> Json:
    container = {
        "name": "server",
        "image": image,
        "env": [{"name": "MODEL_URI", "value": "s3://2"}, {"name": "OTHER", "value": "x"}],
        "args": ["--model", "two", "--verbose"],
    }
    return {
        "metadata": {"name": "model"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}},
    }


def spec(*components: Json) -> ModelRolloutSpec:
    return ModelRolloutSpec.model_validate(
        {
            "targetRef": {"name": "model"},
            "metrics": [{"name": "m", "query": "m", "min": 0}],
            **({"components": list(components)} if components else {}),
        }
    )


def workload(
    *components: Json, written: Json | None = None, rollouts: Rollouts = ROLLOUTS
) -> Workload:
    return Workload(spec(*components), "ml", written, rollouts)


def contents(objects: tuple[Objects, ...], *components: Json) -> list[Content]:
    wanted = spec(*components).components
    read = [read_content(o.deployment["spec"]["template"], wanted) for o in objects]
    assert all(isinstance(content, Content) for content in read), read
    return [content for content in read if isinstance(content, Content)]


def test_the_engine_sees_the_rollout_as_it_was() -> None:
    objects = workload(IMAGE).objects(0.0)
    seen = [read_workload(made.deployment) for made in objects]
    assert [made.time for made in objects] == [0.0, 600.0, 660.0]
    assert [found.rolled_out for found in seen] == [True, False, True]
    assert seen[1].progress == "2 of 2 pods updated, 1 of the old template left, 2 available"
    assert all(found.caught_up for found in seen)


def test_pods_of_the_old_template_are_seen() -> None:
    _, between, _ = workload(IMAGE).objects(0.0)
    wanted = newest_hash(between.deployment, list(between.replica_sets))
    assert wanted == "6d4f5b7c9d"
    assert read_pods(list(between.pods), wanted).old == 2  # one of them terminates


def test_each_replica_set_is_a_revision_with_its_image() -> None:
    first, _, last = contents(workload(IMAGE).objects(0.0), IMAGE)
    assert [first.components[0].value, last.components[0].value] == ["model:1", "model:2"]
    assert first.digest != last.digest


def test_replica_sets_from_before_the_period_are_there_to_go_back_to() -> None:
    first = workload(IMAGE).objects(0.0)[0]
    uid = first.deployment["metadata"]["uid"]
    found = earlier_contents(first.replica_sets, uid, spec(IMAGE).components)
    assert [content.components[0].value for content in found] == ["model:0", "model:1"]


def test_a_later_replica_set_is_not_there_yet() -> None:
    first, between, _ = workload(IMAGE).objects(0.0)
    assert NEW not in {rs["metadata"]["name"] for rs in first.replica_sets}
    assert NEW in {rs["metadata"]["name"] for rs in between.replica_sets}


@pytest.mark.parametrize("component", [WEIGHTS, FLAG, VOLUME, TEMPLATE])
@pytest.mark.parametrize("written", [None, manifest("other:1")])
def test_what_prometheus_does_not_know_differs_with_the_replica_set(
    component: Json, written: Json | None
) -> None:
    objects = workload(component, written=written).objects(0.0)
    first, _, last = contents(objects, component)
    assert first.components_digest != last.components_digest
    assert "not in Prometheus" in first.components[0].value


@pytest.mark.parametrize("written", [None, manifest("other:1")])
def test_an_unknown_match_differs_with_the_replica_set(written: Json | None) -> None:
    first, _, last = contents(workload(MATCH, written=written).objects(0.0), MATCH)
    assert first.components_digest != last.components_digest


def test_the_manifest_tells_the_values_of_the_last_replica_set() -> None:
    objects = workload(WEIGHTS, FLAG, written=manifest()).objects(0.0)
    first, _, last = contents(objects, WEIGHTS, FLAG)
    assert [value.value for value in last.components] == ["s3://2", "two"]
    assert all("not in Prometheus" in value.value for value in first.components)


def test_the_rest_of_the_manifest_stays() -> None:
    first = workload(FLAG, written=manifest()).objects(0.0)[0]
    [container] = first.deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "model:1"
    assert {"name": "OTHER", "value": "x"} in container["env"]
    assert container["args"] == ["--model", f"not in Prometheus (ReplicaSet {OLD})", "--verbose"]


def test_a_manifest_with_other_images_is_not_what_was_deployed() -> None:
    last = workload(WEIGHTS, written=manifest("model:3")).objects(0.0)[-1]
    [content] = contents((last,), WEIGHTS)
    assert "not in Prometheus" in content.components[0].value


@pytest.mark.parametrize("components", [(IMAGE,), (WEIGHTS, FLAG), (TEMPLATE,), ()])
def test_without_any_history_there_is_one_revision(components: tuple[Any, ...]) -> None:
    [alone] = workload(*components, rollouts=Rollouts()).objects(120.0)
    assert alone.time == 120.0
    assert read_workload(alone.deployment).rolled_out
    assert contents((alone,), *components)


def test_without_any_history_the_manifest_is_what_is_deployed() -> None:
    [alone] = workload(WEIGHTS, written=manifest(), rollouts=Rollouts()).objects(0.0)
    [content] = contents((alone,), WEIGHTS)
    assert content.components[0].value == "s3://2"
    assert read_workload(alone.deployment).desired == 3


def test_states_from_before_the_period_begin_with_it() -> None:
    assert [made.time for made in workload(IMAGE).objects(630.0)] == [630.0, 630.0, 660.0]


def test_the_first_known_state_has_been_there_since_the_beginning() -> None:
    assert [made.time for made in workload(IMAGE).objects(-900.0)] == [-900.0, 600.0, 660.0]
