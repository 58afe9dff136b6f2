"""The patch that puts components back, applied by a library that is not ours."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.api.component import Component
from model_rollout.revisions.canonical import TRANSACTION_ANNOTATION, Json
from model_rollout.revisions.restore import restore_operations
from unit.revisions.bodies import IMAGE, PARTS, WHOLE, component, content, template, workload
from unit.revisions.oracle import apply_patch, refused

VALUES = st.text(st.characters(categories=("L", "N", "P"), exclude_characters="="), max_size=8)
# As a word of its own, what begins with a dash is a flag.
WORDS = VALUES.filter(lambda text: not text.startswith("-"))
TEMPLATES = st.builds(
    template,
    image=VALUES,
    uri=st.none() | VALUES,
    args=st.builds(lambda v: (f"--revision={v}",), VALUES)
    | st.builds(lambda v: ("--verbose", "--revision", v), WORDS)
    | st.just(("--verbose",)),
    rest=VALUES,
    annotations=st.none() | st.dictionaries(st.sampled_from("ab"), VALUES, min_size=1),
)
COMPONENTS = st.sampled_from((PARTS, PARTS[::-1], (IMAGE,), (WHOLE,)))


def restored(body: Json, to: Json, components: tuple[Component, ...] = PARTS) -> Json:
    target = content(to, components).components
    return apply_patch(body, restore_operations(body, components, target, "t1"))


@given(TEMPLATES, TEMPLATES, COMPONENTS)
def test_restored_workload_holds_the_components_of_the_target(
    live: Json, target: Json, components: tuple[Component, ...]
) -> None:
    result = restored(workload(live), target, components)["spec"]["template"]
    wanted, found = content(target, components), content(result, components)
    assert found.components_digest == wanted.components_digest


@given(TEMPLATES, TEMPLATES)
def test_observed_rest_stays_as_it_is(live: Json, target: Json) -> None:
    result = restored(workload(live), target)["spec"]["template"]
    assert content(result).observed_digest == content(live).observed_digest


def test_component_that_was_at_its_target_and_is_edited_meanwhile_stops_the_patch() -> None:
    live, target = template(image="m:2", uri="s3://1"), template(image="m:1", uri="s3://1")
    operations = restore_operations(workload(live), PARTS, content(target).components, "t1")
    refused(workload(template(image="m:2", uri="s3://9")), operations)


@given(TEMPLATES, COMPONENTS)
def test_restoring_what_is_there_gives_no_operations(
    live: Json, components: tuple[Component, ...]
) -> None:
    target = content(live, components).components
    assert restore_operations(workload(live), components, target, "t1") == ()


@given(TEMPLATES, TEMPLATES, COMPONENTS)
def test_patch_touches_nothing_beside_the_template(
    live: Json, target: Json, components: tuple[Component, ...]
) -> None:
    values = content(target, components).components
    operations = restore_operations(workload(live), components, values, "t1")
    written = [o["path"] for o in operations if o["op"] != "test"]
    assert all(path.startswith("/spec/template") for path in written)
    assert "resourceVersion" not in str(operations)


@given(TEMPLATES, TEMPLATES, COMPONENTS)
def test_every_change_but_the_annotation_follows_a_test_of_its_place(
    live: Json, target: Json, components: tuple[Component, ...]
) -> None:
    values = content(target, components).components
    operations = restore_operations(workload(live), components, values, "t1")
    tested = set()
    for operation in operations:
        if operation["op"] == "test":
            tested.add(operation["path"])
        elif not operation["path"].endswith("modelrollout.dev~1transaction"):
            path = operation["path"]
            # What is added to a list has no place yet: the whole list is tested.
            assert (path.rpartition("/")[0] if operation["op"] == "add" else path) in tested or (
                path in tested
            )


def test_uid_is_tested_first() -> None:
    target = content(template(image="m:2")).components
    first = restore_operations(workload(), PARTS, target, "t1")[0]
    assert first == {"op": "test", "path": "/metadata/uid", "value": "u1"}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (None, {TRANSACTION_ANNOTATION: "t1"}),
        ({"a": "b"}, {"a": "b", TRANSACTION_ANNOTATION: "t1"}),
        ({TRANSACTION_ANNOTATION: "t0"}, {TRANSACTION_ANNOTATION: "t1"}),
    ],
    ids=["absent", "present", "an older one"],
)
@pytest.mark.parametrize("components", [PARTS, (WHOLE,)], ids=["parts", "whole"])
def test_pods_restart_once_by_an_annotation(
    components: tuple[Component, ...], annotations: Json | None, expected: Json
) -> None:
    noted = {} if annotations is None else {"annotations": annotations}
    target = template("m:2", **noted)
    result = restored(workload(template(**noted)), target, components)
    assert result["spec"]["template"]["metadata"]["annotations"] == expected


def edited(**changes: Any) -> Json:
    """The workload after somebody else's edit between the decision and the patch."""
    body = workload()
    server = body["spec"]["template"]["spec"]["containers"][1]
    server |= changes.pop("server", {})
    body["metadata"] |= changes.pop("metadata", {})
    body["spec"] |= changes
    return body


@pytest.mark.parametrize(
    "there",
    [
        edited(replicas=9),
        edited(paused=True, strategy={"type": "Recreate"}),
        edited(metadata={"labels": {"team": "a"}, "resourceVersion": "9"}),
        edited(server={"resources": {"limits": {"cpu": "1"}}}),
    ],
    ids=["scaled", "paused", "labelled", "resources"],
)
def test_unrelated_edits_are_kept(there: Json) -> None:
    target = content(template(image="m:2")).components
    operations = restore_operations(workload(), PARTS, target, "t1")
    expected = copy.deepcopy(there)
    expected["spec"]["template"]["spec"]["containers"][1]["image"] = "m:2"
    expected["spec"]["template"]["metadata"]["annotations"] = {TRANSACTION_ANNOTATION: "t1"}
    assert apply_patch(there, operations) == expected


def other_container_first() -> Json:
    body = workload()
    body["spec"]["template"]["spec"]["containers"].reverse()
    return body


@pytest.mark.parametrize(
    "there",
    [
        edited(server={"image": "m:9"}),
        edited(metadata={"uid": "u2"}),
        other_container_first(),
        workload(template(annotations={"theirs": "kept"})),
    ],
    ids=["same field", "recreated", "containers moved", "annotations appeared"],
)
def test_edit_of_what_the_patch_rests_on_fails_its_test(there: Json) -> None:
    target = content(template(image="m:2")).components
    refused(there, restore_operations(workload(), PARTS, target, "t1"))


def test_variable_that_got_a_value_meanwhile_is_not_overwritten() -> None:
    target = content(template(uri="s3://m/2")).components
    operations = restore_operations(workload(template(uri=None)), PARTS, target, "t1")
    refused(workload(template(uri="s3://theirs")), operations)


def test_any_edit_of_the_template_fails_the_test_of_a_whole_one() -> None:
    target = content(template(image="m:2"), (WHOLE,)).components
    operations = restore_operations(workload(), (WHOLE,), target, "t1")
    refused(edited(server={"resources": {}}), operations)


def test_target_without_a_component_cannot_be_restored() -> None:
    target = content(template(), (IMAGE,)).components
    with pytest.raises(ValueError, match="the target has no component weights"):
        restore_operations(workload(), PARTS, target, "t1")


def test_unreadable_workload_cannot_be_restored() -> None:
    missing = component("weights", env={"container": "server", "name": "NOPE"})
    target = content(template()).components
    with pytest.raises(ValueError, match="sets no variable 'NOPE'"):
        restore_operations(workload(), (missing,), target, "t1")
