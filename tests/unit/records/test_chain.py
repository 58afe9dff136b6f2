"""One record after another: number, digest, name, object."""

import hashlib
import itertools
import json
import shutil
import subprocess

import pytest

from model_rollout.api.record import RolloutRecordSpec
from model_rollout.records.chain import as_json, content_digest, record_body, record_name
from unit.records.made_up import bodies, specs


def test_first_record_has_no_one_before_it() -> None:
    (first,) = specs(1)
    assert (first.sequence, first.previous) == (1, None)


def test_each_record_names_the_one_before_it() -> None:
    chain = specs(4)
    assert [spec.sequence for spec in chain] == [1, 2, 3, 4]
    for before, after in itertools.pairwise(chain):
        assert after.previous is not None
        assert after.previous.digest == before.digest
        assert after.previous.name == record_name(as_json(before))


def test_digest_is_the_sha256_of_canonical_json_without_itself() -> None:
    """As anybody can compute it, with nothing of ours."""
    spec = as_json(specs(1)[0])
    digest = spec.pop("digest")
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == digest


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_digest_is_what_jq_gives() -> None:
    """The command of docs/audit.md."""
    spec = as_json(specs(2)[1])
    text = subprocess.run(
        ["jq", "-jcS", "del(.digest)"], input=json.dumps(spec), capture_output=True, check=True,
        text=True,
    ).stdout  # fmt: skip
    assert hashlib.sha256(text.encode()).hexdigest() == spec["digest"]


def test_digest_survives_a_server_that_reads_and_writes_the_record() -> None:
    """Numbers are integers or text: 1.0 would come back as 1."""
    spec = as_json(specs(2)[1])
    again = as_json(RolloutRecordSpec.model_validate(json.loads(json.dumps(spec))))
    assert again == spec
    assert not any(isinstance(value, float) for value in _leaves(spec))


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def test_field_that_nobody_knows_is_part_of_the_digest() -> None:
    spec = as_json(specs(1)[0])
    assert content_digest(spec | {"approvedBy": "me"}) != spec["digest"]


def test_name_tells_rollout_number_and_content() -> None:
    (spec,) = specs(1)
    assert record_name(as_json(spec)) == f"sentiment-1-{spec.digest[:8]}"


def test_longest_name_fits() -> None:
    (body,) = bodies(1, name="a" * 62 + "." + "b" * 137)
    assert len(body["metadata"]["name"]) <= 253
    label = body["metadata"]["labels"]["modelrollout.dev/rollout"]
    assert len(label) <= 63
    assert label.endswith("a")


def test_record_has_labels_and_no_owner() -> None:
    (body,) = bodies(1)
    assert body["metadata"]["labels"] == {
        "modelrollout.dev/rollout-uid": "uid-1",
        "modelrollout.dev/rollout": "sentiment",
    }
    assert "ownerReferences" not in body["metadata"]
    assert body == record_body(body["spec"], "ml")
