"""The examples are valid, and the demo changes of them what it says it changes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo import manifests
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.types import duration_text

# As the schema of the custom resource has it: one number, one unit.
INTERVAL = re.compile(r"^[1-9][0-9]{0,3}(s|m|h)$")
EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"


def guards(text: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(text) if found["kind"] == "ModelRollout"]


GUARDS = [p for p in sorted(EXAMPLES.glob("*.yaml")) if "kind: ModelRollout\n" in p.read_text()]


@pytest.mark.parametrize("path", GUARDS, ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    found = guards(path.read_text())
    assert found
    for guard in found:
        assert ModelRolloutSpec.model_validate(guard["spec"]).metrics


def test_a_guard_is_short() -> None:
    assert len(manifests.guard_manifest().splitlines()) <= 17


def test_every_shortened_duration_is_listed() -> None:
    pace = manifests.Pace()
    written = yaml.safe_load(manifests.guard_manifest())["spec"]
    applied = manifests.objects(pace, "")[1]["spec"]
    listed = "\n".join(manifests.shortened(pace))
    for section in sorted(set(applied) - set(written)):
        for key in applied[section]:
            assert f"{section}.{key}" in listed
    assert applied["metrics"] == written["metrics"]
    assert set(applied) - set(written) == {"analysis", "rollback"}


def test_the_quiet_guard_is_changed_as_listed() -> None:
    pace = manifests.Pace()
    written = list(yaml.safe_load_all((EXAMPLES / "digits-quiet.yaml").read_text()))
    deployment, guard = manifests.objects(pace, "")[2:]
    listed = "\n".join(manifests.shortened(pace))
    (before,), (after,) = args(written[0]), args(deployment)
    assert f"{before.removeprefix('--rate=')} → {after.removeprefix('--rate=')}" in listed
    naive_before, naive_after = written[1]["spec"]["metrics"][1], guard["spec"]["metrics"][1]
    assert naive_after == naive_before | {"query": naive_before["query"].replace("[1m]", "[2s]")}
    assert "1m → 2s" in listed


def args(deployment: dict[str, Any]) -> list[str]:
    found: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


@pytest.mark.parametrize("interval", [1, 7, 60, 90])
def test_durations_follow_the_interval(interval: int) -> None:
    pace = manifests.Pace(interval)
    for guard in manifests.objects(pace, "registry/")[1::2]:
        spec = ModelRolloutSpec.model_validate(guard["spec"])
        assert spec.analysis.interval == interval
        assert INTERVAL.match(guard["spec"]["analysis"]["interval"])
        assert spec.rollback.deadline > 2 * spec.analysis.warm_up
    assert f"[{duration_text(2 * interval)}]" in guard["spec"]["metrics"][1]["query"]


@pytest.mark.parametrize("interval", [1, 60])
def test_the_quiet_model_gives_two_answers_a_check(interval: int) -> None:
    (argument,) = args(manifests.objects(manifests.Pace(interval), "")[2])
    assert float(argument.removeprefix("--rate=")) * interval == pytest.approx(2, rel=0.01)


def test_the_quiet_example_gives_two_answers_a_check_as_it_is_written() -> None:
    deployment, guard = yaml.safe_load_all((EXAMPLES / "digits-quiet.yaml").read_text())
    interval = ModelRolloutSpec.model_validate(guard["spec"]).analysis.interval
    (argument,) = args(deployment)
    assert float(argument.removeprefix("--rate=")) * interval == pytest.approx(2, rel=0.01)


def test_the_image_prefix_is_written() -> None:
    for deployment in manifests.objects(manifests.Pace(), "registry/me/")[::2]:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == "registry/me/digits:v1"
