"""Every example in deploy/examples/ is accepted by a real API server as it is."""

from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane
from support.install import install_further_kinds

EXAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def cluster(crds: ControlPlane) -> ControlPlane:
    """A control plane that has the further kinds, too."""
    install_further_kinds(crds)
    return crds


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_accepted(cluster: ControlPlane, example: Path) -> None:
    answer = cluster.kubectl(
        "apply",
        "--namespace",
        "default",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        str(example),
    )
    assert "(server dry run)" in answer
