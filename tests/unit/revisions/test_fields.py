"""A field by its path: one text, number or truth value, with its type; else what is there is told."""

import copy
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.api.component import Component
from model_rollout.api.revision import ValueType
from model_rollout.revisions.canonical import TRANSACTION_ANNOTATION, Json
from model_rollout.revisions.content import read_content
from model_rollout.revisions.fields import put_field
from model_rollout.revisions.locate import locate
from model_rollout.revisions.places import ComponentProblem, Place
from model_rollout.revisions.restore import restore_operations
from unit.revisions.bodies import IMAGE, component, content, template, workload
from unit.revisions.oracle import apply_patch, refused

REFERENCE = "spec.template.spec.volumes[name=model].image.reference"


def field(path: str, name: str = "weights") -> Component:
    return component(name, field={"path": path})


def with_volume(reference: Any = "registry/m:1", **image: Any) -> Json:
    body = template()
    body["spec"]["volumes"] = [
        {"name": "cache", "emptyDir": {}},
        {"name": "model", "image": {"reference": reference, "pullPolicy": "Always"} | image},
    ]
    return body


@pytest.mark.parametrize(
    ("path", "text", "type_"),
    [
        (REFERENCE, "registry/m:1", ValueType.STRING),
        ("spec.template.spec.terminationGracePeriodSeconds", "30", ValueType.JSON),
        ("spec.template.spec.hostNetwork", "false", ValueType.JSON),
        ("spec.template.metadata.labels.app", "m", ValueType.STRING),
        ("spec.template.metadata.annotations['example.com/model']", "m-7", ValueType.STRING),
    ],
    ids=itertools.count(),
)
def test_value_keeps_its_type(path: str, text: str, type_: ValueType) -> None:
    body = with_volume()
    body["spec"]["hostNetwork"] = False
    body["metadata"]["annotations"] = {"example.com/model": "m-7"}
    place = locate(body, field(path))
    assert isinstance(place, Place), place
    assert (place.value.text, place.value.type, place.source) == (text, type_, path)


@pytest.mark.parametrize(
    ("path", "reason", "sentence"),
    [
        (
            "spec.template.spec.volumes[name=mode].image.reference",
            "FieldMissing",
            (
                "the workload has no spec.template.spec.volumes[name=mode]; spec.template.spec.volumes "
                "is a list; go on with [name=cache], [name=model]"
            ),
        ),
        (
            "spec.template.spec.volumes[name=cache].image.reference",
            "FieldMissing",
            (
                "the workload has no spec.template.spec.volumes[name=cache].image; "
                "spec.template.spec.volumes[name=cache] holds emptyDir, name; write the path of one value"
            ),
        ),
        (
            "spec.template.spec.volumes[name=model].image",
            "NotOneValue",
            (
                "spec.template.spec.volumes[name=model].image holds pullPolicy, reference; write the "
                "path of one value"
            ),
        ),
        (
            "spec.template.spec.volumes",
            "NotOneValue",
            "spec.template.spec.volumes is a list; go on with [name=cache], [name=model]",
        ),
        (
            "spec.template.spec.volumes.image",
            "FieldMissing",
            "spec.template.spec.volumes is a list; go on with [name=cache], [name=model]",
        ),
        (
            f"{REFERENCE}.tag",
            "FieldMissing",
            f'{REFERENCE} is "registry/m:1" already; leave out what follows it',
        ),
        (
            "spec.template.spec[name=x].image",
            "FieldMissing",
            (
                "spec.template.spec holds containers, initContainers, terminationGracePeriodSeconds, "
                "tolerations, volumes; write the path of one value"
            ),
        ),
        (
            "spec.template.spec.tolerations",
            "NotOneValue",
            (
                "spec.template.spec.tolerations is a list whose items have no names; choose another "
                "component"
            ),
        ),
        (
            "spec.replicas.of.a.kind",
            "PathRefused",
            (
                "'spec.replicas.of.a.kind' is no path into the pod template; write one such as "
                "spec.template.spec.volumes[name=model].image.reference"
            ),
        ),
        (
            "spec.template.spec.volumes[1].image",
            "PathRefused",
            (
                "'spec.template.spec.volumes[1].image' is no path into the pod template; write one such "
                "as spec.template.spec.volumes[name=model].image.reference"
            ),
        ),
    ],
    ids=itertools.count(),
)
def test_what_is_not_one_value_is_a_problem_that_says_what_is_there(
    path: str, reason: str, sentence: str
) -> None:
    body = with_volume()
    body["spec"]["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
    assert locate(body, field(path)) == ComponentProblem(reason, f"component weights: {sentence}")


def test_two_items_of_one_name_are_a_problem() -> None:
    body = with_volume()
    body["spec"]["volumes"].append({"name": "model", "emptyDir": {}})
    assert locate(body, field(REFERENCE)) == ComponentProblem(
        "AmbiguousPath",
        "component weights: the workload has spec.template.spec.volumes[name=model] 2 times; keep "
        "one of them",
    )


SCALARS = st.text(max_size=5) | st.integers(-9, 9) | st.booleans() | st.sampled_from([0.5, 1e30])


@given(SCALARS, SCALARS)
def test_restored_field_is_the_recorded_one_and_nothing_else_changes(live: Any, goal: Any) -> None:
    wanted = (field(REFERENCE),)
    target = content(with_volume(goal), wanted).components
    deployed = workload(with_volume(live))
    result = apply_patch(deployed, restore_operations(deployed, wanted, target, "t1"))
    expected = workload(with_volume(goal))
    same = live == goal and isinstance(live, bool) == isinstance(goal, bool)
    if not same:
        annotations = {TRANSACTION_ANNOTATION: "t1"}
        expected["spec"]["template"]["metadata"]["annotations"] = annotations
    assert result == expected
    assert content(result["spec"]["template"], wanted).components == target


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(["1", 1, True, "true"], 2)))
def test_text_and_number_are_two_versions(one: Any, other: Any) -> None:
    wanted = (field(REFERENCE),)
    before, after = content(with_volume(one), wanted), content(with_volume(other), wanted)
    assert before.components_digest != after.components_digest
    assert before.observed_digest == after.observed_digest


