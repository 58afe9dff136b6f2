"""Where a component stands: exactly one place, or a problem with a sentence about what to write."""

import pytest

from model_rollout.api.component import Component
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.locate import locate
from model_rollout.revisions.places import ComponentProblem, Place, pointer
from unit.revisions.bodies import ENV, IMAGE, component, template


def place(body: Json, wanted: Component) -> Place:
    found = locate(body, wanted)
    assert isinstance(found, Place), found
    return found


def problem(body: Json, wanted: Component) -> ComponentProblem:
    found = locate(body, wanted)
    assert isinstance(found, ComponentProblem), found
    return found


def written_at(found: Place) -> str:
    """Where the component is blanked, as a JSON Pointer."""
    (edit,) = found.blank
    return pointer(edit.path)


@pytest.mark.parametrize(
    ("wanted", "path", "value"),
    [
        (IMAGE, "/spec/containers/1/image", "m:1"),
        (component("f", image={"container": "fetch"}), "/spec/initContainers/0/image", "fetch:1"),
        (ENV, "/spec/containers/1/env/1/value", "s3://m/1"),
    ],
    ids=["image", "init container", "env"],
)
def test_value_is_found(wanted: Component, path: str, value: str) -> None:
    found = place(template(), wanted)
    assert (written_at(found), found.value.text) == (path, value)


def test_variable_without_a_value_is_empty() -> None:
    assert place(template(uri=None), ENV).value.text == ""


def with_twice(name: str) -> Json:
    body = template()
    body["spec"]["containers"][1]["env"].append({"name": name, "value": "x"})
    return body


def with_value_from() -> Json:
    body = template()
    body["spec"]["containers"][1]["env"][1] = {
        "name": "MODEL_URI",
        "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}},
    }
    return body


@pytest.mark.parametrize(
    ("body", "wanted", "reason", "sentence"),
    [
        (
            template(),
            component("model", image={"container": "sever"}),
            "ContainerMissing",
            (
                "component model: the workload has no container 'sever'; write one of proxy, server, "
                "fetch"
            ),
        ),
        (
            template(),
            component("weights", env={"container": "server", "name": "MODEL"}),
            "VariableMissing",
            (
                "component weights: container 'server' sets no variable 'MODEL'; add it with a literal "
                "value to the workload, or name one that is there"
            ),
        ),
        (
            with_twice("MODEL_URI"),
            ENV,
            "AmbiguousPath",
            "component weights: container 'server' sets 'MODEL_URI' 2 times; keep one of them",
        ),
        (
            with_value_from(),
            ENV,
            "ValueFromRefused",
            (
                "component weights: 'MODEL_URI' in container 'server' comes from valueFrom, which says "
                "nothing about the version; write a literal value"
            ),
        ),
    ],
    ids=[
        "no container",
        "no variable",
        "variable twice",
        "valueFrom",
    ],
)
def test_problem_says_what_to_write(
    body: Json, wanted: Component, reason: str, sentence: str
) -> None:
    assert problem(body, wanted) == ComponentProblem(reason, sentence)


def test_whole_template_has_no_single_place() -> None:
    with pytest.raises(ValueError, match="no single place"):
        locate(template(), component("template", podTemplate={}))


def test_pointer_escapes() -> None:
    assert pointer(("a/b", "c~d", 0)) == "/a~1b/c~0d/0"
