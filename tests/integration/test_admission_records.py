"""A real API server keeps RolloutRecords to the letter, and lets nobody change one."""

import json
from collections.abc import Iterator

import pytest

from localcluster.controlplane import ControlPlane
from model_rollout.records.chain import content_digest
from support.admission import Admission, Manifest, admission
from unit.records.made_up import bodies


@pytest.fixture(scope="module")
def cluster(crds: ControlPlane) -> Iterator[Admission]:
    with admission(crds, "admission-records") as cluster:
        yield cluster


def record(index: int = 1) -> Manifest:
    body = bodies(2)[index]
    del body["metadata"]["namespace"]
    return body


def test_record_is_stored_to_the_letter(cluster: Admission) -> None:
    """Nothing is filled in, pruned or written in another way: its digest stays right."""
    stored = cluster.apply(record())
    assert stored["spec"] == record()["spec"]
    assert content_digest(stored["spec"]) == stored["spec"]["digest"]
    assert "ownerReferences" not in stored["metadata"]


@pytest.mark.parametrize("field", ["message", "outcome", "digest", "time"])
def test_record_cannot_be_changed_by_anybody(cluster: Admission, field: str) -> None:
    cluster.apply(record())
    changed = record()
    changed["spec"][field] = {"digest": "0" * 64, "time": "2026-01-01T00:00:00Z"}.get(field, "x")
    assert "a RolloutRecord says what was decided and cannot be changed" in cluster.refusal(changed)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sequence", 0, "should be greater than or equal to 1"),
        ("digest", "abc", "should match"),
        ("stage", "Guess", 'supported values: "Intent", "Outcome", "Decision"'),
        ("rollout", {"name": "sentiment"}, "spec.rollout.uid: Required value"),
        ("previous", {"name": "x", "digest": ""}, "should match"),
    ],
)
def test_what_is_no_record_is_refused(
    cluster: Admission, field: str, value: object, said: str
) -> None:
    body = record()
    body["metadata"]["name"] = "malformed"
    body["spec"][field] = value
    assert said in cluster.refusal(body)


def test_columns(cluster: Admission) -> None:
    name = cluster.apply(record())["metadata"]["name"]
    heading, row = cluster.kubectl("get", "mrec", name).splitlines()
    columns = ["NAME", "STAGE", "ROLLOUT", "ACTION", "REASON", "OUTCOME", "TIME", "AGE"]
    assert heading.split() == columns
    assert row.split()[:6] == [name, "Outcome", "sentiment", "Conclude", "Succeeded", "Succeeded"]
    assert row.split()[6] == "2026-01-01T10:01:00.000Z"
    assert f"rolloutrecord.modelrollout.dev/{name}" in cluster.kubectl("get", "ml", "-o", "name")


def test_whole_record_fits_the_status_of_its_model_rollout(cluster: Admission) -> None:
    manifest = {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": "recorded"},
        "spec": {
            "targetRef": {"name": "recorded"},
            "metrics": [{"name": "accuracy", "query": "accuracy", "min": 0.9}],
        },
    }
    cluster.apply(manifest)
    specs = [record(0)["spec"], record(1)["spec"]]
    patch = json.dumps({"status": {"records": specs}})
    cluster.kubectl("patch", "mro", "recorded", "--subresource=status", "--type=merge", "-p", patch)
    stored = json.loads(cluster.kubectl("get", "mro", "recorded", "-o", "json"))
    assert stored["status"]["records"] == specs