def moved(body: Json) -> None:
    body["spec"]["volumes"].reverse()


def changed(body: Json) -> None:
    body["spec"]["volumes"][1]["image"]["reference"] = "registry/m:9"


def gone(body: Json) -> None:
    body["spec"]["volumes"][1] = {"name": "model", "emptyDir": {}}


@pytest.mark.parametrize("edit", [moved, changed])
def test_edit_of_the_place_meanwhile_fails_a_test(edit: Any) -> None:
    wanted = (field(REFERENCE),)
    target = content(with_volume("registry/m:2"), wanted).components
    operations = restore_operations(workload(with_volume()), wanted, target, "t1")
    theirs = with_volume()
    edit(theirs)
    refused(workload(theirs), operations)


def test_edit_beside_the_place_is_kept() -> None:
    wanted = (field(REFERENCE),)
    target = content(with_volume("registry/m:2"), wanted).components
    operations = restore_operations(workload(with_volume()), wanted, target, "t1")
    theirs = with_volume(pullPolicy="IfNotPresent")
    result = apply_patch(workload(theirs), operations)["spec"]["template"]["spec"]
    expected = copy.deepcopy(theirs["spec"])
    expected["volumes"][1]["image"]["reference"] = "registry/m:2"
    assert result == expected


@pytest.mark.parametrize(
    ("reference", "pinned"), [("registry/m:1", False), ("registry/m@sha256:" + 64 * "0", True)]
)
def test_reference_of_an_image_is_pinned_by_its_digest(reference: str, pinned: bool) -> None:
    assert content(with_volume(reference), (field(REFERENCE),)).components[0].pinned is pinned


@pytest.mark.parametrize("first", [True, False])
def test_two_kinds_at_one_place_are_refused(first: bool) -> None:
    path = "spec.template.spec.containers[name=server].image"
    pair = (IMAGE, field(path)) if first else (field(path), IMAGE)
    one, other = ("weights", "model") if first else ("model", "weights")
    assert read_content(template(), pair) == ComponentProblem(
        "SamePlace",
        f"component {one}: its value stands within that of component {other}; write each place once",
    )


@pytest.mark.parametrize("body", [template(), with_volume()], ids=["made", "there"])
@pytest.mark.parametrize(
    "path", [REFERENCE, "spec.template.metadata.annotations['example.com/model']"]
)
def test_field_is_put_where_it_is_read(body: Json, path: str) -> None:
    put = copy.deepcopy(body)
    put_field(put, path, "x")
    assert content(put, (field(path),)).components[0].value == "x"
