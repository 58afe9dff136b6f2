"""What a linter says of files: everything that is wrong, where, and what to write."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollout.cli import linting
from model_rollout.cli.main import main

ROLLOUT = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelRollout
metadata: {name: sentiment}
spec:
  targetRef: {name: sentiment}
  components:
    - {name: weights, env: {container: server, name: MODEL_URI}}
  metrics:
    - name: accuracy
      query: avg(accuracy)
      min: 0.85
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: sentiment}
spec:
  template:
    spec:
      containers:
        - name: server
          image: m:1
          env: [{name: MODEL_URI, value: "s3://m/1"}]
"""
TEMPLATE = """\
apiVersion: modelrollout.dev/v1alpha1
kind: MetricTemplate
metadata: {name: quality}
spec:
  parameters: [{name: app}]
  metrics:
    - name: accuracy
      query: avg(accuracy{app="{{args.app}}"})
"""
USES_TEMPLATE = ROLLOUT.replace(
    "query: avg(accuracy)", "templateRef: {name: quality, args: {app: x}}"
)

Lint = Any


@pytest.fixture
def lint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lint:
    monkeypatch.chdir(tmp_path)

    def run(*texts: str, status: int = 2) -> list[str]:
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.yaml").write_text(text)
        found = main(["lint", "-f", *(f"{number}.yaml" for number in range(len(texts)))])
        out, err = capsys.readouterr()
        assert found == status, out + err
        return [*out.splitlines(), *err.splitlines()]

    return run


def test_nothing_is_wrong(lint: Lint) -> None:
    assert lint(ROLLOUT, status=0) == ["1 ModelRollout: nothing to correct"]
    said = lint(f"{USES_TEMPLATE}---\n{TEMPLATE}---\n{DEPLOYMENT}", status=0)
    assert said == ["1 MetricTemplate, 1 ModelRollout: nothing to correct"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("min: 0.85", "min: high", "line 11: spec.metrics[0].min: write a number"),
        ("min: 0.85", "min: 2\n      max: 1", "line 9: spec.metrics[0]: min must not be greater"),
        ("min: 0.85", "mim: 0.85", "line 11: spec.metrics[0].mim: there is no field mim; did you mean"),
        ("avg(accuracy)", "avg(a{x='{{nmae}}'})", "line 10: spec.metrics[0].query: write a placeholder"),
        ("avg(accuracy)", "avg({{workload}})", "a placeholder stands outside of a string"),
        ("avg(accuracy)", "avg(a{x='{{component.w}}'})", "{{component.w}} is no placeholder: there are"),
        ("  metrics", "  analysis: {when: acuracy.breached}\n  metrics", "line 8: spec.analysis.when: "),
        ("/v1alpha1", "/v1", "line 1: apiVersion: there is no modelrollout.dev/v1: write modelrollout"),
        ("{name: sentiment}\nspec", "{name: Sentiment}\nspec", "line 3: metadata.name: write the name"),
        ("name: MODEL_URI", "name: ''", "spec.components[0].env.name: write at least 1 characters"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(lint: Lint, old: str, new: str, said: str) -> None:
    assert old in ROLLOUT
    told, summary = lint(ROLLOUT.replace(old, new, 1))
    assert told.startswith("0.yaml, line ")
    assert said in told
    assert summary == "1 ModelRollout: 1 problem"


def test_all_problems_are_told_at_once(lint: Lint) -> None:
    text = ROLLOUT.replace("min: 0.85", "min: high").replace("name: MODEL_URI", "nam: X")
    *told, summary = lint(text, TEMPLATE.replace("args.app", "args.ap"), "a: [b")
    assert [line.split(": ")[0] for line in told] == [
        "0.yaml, line 7",
        "0.yaml, line 7",
        "0.yaml, line 11",
        "1.yaml, line 8",
        "2.yaml, line 1",
    ]
    assert summary == "1 MetricTemplate, 1 ModelRollout: 5 problems"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: MODEL_URI", "name: URI", "container 'server' sets no variable 'MODEL_URI'"),
        ('value: "s3://m/1"', "valueFrom: {fieldRef: {fieldPath: x}}", "comes from valueFrom"),
        (
            "- name: server",
            "- name: main",
            "the workload has no container 'server'; write one of main",
        ),
    ],
)
def test_components_are_looked_for_in_the_deployment(
    lint: Lint, old: str, new: str, said: str
) -> None:
    assert old in DEPLOYMENT
    told, _ = lint(ROLLOUT, DEPLOYMENT.replace(old, new))
    assert told.startswith("0.yaml, line 7: spec.components[0]: ")
    assert said in told


def test_a_deployment_of_another_namespace_says_nothing(lint: Lint) -> None:
    other = DEPLOYMENT.replace("name: MODEL_URI", "name: URI")
    lint(ROLLOUT, other.replace("{name: sentiment}", "{name: sentiment, namespace: x}"), status=0)


