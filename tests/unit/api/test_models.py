"""The models read what users write and give back what was stored."""

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.types import seconds

MINIMAL = {
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


def test_spec_round_trip() -> None:
    spec = ModelRolloutSpec.model_validate(MINIMAL)
    wire = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert wire["rollback"]["budget"] == {"maxRollbacks": 3, "per": "1d"}
    assert ModelRolloutSpec.model_validate(wire) == spec
