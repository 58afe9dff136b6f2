"""Every example in deploy/examples/ is accepted by a real API server as it is."""

from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane

EXAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_accepted(crds: ControlPlane, example: Path) -> None:
    answer = crds.kubectl(
        "apply",
        "--namespace",
        "default",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        str(example),
    )
    assert "created (server dry run)" in answer
