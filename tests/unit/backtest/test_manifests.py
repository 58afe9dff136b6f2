from pathlib import Path

import pytest

from model_rollout.backtest.manifests import InputError, Inputs, read_inputs
from model_rollout.backtest.policy import replayed, templates, where_written

ROLLOUT = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelRollout
metadata:
  name: sentiment
spec:
  targetRef:
    name: sentiment
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
        - {name: server, image: "registry/sentiment:1"}
"""
TEMPLATE = """\
apiVersion: modelrollout.dev/v1alpha1
kind: MetricTemplate
metadata: {name: quality}
spec:
  metrics:
    - {name: accuracy, query: 'avg(accuracy{app="{{workload}}"})', min: 0.8}
"""
WITH_TEMPLATE = ROLLOUT.replace("query: avg(accuracy)", "templateRef: {name: quality}")


def read(folder: Path, *texts: str, namespace: str | None = None) -> Inputs:
    files = []
    for number, text in enumerate(texts):
        file = folder / f"{number}.yaml"
        file.write_text(text)
        files.append(str(file))
    return read_inputs(files, namespace)


def test_all_objects_may_be_in_one_file(tmp_path: Path) -> None:
    found = read(tmp_path, f"{WITH_TEMPLATE}---\n{TEMPLATE}---\n{DEPLOYMENT}---\n")
    assert found.rollout.name == "sentiment"
    assert found.deployment is not None
    assert [template.name for template in found.templates] == ["quality"]


def test_objects_may_be_in_several_files_and_in_lists(tmp_path: Path) -> None:
    indented = "".join(f"    {line}\n" for line in DEPLOYMENT.splitlines())
    listed = f"apiVersion: v1\nkind: List\nitems:\n  -\n{indented}"
    found = read(tmp_path, WITH_TEMPLATE, TEMPLATE, listed)
    assert found.deployment is not None
    assert found.deployment.lines[("spec", "template")] == 9


def test_other_objects_are_left_alone(tmp_path: Path) -> None:
    other = DEPLOYMENT.replace("name: sentiment", "name: other")
    found = read(tmp_path, f"{ROLLOUT}---\n{other}---\napiVersion: v1\nkind: Service\n")
    assert found.deployment is None


def test_a_date_is_a_text_as_in_kubernetes(tmp_path: Path) -> None:
    found = read(
        tmp_path, DEPLOYMENT.replace("server, image", "2026-01-01, image") + "---\n" + ROLLOUT
    )
    assert found.deployment is not None
    containers = found.deployment.body["spec"]["template"]["spec"]["containers"]
    assert containers[0]["name"] == "2026-01-01"


@pytest.mark.parametrize(
    ("written", "chosen", "expected"),
    [("", None, "default"), ("\n  namespace: ml", None, "ml"), ("\n  namespace: ml", "x", "x")],
)
def test_namespace(tmp_path: Path, written: str, chosen: str | None, expected: str) -> None:
    text = ROLLOUT.replace("  name: sentiment\nspec", f"  name: sentiment{written}\nspec")
    assert read(tmp_path, text, namespace=chosen).namespace == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the files hold no ModelRollout"),
        (DEPLOYMENT, "the files hold no ModelRollout"),
        (f"{ROLLOUT}---\n{ROLLOUT}", "line 13: one ModelRollout at a time is replayed"),
        (WITH_TEMPLATE, "line 10: spec.metrics[0].templateRef.name: no file holds the MetricTemplate"),
        (ROLLOUT.replace("min: 0.85", "min: high"), "line 11: spec.metrics[0].min: write a number"),
        (ROLLOUT.replace("      min: 0.85\n", ""), "line 9: spec.metrics[0]: write min, max or both"),
        (ROLLOUT.replace("min: 0.85", "mni: 0.85"), "line 11: spec.metrics[0].mni: there is no field"),
        (ROLLOUT.replace("min: 0.85", "min: 0.85\n      min: 1"), "line 12: spec.metrics[0].min is there twice"),
        (ROLLOUT.replace("name: sentiment\nspec", "labels: {}\nspec"), "line 3: metadata: write the name of"),
        (ROLLOUT.replace("name: sentiment\nspec", "name: Sentiment\nspec"), "line 4: metadata.name: write the name"),
        (
            ROLLOUT.replace("name: sentiment\nspec", "name: a\n  namespace: 'm\"l'\nspec"),
            "line 5: metadata.namespace: write the name of a namespace",
        ),
        (
            f"{ROLLOUT}---\n" + DEPLOYMENT.replace("name: server", "nam: server"),
            "line 20: spec.template.spec.containers[0]: write the name of the container",
        ),
        (ROLLOUT.partition("spec:")[0], "line 1: write spec"),
        (ROLLOUT.replace("targetRef:", "targetRef: ["), "this is not YAML"),
        ("- a\n- b\n", "line 1: this is no Kubernetes object"),
        (
            f"{ROLLOUT}---\n" + DEPLOYMENT.replace("containers", "initContainers"),
            "line 13: the Deployment has no containers",
        ),
        (f"{WITH_TEMPLATE}---\n" + TEMPLATE.replace(", min: 0.8", ", min: 0.8, groupBye: {}"), "did you mean groupBy?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


def test_a_namespace_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--namespace M L is no name of a namespace"):
        read(tmp_path, ROLLOUT, namespace="M L")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.yaml cannot be read: No such file"):
        read_inputs([str(tmp_path / "none.yaml")], None)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        read_inputs([str(tmp_path / "x.yaml")], None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            ROLLOUT.replace("avg(accuracy)", 'avg(accuracy{app="{{component.nothing}}"})'),
            "line 9: spec.metrics[0]: {{component.nothing}} is no placeholder",
        ),
        (ROLLOUT + "  analysis: {when: precision.breached}\n", "line 12: spec.analysis.when: "),
        (
            f"{WITH_TEMPLATE.replace('quality}', 'quality, args: {app: x}}')}---\n{TEMPLATE}",
            "line 9: spec.metrics[0]: MetricTemplate quality has no parameter app",
        ),
    ],
)
def test_what_only_the_operator_would_refuse_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        replayed(read(tmp_path, text))
    assert said in str(caught.value)


def test_a_replay_is_a_dry_run_without_switch_and_credentials(tmp_path: Path) -> None:
    written = (
        "  killSwitch: Pause\n"
        "  prometheus: {url: 'http://p:9090', authSecretRef: {name: token}}\n"
        "  rollback: {mode: Automatic, cooldown: 1h}\n"
    )
    body, spec = replayed(read(tmp_path, ROLLOUT + written))
    assert body["spec"]["rollback"] == {"mode": "DryRun", "cooldown": "1h"}
    assert not {"killSwitch", "prometheus"} & body["spec"].keys()
    assert spec.rollback.cooldown == 3600.0


def test_templates_serve_the_namespace_of_the_replay(tmp_path: Path) -> None:
    found = templates(read(tmp_path, WITH_TEMPLATE, TEMPLATE, namespace="ml"))
    assert [body["metadata"]["namespace"] for body in found] == ["ml"]


def test_an_expression_is_found_where_it_is_written(tmp_path: Path) -> None:
    inputs = read(tmp_path, ROLLOUT)
    assert "line 10: spec.metrics[0].query: " in str(where_written(inputs, "avg(accuracy)"))
    assert where_written(inputs, "something else") is None
