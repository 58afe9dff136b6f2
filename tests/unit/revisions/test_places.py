"""Where a component stands: exactly one place, or a problem with a sentence about what to write."""

import pytest

from model_rollout.api.rollout import Component
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.places import ComponentProblem, Place, locate, pointer
from unit.revisions.bodies import ARG, ENV, IMAGE, component, template


def place(body: Json, wanted: Component) -> Place:
    found = locate(body, wanted)
    assert isinstance(found, Place), found
    return found


def problem(body: Json, wanted: Component) -> ComponentProblem:
    found = locate(body, wanted)
    assert isinstance(found, ComponentProblem), found
    return found


@pytest.mark.parametrize(
    ("wanted", "path", "value"),
    [
        (IMAGE, "/spec/containers/1/image", "m:1"),
        (component("f", image={"container": "fetch"}), "/spec/initContainers/0/image", "fetch:1"),
        (ENV, "/spec/containers/1/env/1/value", "s3://m/1"),
        (ARG, "/spec/containers/1/args/0", "r1"),
    ],
    ids=["image", "init container", "env", "arg"],
)
def test_value_is_found(wanted: Component, path: str, value: str) -> None:
    found = place(template(), wanted)
    assert (pointer(found.path), found.value) == (path, value)


@pytest.mark.parametrize(
    ("args", "path", "value", "prefix"),
    [
        (("--revision=r1",), "args/0", "r1", "--revision="),
        (("--revision", "r1"), "args/1", "r1", ""),
        (("--revision=",), "args/0", "", "--revision="),
        (("--revision=a=b",), "args/0", "a=b", "--revision="),
        (("--revision-x=1", "--revision=r1"), "args/1", "r1", "--revision="),
    ],
    ids=["joined", "two words", "empty", "value with =", "longer flag beside it"],
)
def test_flag_is_found_in_both_spellings(
    args: tuple[str, ...], path: str, value: str, prefix: str
) -> None:
    found = place(template(args=args), ARG)
    assert pointer(found.path).endswith(path)
    assert (found.value, found.prefix) == (value, prefix)


def test_flag_is_found_in_the_command() -> None:
    body = template(args=())
    body["spec"]["containers"][1]["command"] = ["serve", "--revision", "r1"]
    assert pointer(place(body, ARG).path) == "/spec/containers/1/command/2"


def test_variable_without_a_value_is_empty_and_absent() -> None:
    found = place(template(uri=None), ENV)
    assert (found.value, found.present) == ("", False)


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
        (
            template(args=()),
            ARG,
            "FlagMissing",
            (
                "component revision: container 'server' has no flag '--revision' in its command or "
                "args; write it there as --revision=VALUE or as two words"
            ),
        ),
        (
            template(args=("--revision",)),
            ARG,
            "FlagMissing",
            (
                "component revision: container 'server' has no flag '--revision' in its command or "
                "args; write it there as --revision=VALUE or as two words"
            ),
        ),
        (
            template(args=("--revision=1", "--revision", "2")),
            ARG,
            "AmbiguousPath",
            (
                "component revision: container 'server' has the flag '--revision' 2 times; keep one of "
                "them"
            ),
        ),
    ],
    ids=[
        "no container",
        "no variable",
        "variable twice",
        "valueFrom",
        "no flag",
        "flag without a value",
        "flag twice",
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
