"""What decisions read of an InferenceService, and how its parts are written back."""

from typing import Any

import pytest

from model_rollout.api.component import Component, whole_predictor
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.decision.inference import read_inference_pods, read_inference_service
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content, summary
from model_rollout.revisions.restore import object_operations, restore_operations
from model_rollout.revisions.workloads import document
from unit.decision.builders import SPEC
from unit.revisions.oracle import apply_patch

WRITTEN, LATER = "2026-01-01T10:00:00Z", "2026-01-01T10:00:05Z"
SOON = 1767261610.0
"""Ten seconds after WRITTEN."""
URI = Component.model_validate({"name": "m", "field": {"path": "spec.predictor.model.storageUri"}})


def service(
    uri: str = "s3://m/1",
    *,
    status: str = "UpToDate",
    ready: bool = True,
    seen: str = LATER,
    annotations: Json | None = None,
    failure: Json | None = None,
    **predictor: Any,
) -> Json:
    spec = {"predictor": {"model": {"storageUri": uri}, **predictor}}
    model = {"transitionStatus": status, "lastFailureInfo": failure}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "iris",
            "namespace": "ml",
            "uid": "u",
            "generation": 9,
            **({"annotations": annotations} if annotations else {}),
            "managedFields": [
                {"manager": "helm", "time": WRITTEN, "fieldsV1": {"f:spec": {}}},
                {"manager": "kserve", "time": seen, "subresource": "status"},
            ],
        },
        "spec": spec,
        "status": {
            "observedGeneration": 1,
            "modelStatus": model,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def held(body: Json, components: tuple[Component, ...] = (URI,)) -> Content:
    found = read_content(document(body), components)
    assert isinstance(found, Content), found
    return found


def test_rolled_out_is_up_to_date_and_ready_whatever_generation_was_observed() -> None:
    assert read_inference_service(service(), SOON).rolled_out
    assert not read_inference_service(service(status="InProgress"), SOON).rolled_out
    assert not read_inference_service(service(ready=False), SOON).rolled_out


def test_status_from_before_the_spec_is_not_believed_for_a_minute() -> None:
    stale = service(seen="2026-01-01T09:59:59Z")
    assert not read_inference_service(stale, SOON).rolled_out
    assert not read_inference_service(stale, SOON).caught_up
    assert read_inference_service(stale, SOON + 60.0).rolled_out


@pytest.mark.parametrize(
    ("body", "desired"),
    [
        (service(), 1),
        (service(minReplicas=4), 4),
        (service(minReplicas=0), 1),
        (service(annotations={"serving.kserve.io/stop": "true"}), 0),
    ],
    ids=["nothing said", "four", "from zero", "stopped"],
)
def test_only_a_stopped_service_serves_nothing(body: Json, desired: int) -> None:
    assert read_inference_service(body, SOON).desired == desired


def test_failed_load_is_the_fault_of_the_revision() -> None:
    failure = {"reason": "ModelLoadFailed", "message": "no such bucket"}
    pods = read_inference_pods(service(status="BlockedByFailedLoad", failure=failure))
    assert pods.stuck == ("ModelLoadFailed: no such bucket",)
    assert read_inference_pods(service(status="InProgress", failure=failure)).stuck == ()


def test_manager_of_the_spec_is_named_and_not_that_of_the_status() -> None:
    assert read_inference_service(service(), SOON).manager == "helm"


def test_scaling_is_no_part_of_the_identity() -> None:
    for components in ((URI,), whole_predictor()):
        one, other = service(minReplicas=1), service(minReplicas=7, maxReplicas=9)
        assert held(one, components).digest == held(other, components).digest
        assert held(one, components).digest != held(service(timeout=5), components).digest


def test_whole_predictor_is_restored_and_its_scale_is_left_alone() -> None:
    wanted = held(service("s3://m/1", timeout=60), whole_predictor())
    live = service("s3://m/2", minReplicas=7, runtime="x")
    patch = restore_operations(live, whole_predictor(), wanted.components, "t1")
    after = apply_patch(live, list(patch))
    assert after["spec"]["predictor"] == {
        "model": {"storageUri": "s3://m/1"},
        "timeout": 60,
        "minReplicas": 7,
    }
    assert after["metadata"]["annotations"] == {"modelrollout.dev/transaction": "t1"}


def test_one_field_is_restored_with_tests_of_what_was_read() -> None:
    patch = restore_operations(service("s3://m/2"), (URI,), held(service()).components, "t1")
    place = "/spec/predictor/model/storageUri"
    assert {"op": "test", "path": place, "value": "s3://m/2"} in patch
    assert {"op": "replace", "path": place, "value": "s3://m/1"} in patch


def test_predictor_is_told_by_where_its_model_comes_from() -> None:
    assert summary(held(service(), whole_predictor()).components) == "predictor s3://m/1"


@pytest.mark.parametrize(("uri", "pinned"), [("s3://m/1", True), ("hf://m:main", False)])
def test_predictor_is_pinned_unless_a_text_in_it_can_change(uri: str, pinned: bool) -> None:
    [value] = held(service(uri), whole_predictor()).components
    assert value.pinned is pinned


def test_components_default_to_the_predictor() -> None:
    target = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "iris"}
    written = {name: part for name, part in SPEC.items() if name != "components"}
    spec = ModelRolloutSpec.model_validate(written | {"targetRef": target})
    assert spec.components == whole_predictor()
    assert ModelRolloutSpec.model_validate(written).components[0].pod_template is not None


FLAG = Component.model_validate(
    {
        "name": "flag",
        "field": {
            "path": "spec.template.flags.a",
            "ref": {"apiVersion": "example.com/v1", "kind": "Flag", "name": "f"},
        },
    }
)


def flag(value: Any) -> Json:
    return {"metadata": {"uid": "u"}, "spec": {"template": {"flags": {"a": value}}}}


def test_field_of_another_object_is_read_and_restored_from_its_root() -> None:
    content = read_content({"spec": {}}, (FLAG,), objects={"flag": flag("on")})
    assert isinstance(content, Content)
    [value] = content.components
    assert (value.value, value.source) == ("on", "Flag/f/spec.template.flags.a")
    patch = object_operations(flag("off"), FLAG, value, "t1")
    assert [(op["op"], op["path"]) for op in patch] == [
        ("test", "/metadata/uid"),
        ("test", "/spec/template/flags/a"),
        ("replace", "/spec/template/flags/a"),
        ("test", "/metadata/annotations"),
        ("add", "/metadata/annotations"),
        ("add", "/metadata/annotations/modelrollout.dev~1transaction"),
    ]
    assert object_operations(flag("on"), FLAG, value, "t1") == ()


def test_object_in_another_object_is_no_single_value() -> None:
    found = read_content({"spec": {}}, (FLAG,), objects={"flag": flag({"b": 1})})
    assert not isinstance(found, Content)
    assert "write the path of one value" in found.message