def test_a_deployment_that_is_wrong_itself_is_not_ours_to_judge(lint: Lint) -> None:
    lint(ROLLOUT, DEPLOYMENT.split("  template")[0] + "  replicas: 1\n", status=0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("args: {app: x}", "args: {}", "MetricTemplate quality needs a value for app"),
        ("args: {app: x}", "args: {app: x, b: y}", "has no parameter b: there are app"),
        ("name: quality,", "name: quality, metric: other,", "has no metric other"),
        ("min: 0.85", "for: 1m", "the template leaves the limit open"),
    ],
)
def test_templates_in_the_files_are_looked_into(lint: Lint, old: str, new: str, said: str) -> None:
    told, _ = lint(USES_TEMPLATE.replace(old, new), TEMPLATE)
    assert told.startswith("0.yaml, line 9: spec.metrics[0]: ")
    assert said in told


def test_a_template_that_is_nowhere_is_a_note(lint: Lint) -> None:
    told, summary = lint(USES_TEMPLATE, status=0)
    assert told.startswith(
        "0.yaml, line 10: note: spec.metrics[0].templateRef.name: MetricTemplate "
    )
    assert "is in none of the files" in told
    assert summary == "1 ModelRollout: nothing to correct"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('app="{{args.app}}"', 'app="{{args.ap}}"', "query"),
        ("      query", "      groupBy: {app: '{{args.ap}}'}\n      query", "groupBy.app"),
        ("query: avg(accuracy{app=\"{{args.app}}\"})",
         "counts: {good: 'a{x=\"{{args.x}}\"}', total: b}", "counts.good"),
        ("query: avg(accuracy{app=\"{{args.app}}\"})",
         "histogram: {metric: 'a_bucket{x=\"{{args.x}}\"}'}", "histogram.metric"),
    ],
)  # fmt: skip
def test_placeholders_of_a_template_that_nobody_uses(
    lint: Lint, old: str, new: str, field: str
) -> None:
    assert old in TEMPLATE
    # With groupBy the query has no placeholders.
    text = TEMPLATE.replace(old, new, 1)
    text = text.replace('{app="{{args.app}}"}', "") if "groupBy" in new else text
    [told, _] = lint(text)
    assert f"spec.metrics[0].{field}: " in told
    assert "is no placeholder: there are {{namespace}}" in told


def test_placeholders_that_every_user_fills_in_differently_are_fine(lint: Lint) -> None:
    lint(TEMPLATE.replace("args.app", "component.weights.tag"), status=0)


def test_two_guards_of_one_workload(lint: Lint) -> None:
    other = ROLLOUT.replace("{name: sentiment}\nspec", "{name: other}\nspec")
    told, _ = lint(ROLLOUT, other)
    assert told.startswith(
        "1.yaml, line 5: spec.targetRef.name: ModelRollout sentiment guards this"
    )
    elsewhere = other.replace("{name: other}", "{name: other, namespace: x}")
    lint(ROLLOUT, elsewhere, status=0)


def test_two_objects_of_one_name(lint: Lint) -> None:
    told, _ = lint(ROLLOUT, ROLLOUT)
    assert told.startswith("1.yaml, line 3: metadata.name: 0.yaml has a ModelRollout of this name")


def test_a_switch_in_a_manifest_is_a_note(lint: Lint) -> None:
    told, _ = lint(ROLLOUT.replace("spec:\n", "spec:\n  killSwitch: Pause\n"), status=0)
    assert told.startswith(
        "0.yaml, line 5: note: spec.killSwitch: a switch in a manifest is flipped"
    )


def test_files_without_any_object_of_ours(lint: Lint) -> None:
    told, summary = lint(DEPLOYMENT)
    assert "there is no ModelRollout or MetricTemplate" in told
    assert summary == "no object of ours: 1 problem"


def test_a_file_that_is_not_there(lint: Lint, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "-f", "none.yaml"]) == 2
    assert "none.yaml: cannot be read: No such file" in capsys.readouterr().out


def test_problems_as_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(ROLLOUT.replace("min: 0.85", "min: high"))
    for output, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert main(["lint", "-f", str(file), "-o", output]) == 2
        out, err = capsys.readouterr()
        assert load(out) == {
            "problems": [
                {
                    "file": str(file),
                    "line": 11,
                    "field": "spec.metrics[0].min",
                    "message": "write a number",
                }
            ],
            "notes": [],
        }
        assert err == ""


def test_escape_sequences_in_a_file_are_not_shown(lint: Lint) -> None:
    told, _ = lint(ROLLOUT.replace("mim", "min").replace("min:", '"\\e[2J":'))
    assert "\x1b" not in told
    assert "\\x1b[2J" in told


def test_examples_have_nothing_to_correct(capsys: pytest.CaptureFixture[str]) -> None:
    examples = Path(__file__).resolve().parents[3] / "deploy" / "examples"
    files = sorted(map(str, examples.glob("*.yaml")))
    report = linting.check(files)
    assert report.problems == ()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_text(ROLLOUT)
    monkeypatch.setattr(linting, "_STANDARD_INPUT", str(tmp_path / "in"))
    assert linting.check(["-"]).kinds == ("ModelRollout",)
