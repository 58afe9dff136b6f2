"""Every example in deploy/examples/ is understood: its metrics become rules, without a problem."""

from pathlib import Path

import pytest
import yaml

from model_rollout.analysis.evidence import begin, report
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.engine.rulebook import Circumstances, RuleBook
from model_rollout.engine.store import Store
from model_rollout.revisions.canonical import Json
from unit.decision.builders import revision

FOLDER = Path(__file__).parents[2] / "deploy" / "examples"


def of_kind(kind: str) -> list[Json]:
    bodies = [
        b for path in sorted(FOLDER.glob("*.yaml")) for b in yaml.safe_load_all(path.read_text())
    ]
    return [body for body in bodies if body["kind"] == kind]


@pytest.mark.parametrize("body", of_kind("ModelRollout"), ids=lambda b: b["metadata"]["name"])
def test_metrics_of_an_example_can_be_judged(body: Json) -> None:
    store = Store()
    for template in of_kind("MetricTemplate"):
        metadata = template["metadata"] | {"namespace": "ml", "uid": "t", "resourceVersion": "1"}
        store.put_template(template | {"metadata": metadata})
    spec = ModelRolloutSpec.model_validate(body["spec"])
    found = Circumstances("ml", body["metadata"]["name"], revision(2), "5f7d8c")
    rules = RuleBook(store, "operators").rules(spec, found, None)
    reports = [report(begin(rule, 0.0, 0.0), rule, 1.0) for rule in rules.rules]
    assert [told.message for told in reports if told.unavailable] == []
    assert not hasattr(rules.when, "message")
