from typing import Any

import pytest

from model_rollout.api.crd import custom_resource_definitions
from model_rollout.backtest.schema import Fault, faults

SPEC = next(
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for crd in custom_resource_definitions()
    if crd["spec"]["names"]["kind"] == "ModelRollout"
)
METRIC = {"name": "accuracy", "query": "up", "min": 0.85}


def first(**changes: Any) -> Fault | None:
    spec = {"targetRef": {"name": "model"}, "metrics": [METRIC]} | changes
    return next(faults(SPEC, spec), None)


def test_the_smallest_spec_is_fine() -> None:
    assert first() is None


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"metrics": []}, ("metrics",), "write at least 1"),
        ({"metrics": {}}, ("metrics",), "write a list"),
        ({"targetRef": {}}, ("targetRef",), "write name"),
        ({"metrix": 1}, ("metrix",), "did you mean metrics?"),
        ({"zzz": 1}, ("zzz",), "there is no field zzz; there are killSwitch"),
        ({"history": {"limit": 1.5}}, ("history", "limit"), "write a whole number"),
        ({"history": {"limit": True}}, ("history", "limit"), "write a whole number"),
        ({"history": {"limit": 1000}}, ("history", "limit"), "at most 100"),
        ({"killSwitch": "Off"}, ("killSwitch",), "write one of None, Pause, Rollback"),
        ({"analysis": {"interval": "fast"}}, ("analysis", "interval"), "such as 30s or 5m"),
        (
            {"metrics": [METRIC, METRIC]},
            ("metrics", 1),
            "accuracy is there twice",
        ),
        (
            {"metrics": [METRIC | {"name": "Accuracy"}]},
            ("metrics", 0, "name"),
            "lower case letters",
        ),
        (
            {"metrics": [METRIC | {"min": float("nan")}]},
            ("metrics", 0, "min"),
            "write a finite number",
        ),
        # What a schema cannot say: rules in CEL, also about a field that is a keyword there.
        (
            {"metrics": [{"name": "accuracy", "query": "up"}]},
            ("metrics", 0),
            "write min, max or both",
        ),
        (
            {"metrics": [METRIC | {"min": 2, "max": 1}]},
            ("metrics", 0),
            "min must not be greater than max",
        ),
        (
            {"metrics": [METRIC | {"for": "soon"}]},
            ("metrics", 0, "for"),
            "write a duration",
        ),
    ],
)
def test_a_fault_says_where_it_is_and_what_to_write(
    changes: dict[str, Any], path: tuple[str | int, ...], said: str
) -> None:
    fault = first(**changes)
    assert fault is not None
    assert fault.path == path
    assert said in fault.message


def test_a_rule_about_a_change_does_not_apply() -> None:
    assert any(
        "oldSelf" in r["rule"] for r in SPEC["properties"]["targetRef"]["x-kubernetes-validations"]
    )
    assert first() is None


def test_whole_numbers_are_numbers() -> None:
    assert first(metrics=[METRIC | {"min": 1}]) is None
