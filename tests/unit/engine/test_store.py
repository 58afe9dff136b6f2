"""The cache of what the watches said: an older version never replaces a newer one."""

from typing import Any

import pytest

from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Json, Key
from model_rollout.revisions.objects import ObjectRef

KEY = Key("ml", "sentiment")
TARGET, OTHER = (ObjectRef("apps/v1", "Deployment", "ml", name) for name in ("server", "other"))


def rollout(
    version: int = 1, *, name: str = "sentiment", target: str = "server", **meta: Any
) -> Json:
    metadata = {"namespace": "ml", "name": name, "uid": name, "resourceVersion": str(version)}
    created = {"creationTimestamp": "2026-01-01T10:00:00Z"}
    return {"metadata": metadata | created | meta, "spec": {"targetRef": {"name": target}}}


def deployment(version: int = 1, *, name: str = "server", **meta: Any) -> Json:
    metadata = {"namespace": "ml", "name": name, "uid": name, "resourceVersion": str(version)}
    created = {"creationTimestamp": "2026-01-01T10:00:00Z"}
    kind = {"apiVersion": "apps/v1", "kind": "Deployment"}
    return kind | {"metadata": metadata | created | meta}


class Told:
    """A store, and whom it woke or removed."""

    def __init__(self, *bodies: Json) -> None:
        self.store = Store()
        for body in bodies:
            self.store.put_rollout(body)
        self.changed: list[Key] = []
        self.removed: list[Key] = []
        self.store.changed = self.changed.append
        self.store.removed = self.removed.append


LATER = {"uid": "another", "creationTimestamp": "2026-01-01T11:00:00Z"}
EARLIER = {"uid": "another", "creationTimestamp": "2026-01-01T09:00:00Z"}
SAME_SECOND = {"uid": "another"}


@pytest.mark.parametrize(
    ("version", "meta", "taken"),
    [
        (11, {}, True),
        (10, {}, False),
        (9, {}, False),
        (11, LATER, True),
        (9, EARLIER, False),
        (11, EARLIER, False),
        (11, SAME_SECOND, True),
        (9, SAME_SECOND, False),
    ],
    ids=[
        "newer",
        "the same",
        "older (and smaller as a number, not as text)",
        "recreated",
        "the one before it was recreated",
        "an older one, whatever its version",
        "recreated within the second",
        "the one before, within the second",
    ],
)
def test_version_decides(version: int, meta: dict[str, Any], taken: bool) -> None:
    told = Told(rollout(10))
    body = rollout(version, **meta)
    told.store.put_rollout(body)
    assert (told.store.rollout(KEY) is body) is taken
    assert told.changed == ([KEY] if taken else [])


@pytest.mark.parametrize(("version", "taken"), [(100, True), (9, False)])
def test_version_of_a_deployment_decides(version: int, taken: bool) -> None:
    told = Told(rollout())
    told.store.put_workload(deployment(10))
    told.changed.clear()
    told.store.put_workload(deployment(version))
    assert told.changed == ([KEY] if taken else [])


def test_deployment_that_nobody_guards_is_not_kept() -> None:
    told = Told(rollout())
    told.store.put_workload(deployment(name="other"))
    assert told.store.workload(OTHER) is None
    assert told.changed == []


def test_deployment_wakes_all_that_target_it() -> None:
    told = Told(rollout(), rollout(name="rival"), rollout(name="else", target="other"))
    told.store.put_workload(deployment())
    assert sorted(told.changed) == [Key("ml", "rival"), KEY]


def test_deleted_deployment_wakes_its_guard_once() -> None:
    told = Told(rollout())
    told.store.put_workload(deployment())
    told.changed.clear()
    told.store.drop_workload(TARGET)
    told.store.drop_workload(TARGET)
    assert told.store.workload(TARGET) is None
    assert told.changed == [KEY]


def test_rivals() -> None:
    told = Told(rollout(), rollout(name="rival"), rollout(name="else", target="other"))
    names = sorted(body["metadata"]["name"] for body in told.store.rivals(TARGET))
    assert names == ["rival", "sentiment"]
    assert told.store.rivals(Key("elsewhere", "server")) == []


def test_deleted_rollout_wakes_its_rivals() -> None:
    told = Told(rollout(), rollout(name="rival"))
    told.store.drop_rollout(KEY)
    assert (told.removed, told.changed) == ([KEY], [Key("ml", "rival")])
    assert len(told.store) == 1


def test_last_guard_takes_its_deployment_with_it() -> None:
    told = Told(rollout())
    told.store.put_workload(deployment())
    told.store.drop_rollout(KEY)
    assert told.store.workload(TARGET) is None
    assert told.store.rivals(TARGET) == []


def test_unknown_rollout_is_dropped_without_a_word() -> None:
    told = Told()
    told.store.drop_rollout(KEY)
    assert (told.removed, told.changed) == ([], [])


def test_rollout_that_was_recreated_for_another_target_is_no_rival_any_more() -> None:
    told = Told(rollout(), rollout(name="rival"))
    told.store.put_rollout(rollout(9, target="other", **LATER))
    assert [b["metadata"]["name"] for b in told.store.rivals(TARGET)] == ["rival"]
    assert [b["metadata"]["name"] for b in told.store.rivals(OTHER)] == ["sentiment"]
    assert len(told.store) == 2


def test_store_may_change_while_it_is_walked_through() -> None:
    told = Told(rollout(), rollout(name="rival"))
    for key, _ in told.store.rollouts():
        told.store.drop_rollout(key)
    assert len(told.store) == 0
