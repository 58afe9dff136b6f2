"""Promises about the generated CustomResourceDefinitions that hold whatever the models say."""

from collections.abc import Iterator
from typing import Any

import pytest

from model_rollout.api.crd import custom_resource_definitions

CRDS = {crd["spec"]["names"]["kind"]: crd for crd in custom_resource_definitions()}


def _schemas(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _schemas(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from _schemas(schema[keyword], f"{path}[]")


def _all_schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, crd in CRDS.items():
        root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in root["properties"].keys() & {"spec", "status"}:
            yield from _schemas(root["properties"][part], f"{kind}.{part}")


def test_short_names() -> None:
    assert {kind: crd["spec"]["names"]["shortNames"] for kind, crd in CRDS.items()} == {
        "ModelRollout": ["mro"],
        "ModelRevision": ["mrev"],
        "RolloutRecord": ["mrec"],
        "MetricTemplate": ["mtpl"],
    }


def test_guards_are_not_in_the_category_all() -> None:
    assert all(crd["spec"]["names"]["categories"] == ["ml"] for crd in CRDS.values())


def test_status_has_no_defaults() -> None:
    assert not [
        path for path, schema in _all_schemas() if ".status" in path and "default" in schema
    ]


def test_every_rule_says_what_to_do() -> None:
    rules = [
        rule for _, schema in _all_schemas() for rule in schema.get("x-kubernetes-validations", [])
    ]
    assert rules
    assert all(len(rule["message"]) > 15 for rule in rules)


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("ModelRollout.spec.analysis.interval", "30s"),
        ("ModelRollout.spec.rollback.budget", {}),
        ("ModelRollout.spec.killSwitch", "None"),
        ("ModelRollout.spec.analysis.falseRollbackEvery", "100d"),
        ("MetricTemplate.spec.parameters", []),
    ],
)
def test_defaults_are_as_on_the_wire(path: str, default: object) -> None:
    assert dict(_all_schemas())[path]["default"] == default


@pytest.mark.parametrize("kind", ["ModelRollout", "MetricTemplate"])
def test_a_metric_has_no_default_that_would_win_over_a_template(kind: str) -> None:
    metric = dict(_all_schemas())[f"{kind}.spec.metrics[]"]["properties"]
    assert not [
        name for name, schema in metric.items() if "default" in schema and name != "groupBy"
    ]


def test_metric_of_a_template_says_the_same_as_that_of_a_rollout() -> None:
    schemas = dict(_all_schemas())
    ours = schemas["ModelRollout.spec.metrics[]"]["properties"]
    theirs = schemas["MetricTemplate.spec.metrics[]"]["properties"]
    assert ours.keys() - theirs.keys() == {"templateRef", "blames"}
    assert theirs.keys() - ours.keys() == {"groupBy"}
    assert all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())
