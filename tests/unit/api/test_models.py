"""The models read what users write and give back what was stored."""

from typing import Any

from model_rollout.api.metric import Metric, MetricAction
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.types import seconds

MINIMAL: dict[str, Any] = {
    "targetRef": {"name": "sentiment"},
    "metrics": [{"name": "accuracy", "query": "accuracy", "min": 0.9}],
}


def test_minimal_spec_has_every_default() -> None:
    spec = ModelRolloutSpec.model_validate(MINIMAL)
    assert spec.kill_switch == "None"
    assert [(part.name, part.pod_template is not None) for part in spec.components] == [
        ("template", True)
    ]
    assert spec.rollback.budget.per == seconds("24h")
    assert spec.metrics[0].for_ is None
    assert spec.prometheus.url is None


def test_what_was_not_written_can_be_told() -> None:
    """A template's action wins over the default, and a written one over the template's."""
    written = MINIMAL["metrics"][0] | {"action": "Rollback"}
    for metric, names in ((MINIMAL["metrics"][0], set()), (written, {"action"})):
        read = Metric.model_validate(metric)
        assert read.action is MetricAction.ROLLBACK
        assert read.model_fields_set & {"action", "on_no_data"} == names


def test_spec_round_trip() -> None:
    spec = ModelRolloutSpec.model_validate(MINIMAL)
    wire = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert wire["rollback"]["budget"] == {"maxRollbacks": 3, "per": "1d"}
    assert ModelRolloutSpec.model_validate(wire) == spec
