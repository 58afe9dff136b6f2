"""ModelRevisions: parsed, named, read from ReplicaSets, pruned."""

from typing import Any

import pytest
from pydantic import ValidationError

from model_rollout.api.revision import ModelRevisionStatus, RolloutRef
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.history import (
    Revision,
    earlier_contents,
    new_revision,
    parse_revision,
    revision_body,
    surplus,
)
from unit.revisions.bodies import PARTS, content, template

REF = RolloutRef(name="sentiment", uid="rollout-uid")


def made(number: int, image: str = "m:1") -> Revision:
    new = new_revision(REF, number, content(template(image)))
    return Revision(new.name, new.spec, ModelRevisionStatus())


def replica_set(revision: str | None, image: str, uid: str = "u1", **changes: Any) -> Json:
    annotations = {} if revision is None else {"deployment.kubernetes.io/revision": revision}
    metadata = {"annotations": annotations, "ownerReferences": [{"uid": uid}]}
    return {"metadata": metadata, "spec": {"template": template(image, **changes)}}


def images(*found: Json, uid: str = "u1") -> list[str]:
    return [c.components[0].value for c in earlier_contents(found, uid, PARTS)]


def test_body_is_read_back_as_it_was_made() -> None:
    new = new_revision(REF, 3, content(template()), restored_from=1)
    body = revision_body(new, "ml")
    assert parse_revision(body) == Revision(new.name, new.spec, ModelRevisionStatus())


def test_body_is_owned_by_the_rollout_and_does_not_block_its_deletion() -> None:
    (owner,) = revision_body(new_revision(REF, 1, content(template())), "ml")["metadata"][
        "ownerReferences"
    ]
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (
        "rollout-uid",
        True,
        False,
    )


def test_name_is_the_same_for_the_same_content() -> None:
    one, other = (new_revision(REF, 3, content(template())).name for _ in range(2))
    assert one == other
    assert one != new_revision(REF, 3, content(template("m:2"))).name


def test_name_fits() -> None:
    long = RolloutRef(name="a" * 253, uid="u")
    name = new_revision(long, 123, content(template())).name
    assert len(name) == 253
    assert "-123-" in name


def test_malformed_revision_is_refused() -> None:
    with pytest.raises(ValidationError):
        parse_revision({"metadata": {"name": "x"}, "spec": {"number": 0}})


def test_replica_sets_are_read_oldest_first() -> None:
    found = images(replica_set("10", "m:3"), replica_set("9", "m:2"), replica_set("1", "m:1"))
    assert found == ["m:1", "m:2", "m:3"]


def test_content_that_came_back_counts_once_as_the_newer_one() -> None:
    again = replica_set("3", "m:1", annotations={"kubectl.kubernetes.io/restartedAt": "now"})
    assert images(replica_set("1", "m:1"), replica_set("2", "m:2"), again) == ["m:2", "m:1"]


@pytest.mark.parametrize(
    "other",
    [
        replica_set("2", "m:2", uid="another"),
        replica_set("2", "m:2", args=("--revision",)),
        {"metadata": {}, "spec": {"template": template("m:2")}},
    ],
    ids=["of another workload", "lacks a component", "without an owner"],
)
def test_replica_set_is_left_out(other: Json) -> None:
    assert images(replica_set("1", "m:1"), other) == ["m:1"]


@pytest.mark.parametrize("revision", [None, "", "x"])
def test_replica_set_without_a_number_is_the_oldest(revision: str | None) -> None:
    assert images(replica_set("1", "m:1"), replica_set(revision, "m:0")) == ["m:0", "m:1"]


@pytest.mark.parametrize(
    ("numbers", "limit", "protected", "expected"),
    [
        ((1, 2, 3), 3, (), ()),
        ((3, 1, 2), 2, (), (1,)),
        ((1, 2, 3, 4), 2, (1,), (2, 3)),
        ((1, 2, 3), 1, (1, 2, 3), ()),
        ((1, 2, 3, 4), 2, (1, 2, 3), (4,)),
    ],
    ids=["within", "oldest goes", "protected stays", "all protected", "only one is left to go"],
)
def test_surplus(
    numbers: tuple[int, ...], limit: int, protected: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    gone = surplus(tuple(made(n) for n in numbers), limit, frozenset(protected))
    assert tuple(r.number for r in gone) == expected
