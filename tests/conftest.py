"""Fixtures and options that several folders of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane
from support.install import install_crds

pytest_plugins = ["support.fixtures"]

TESTS = Path(__file__).resolve().parent
# By folder, so that no test can be forgotten. Tests of all other folders need no cluster.
MARKERS = {"integration": "integration", "localcluster": "integration", "e2e": "e2e"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files instead of comparing"
    )
    parser.addoption(
        "--machine-runs",
        type=int,
        metavar="N",
        help="runs of the state machine, with random seeds instead of always the same",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(TESTS):
            folder = item.path.relative_to(TESTS).parts[0]
            if marker := MARKERS.get(folder):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane for the whole run: work in a namespace of your own."""
    with ControlPlane("tests") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CustomResourceDefinitions, established."""
    install_crds(control_plane)
    return control_plane
