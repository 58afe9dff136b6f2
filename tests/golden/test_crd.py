"""Small models → structural schemas: from `crd/NAME.py` to `crd/NAME.output.yaml`."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from model_rollout.api.structural import structural_schema
from support.golden import check_golden

CASES = sorted((Path(__file__).parent / "crd").glob("*.py"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_structural_schema(case: Path, request: pytest.FixtureRequest) -> None:
    toy = _load(case)
    schema = structural_schema(toy.Toy, defaults=getattr(toy, "DEFAULTS", True))
    output = yaml.safe_dump(schema, sort_keys=False, width=100)
    update = request.config.getoption("--update-golden")
    check_golden(case.with_suffix(".output.yaml"), output, update=update)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"golden_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
