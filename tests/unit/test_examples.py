"""Every example in deploy/examples/ is understood: components are found, metrics become rules."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from model_rollout.analysis.evidence import begin, report
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.decision.goals import fallback_problem
from model_rollout.engine.rulebook import Circumstances, RuleBook
from model_rollout.engine.store import Store
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.history import Revision, new_revision
from unit.decision.builders import REF, revision

FOLDER = Path(__file__).parents[2] / "deploy" / "examples"
BODIES = [
    body for path in sorted(FOLDER.glob("*.yaml")) for body in yaml.safe_load_all(path.read_text())
]


def of_kind(kind: str) -> list[Json]:
    return [body for body in BODIES if body["kind"] == kind]


DEPLOYMENTS = {body["metadata"]["name"]: body for body in of_kind("Deployment")}
CONFIG_MAPS = {body["metadata"]["name"]: body for body in of_kind("ConfigMap")}
OTHERS = {(body["kind"], body["metadata"]["name"]): body for body in BODIES}


def deployed(spec: ModelRolloutSpec) -> Revision:
    """What the Deployment of the example holds; any revision where there is none."""
    some = revision(2)
    body = DEPLOYMENTS.get(spec.target_ref.name)
    if body is None:
        return some
    objects = {
        component.name: OTHERS[component.field.ref.kind, component.field.ref.name]
        for component in spec.components
        if component.field is not None and component.field.ref is not None
    }
    found = read_content(body["spec"]["template"], spec.components, CONFIG_MAPS, objects=objects)
    assert isinstance(found, Content), found
    return replace(some, spec=new_revision(REF, 2, found).spec)


@pytest.mark.parametrize("body", of_kind("ModelRollout"), ids=lambda b: b["metadata"]["name"])
def test_metrics_of_an_example_can_be_judged(body: Json) -> None:
    store = Store()
    for template in of_kind("MetricTemplate"):
        metadata = template["metadata"] | {"namespace": "ml", "uid": "t", "resourceVersion": "1"}
        store.put_template(template | {"metadata": metadata})
    spec = ModelRolloutSpec.model_validate(body["spec"])
    found = Circumstances("ml", body["metadata"]["name"], deployed(spec), "5f7d8c")
    rules = RuleBook(store, "operators").rules(spec, found, None)
    reports = [report(begin(rule, 0.0, 0.0), rule, 1.0) for rule in rules.rules]
    assert [told.message for told in reports if told.unavailable] == []
    assert not hasattr(rules.when, "message")


def test_contents_of_the_config_maps_of_an_example_are_read() -> None:
    (body,) = (b for b in of_kind("ModelRollout") if b["metadata"]["name"] == "rag")
    spec = ModelRolloutSpec.model_validate(body["spec"])
    values = {value.name: value for value in deployed(spec).spec.components}
    assert values["prompt"].config_map == "rag-prompt"
    assert values["index"].config_map == "rag-index-7g2b9k5h4c"
    blamed = {name for metric in spec.metrics for name in metric.blames}
    assert blamed == {"prompt", "index", "policy"} < values.keys()


@pytest.mark.parametrize("body", of_kind("ModelRollout"), ids=lambda b: b["metadata"]["name"])
def test_what_an_example_names_is_a_component(body: Json) -> None:
    spec = ModelRolloutSpec.model_validate(body["spec"])
    assert fallback_problem(spec) == ""
    names = {component.name for component in spec.components}
    assert {name for metric in spec.metrics for name in metric.blames} <= names


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("chat", ["org/chat", "8f3c1e0b6d5a4c7f9e2b1a0d3c6f5e8b7a9d0c1f", ""]),
        ("recommender", ["7"]),
        (
            "translation",
            [
                (
                    "registry.example.com/translation"
                    "@sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"
                )
            ],
        ),
    ],
)
def test_version_of_an_example_is_read(name: str, values: list[str]) -> None:
    (body,) = (b for b in of_kind("ModelRollout") if b["metadata"]["name"] == name)
    _, *components = deployed(ModelRolloutSpec.model_validate(body["spec"])).spec.components
    assert [component.value for component in components] == values
