"""Situations → decisions: from `NAME.input.yaml` to `NAME.output.yaml`, every reason at least once."""

import re
from pathlib import Path

import pytest
import yaml

from golden.decision.loading import load, outcome
from model_rollout.decision.reasons import Reason
from support.golden import check_golden

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*.input.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".input.yaml"))
def test_decision(case: Path, request: pytest.FixtureRequest) -> None:
    situation = yaml.safe_load(case.read_text())
    text = yaml.safe_dump(outcome(load(situation)), sort_keys=False, width=100)
    output = case.with_name(case.name.replace(".input.", ".output."))
    check_golden(output, text, update=request.config.getoption("--update-golden"))


def test_every_reason_is_given_in_some_situation() -> None:
    given = {
        word
        for output in FOLDER.glob("*.output.yaml")
        for word in _reasons(yaml.safe_load(output.read_text()))
    }
    assert sorted({reason.value for reason in Reason} - given) == []


def _reasons(output: dict[str, dict[str, str]]) -> list[str]:
    """Of the decision, and of the phases that ModelRevisions enter."""
    phases = [text.split()[-1] for text in output.get("revisions", {}).values()]
    return [output["decision"]["reason"], *phases]


def test_every_output_has_its_situation() -> None:
    outputs = {re.sub(r"\.output\.yaml$", "", path.name) for path in FOLDER.glob("*.output.yaml")}
    assert outputs == {re.sub(r"\.input\.yaml$", "", path.name) for path in CASES}
