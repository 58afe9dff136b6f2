"""`crds/` is what the models generate, and the check says so when it is not."""

import pytest
import yaml

from model_rollout.api.crd import custom_resource_definitions
from update_crds import FOLDER, report, text

WANTED = {f"{crd['metadata']['name']}.yaml": text(crd) for crd in custom_resource_definitions()}


def test_files_are_what_the_models_generate() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*")} == WANTED


def test_files_hold_what_was_generated() -> None:
    loaded = [yaml.safe_load(content) for content in WANTED.values()]
    assert loaded == list(custom_resource_definitions())


def test_files_have_no_anchors() -> None:
    assert not [name for name, content in WANTED.items() if "&id" in content]


@pytest.mark.parametrize(
    "present",
    [
        {},
        {**WANTED, "old.yaml": "kind: Old\n"},
        {name: text + "#\n" for name, text in WANTED.items()},
    ],
    ids=["missing", "left over", "changed"],
)
def test_difference_is_reported(
    present: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(present, WANTED) == 1
    assert "run make update-crds" in capsys.readouterr().err


def test_no_difference() -> None:
    assert report(dict(WANTED), WANTED) == 0
