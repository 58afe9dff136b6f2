"""A KServe InferenceService as target; a stand-in for its controller writes its status."""

from typing import Any

from support.kserve import inference_controller
from support.scenario import BAD, GOOD, NAME, Scenario

Json = dict[str, Any]

TARGET = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": NAME}
WEIGHTS = {"name": "weights", "field": {"path": "spec.predictor.model.storageUri"}}


def deploy(case: Scenario, version: str, quality: float = GOOD, **predictor: Any) -> None:
    case.site.source.publish(case.namespace, quality)
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": f"s3://models/{version}"}
    body = {
        "apiVersion": TARGET["apiVersion"],
        "kind": TARGET["kind"],
        "metadata": {"name": NAME},
        "spec": {"predictor": {"minReplicas": 1, "model": model, **predictor}},
    }
    case.site.kube.apply(body, case.namespace)


def predictor(case: Scenario) -> Json:
    body = case.site.kube.get("InferenceService", case.namespace, NAME)
    assert body is not None
    found: Json = body["spec"]["predictor"]
    return found


def follow(case: Scenario) -> None:
    """The restored model answers once it is written."""

    def committed(write: Any) -> None:
        if write.request.resource == "inferenceservices":
            case.site.source.publish(case.namespace, GOOD)

    case.proxy.committed = committed


def test_storage_uri_is_restored_and_nothing_beside_it(case: Scenario) -> None:
    follow(case)
    with inference_controller(case.site.kube, case.namespace):
        deploy(case, "v1")
        case.guard(targetRef=TARGET, components=[WEIGHTS])
        case.start_operator()
        case.wait_for_reason("Watching")
        deploy(case, "v2", BAD)
        last = case.wait_for_outcome("Succeeded")
        assert (last["from"], last["to"]) == (2, 1)
        assert predictor(case)["model"]["storageUri"] == "s3://models/v1"
        [patch] = case.proxy.writes("inferenceservices")
        written = [op["path"] for op in patch.request.json if op["op"] != "test"]
        assert "/spec/predictor/model/storageUri" in written
        assert not [path for path in written if "Replicas" in path]


def test_whole_predictor_is_the_default_and_its_scale_stays(case: Scenario) -> None:
    follow(case)
    with inference_controller(case.site.kube, case.namespace):
        deploy(case, "v1", timeout=60)
        case.guard(targetRef=TARGET, components=None)
        case.start_operator()
        case.wait_for_reason("Watching")
        deploy(case, "v1", timeout=60, minReplicas=4, maxReplicas=9)
        case.operator.wait_for_checks(3)
        assert list(case.revisions()) == [1], "scaling is no other revision"
        deploy(case, "v2", BAD, timeout=5, minReplicas=4, maxReplicas=9)
        case.wait_for_outcome("Succeeded")
        found = predictor(case)
        assert found["model"]["storageUri"] == "s3://models/v1"
        assert (found["timeout"], found["minReplicas"], found["maxReplicas"]) == (60, 4, 9)


def test_model_that_cannot_be_loaded_is_rolled_back_with_its_reason(case: Scenario) -> None:
    with inference_controller(case.site.kube, case.namespace):
        deploy(case, "v1")
        case.guard(targetRef=TARGET, components=[WEIGHTS], rollback={"deadline": "3s"})
        case.start_operator()
        case.wait_for_reason("Watching")
        deploy(case, "missing")
        last = case.wait_for_outcome("Succeeded")
        assert "ModelLoadFailed: s3://models/missing does not exist" in last["message"]
        assert case.phases() == {1: "Stable", 2: "Unusable"}
