"""What a template holds: components, observed rest, identity."""

from typing import Any

import pytest

from model_rollout.api.component import Component
from model_rollout.revisions.content import changed_parts, read_content, shape, summary
from model_rollout.revisions.places import ComponentProblem
from unit.revisions.bodies import ARG, ENV, IMAGE, PARTS, WHOLE, component, content, template


def test_same_bundle_has_one_identity() -> None:
    noisy = template(annotations={"modelrollout.dev/transaction": "0123"})
    noisy["metadata"]["labels"]["pod-template-hash"] = "abc"
    assert content(noisy).digest == content(template()).digest


def test_order_of_components_does_not_matter() -> None:
    there, back = content(template(), PARTS), content(template(), PARTS[::-1])
    assert (there.digest, there.components_digest) == (back.digest, back.components_digest)


@pytest.mark.parametrize(
    "change", [{"image": "m:2"}, {"uri": "s3://m/2"}, {"args": ("--revision=r2", "--verbose")}]
)
def test_component_changes_both_digests(change: dict[str, Any]) -> None:
    before, after = content(template()), content(template(**change))
    assert before.components_digest != after.components_digest
    assert before.observed_digest == after.observed_digest
    assert before.digest != after.digest


@pytest.mark.parametrize(
    "change",
    [{"rest": "debug"}, {"args": ("--revision=r1",)}, {"annotations": {"a": "b"}}],
    ids=["variable", "argument", "annotation"],
)
def test_observed_rest_changes_identity_and_not_the_components(change: dict[str, Any]) -> None:
    before, after = content(template()), content(template(**change))
    assert before.components_digest == after.components_digest
    assert before.digest != after.digest


def test_what_changed_in_the_rest_is_named() -> None:
    before, after = content(template()), content(template(rest="debug", annotations={"a": "b"}))
    changed = changed_parts(before.observed, after.observed)
    assert changed == ("containers[server].env", "metadata.annotations")


@pytest.mark.parametrize("change", [{"image": "m:2"}, {"rest": "debug"}])
def test_whole_template_is_one_component_without_a_rest(change: dict[str, Any]) -> None:
    before, after = content(template(), (WHOLE,)), content(template(**change), (WHOLE,))
    assert before.components_digest != after.components_digest
    assert before.observed_digest == after.observed_digest


def test_template_digest_does_not_depend_on_the_components() -> None:
    by_parts, whole = content(template()), content(template(), (WHOLE,))
    assert by_parts.template_digest == whole.template_digest
    assert by_parts.template_digest != content(template(rest="debug")).template_digest


def test_first_problem_is_told() -> None:
    missing = component("weights", env={"container": "server", "name": "NOPE"})
    found = read_content(template(), (IMAGE, missing))
    assert isinstance(found, ComponentProblem)
    assert found.reason == "VariableMissing"


def test_template_itself_is_not_changed() -> None:
    body = template()
    content(body)
    assert body == template()


@pytest.mark.parametrize(
    ("wanted", "change", "pinned"),
    [
        (IMAGE, {"image": "m:1"}, False),
        (IMAGE, {"image": "m@sha256:" + 64 * "0"}, True),
        (ENV, {"uri": "s3://m/1"}, True),
        (ENV, {"uri": "hf://org/model@main"}, False),
        (ENV, {"uri": "models:/m/latest"}, False),
        (ARG, {"args": ("--revision=main",)}, False),
        (ARG, {"args": ("--revision=8f3a",)}, True),
    ],
)
def test_what_can_change_behind_its_name_is_not_pinned(
    wanted: Component, change: dict[str, Any], pinned: bool
) -> None:
    assert content(template(**change), (wanted,)).components[0].pinned is pinned


def test_shape_depends_on_the_places_alone() -> None:
    one, other = content(template()), content(template(image="m:2", uri="x"))
    assert shape(one.components) == shape(other.components)
    assert shape(one.components) != shape(content(template(), (IMAGE,)).components)


def test_summary_is_what_people_call_the_version() -> None:
    assert summary(content(template()).components) == "m:1, s3://m/1, r1"
    assert summary(content(template(), (WHOLE,)).components) == "proxy:1, m:1"


def test_summary_is_bounded() -> None:
    long = summary(content(template(uri="x" * 500)).components)
    assert len(long) == 256
    assert long.endswith("…")


INDEX = Component.model_validate({"name": "index", "http": {"url": "http://kb/alias"}})


def test_value_of_a_server_is_a_component_and_no_part_of_the_template() -> None:
    read = read_content(template(), (INDEX,), http={"index": "docs-7"})
    assert not isinstance(read, ComponentProblem)
    assert [(c.kind, c.source, c.value) for c in read.components] == [
        ("Http", "http://kb/alias", "docs-7")
    ]
    assert read.observed_digest == content(template(), ()).observed_digest


def test_server_that_does_not_answer_is_a_problem() -> None:
    silent = ComponentProblem("HttpUnreachable", "no answer", temporary=True)
    assert read_content(template(), (INDEX,), http={"index": silent}) == silent
