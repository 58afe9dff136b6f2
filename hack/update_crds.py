"""Writes `crds/` from the models, or checks that it is what they generate."""

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any

import yaml

from model_rollout.api.crd import custom_resource_definitions

FOLDER = Path(__file__).resolve().parent.parent / "crds"
HEADER = "# Generated from operator/model_rollout/api by `make update-crds`. Do not edit.\n"


def main() -> int:
    """Write the files; with --check say what would change and fail if anything would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    wanted = {f"{crd['metadata']['name']}.yaml": text(crd) for crd in custom_resource_definitions()}
    present = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
    if check:
        return report(present, wanted)
    FOLDER.mkdir(exist_ok=True)
    for name in present.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_text(content)
    return 0


def text(crd: dict[str, Any]) -> str:
    """Return one CustomResourceDefinition as it is written to its file."""
    return HEADER + yaml.safe_dump(crd, sort_keys=False, width=100, allow_unicode=True)


def report(present: dict[str, str], wanted: dict[str, str]) -> int:
    """Print the difference between the files and what the models generate."""
    if present == wanted:
        return 0
    for name in sorted(present.keys() | wanted.keys()):
        old, new = present.get(name, ""), wanted.get(name, "")
        sys.stderr.writelines(
            difflib.unified_diff(
                old.splitlines(True), new.splitlines(True), f"crds/{name}", "generated", n=2
            )
        )
    print("crds/ is not what the models generate: run make update-crds", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
