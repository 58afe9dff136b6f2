"""The patch of a flip: what it tests, what it changes, and when it is sent again."""

from typing import Any

import pytest

from model_rollout.cli.cluster import Changed
from model_rollout.cli.flip import annotate_operations, change, flip_operations
from model_rollout.cli.output import CommandError
from model_rollout.ports.kubernetes import Json
from unit.cli.made_up import PLACE, rollout

STATUS = {"current": {"revision": 2}, "attempts": 1}


def _tests(operations: list[Json]) -> dict[str, Any]:
    return {o["path"]: o["value"] for o in operations if o["op"] == "test"}


def changes(operations: list[Json]) -> list[Json]:
    return [o for o in operations if o["op"] != "test"]


def test_a_flip_holds_only_for_what_was_read() -> None:
    body = rollout(status=STATUS)
    operations = flip_operations(body, "Rollback", 1, None)
    assert _tests(operations) == {
        "/metadata/uid": "uid-sentiment",
        "/spec/killSwitch": "None",
        "/spec/rollback/toRevision": None,
        "/status/current/revision": 2,
        "/status/attempts": 1,
    }
    assert changes(operations) == [
        {"op": "add", "path": "/spec/killSwitch", "value": "Rollback"},
        {"op": "add", "path": "/spec/rollback/toRevision", "value": 1},
    ]


def test_what_has_no_place_is_not_tested() -> None:
    operations = flip_operations(rollout(), "Pause", None, None)
    assert "/status/attempts" not in _tests(operations)
    assert "/status/current/revision" not in _tests(operations)


def test_what_another_flip_left_is_taken_away() -> None:
    body = rollout(metadata={"annotations": {"modelrollout.dev/reason": "old"}})
    body["spec"] = {"killSwitch": "Rollback", "rollback": {"toRevision": 4}}
    operations = flip_operations(body, "None", None, None)
    assert changes(operations) == [
        {"op": "add", "path": "/spec/killSwitch", "value": "None"},
        {"op": "remove", "path": "/spec/rollback/toRevision"},
        {"op": "remove", "path": "/metadata/annotations/modelrollout.dev~1reason"},
    ]
    assert _tests(operations)["/metadata/annotations/modelrollout.dev~1reason"] == "old"


def test_the_first_annotation_makes_their_place() -> None:
    operations = annotate_operations(rollout(), "a/b", "1")
    assert changes(operations) == [
        {"op": "add", "path": "/metadata/annotations", "value": {"a/b": "1"}}
    ]
    assert _tests(operations)["/metadata/annotations"] is None


def test_an_annotation_beside_others() -> None:
    operations = annotate_operations(rollout(metadata={"annotations": {"c": "d"}}), "a/b", "1")
    assert changes(operations) == [
        {"op": "add", "path": "/metadata/annotations/a~1b", "value": "1"}
    ]


class Cluster:
    """Refuses the first patches; then is as it says."""

    def __init__(self, refusals: int, after: Json) -> None:
        self.refusals, self.after = refusals, after
        self.patched: list[Json] = []

    async def patch(self, body: Json, operations: list[Json]) -> Json:
        self.refusals -= 1
        if self.refusals >= 0:
            raise Changed
        self.patched.append(body)
        return body

    async def rollout(self, _: str) -> Json:
        return self.after


async def changed(cluster: Cluster, read: Json) -> Json:
    return await change(cluster, PLACE, read, lambda _: [])  # type: ignore[arg-type]


async def test_an_unrelated_change_does_not_stand_in_the_way() -> None:
    cluster = Cluster(2, rollout(version=2, metadata={"annotations": {"c": "d"}}))
    assert (await changed(cluster, rollout(version=1)))["metadata"]["resourceVersion"] == "2"


@pytest.mark.parametrize(
    "after",
    [
        {"spec": {"killSwitch": "Pause", "rollback": {}}},
        {"spec": {"killSwitch": "None", "rollback": {"toRevision": 3}}},
        {"status": {"current": {"revision": 3}, "attempts": 1}},
        {"status": {"current": {"revision": 2}, "attempts": 2}},
        {"metadata": {"uid": "another"}},
    ],
)
async def test_what_matters_changed(after: dict[str, Any]) -> None:
    cluster = Cluster(1, rollout(**{"status": STATUS} | after))
    with pytest.raises(CommandError, match="look at it again with modelrollout status sentiment"):
        await changed(cluster, rollout(status=STATUS))
    assert cluster.patched == []


async def test_a_patch_that_never_holds_is_given_up() -> None:
    cluster = Cluster(99, rollout())
    with pytest.raises(CommandError, match="nothing was written"):
        await changed(cluster, rollout())
