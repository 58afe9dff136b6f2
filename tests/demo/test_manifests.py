"""The examples are valid, and the demo changes of them what it says it changes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from demo import manifests
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.types import duration_text

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "examples"


def guards(text: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(text) if found["kind"] == "ModelRollout"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    found = guards(path.read_text())
    assert found
    for guard in found:
        assert ModelRolloutSpec.model_validate(guard["spec"]).metrics


def test_a_guard_is_about_a_dozen_lines() -> None:
    assert len(manifests.guard_manifest().splitlines()) <= 15


def test_every_shortened_duration_is_listed() -> None:
    pace = manifests.Pace()
    written = yaml.safe_load(manifests.guard_manifest())["spec"]
    _, guard = manifests.objects(pace, "")
    applied = guard["spec"]
    listed = "\n".join(manifests.shortened(pace))
    for section in sorted(set(applied) - set(written)):
        for key in applied[section]:
            assert f"{section}.{key}" in listed
    for before, after in zip(written["metrics"], applied["metrics"], strict=True):
        assert set(after) - set(before) == {"for"}
    assert set(applied) - set(written) == {"analysis", "rollback"}


@pytest.mark.parametrize("window", [2.0, 5.0, 120.0])
def test_durations_follow_the_window(window: float) -> None:
    pace = manifests.Pace(window)
    guard = manifests.objects(pace, "registry/")[1]
    spec = ModelRolloutSpec.model_validate(guard["spec"])
    assert all(f"[{duration_text(window)}]" in metric.query for metric in spec.metrics)
    assert spec.rollback.deadline > 2 * spec.analysis.warm_up
    assert spec.analysis.interval < window


def test_the_image_prefix_is_written() -> None:
    deployment, _ = manifests.objects(manifests.Pace(), "registry/me/")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry/me/digits:v1"
