"""Fixtures for tests of the whole operator. Loaded by tests/conftest.py."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from localcluster.controlplane import ControlPlane
from localcluster.prometheus import Prometheus
from localcluster.workspace import Workspace
from support.install import install_further_kinds, install_operator
from support.kube import Kube
from support.metrics_source import MetricsSource
from support.scenario import Scenario, Site, scenario


@pytest.fixture(scope="session")
def metrics_source() -> Iterator[MetricsSource]:
    with MetricsSource() as source:
        yield source


@pytest.fixture(scope="session")
def scraping_prometheus(metrics_source: MetricsSource) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes what tests publish, twice a second."""
    targets = {"tests": [metrics_source.address]}
    with Prometheus(scrape_interval="500ms", static_targets=targets) as prometheus:
        yield prometheus


@pytest.fixture(scope="session")
def site(
    crds: ControlPlane, metrics_source: MetricsSource, scraping_prometheus: Prometheus
) -> Iterator[Site]:
    install_operator(crds)
    install_further_kinds(crds)
    workspace = Workspace("operators")
    try:
        yield Site(crds, Kube(crds), scraping_prometheus, metrics_source, workspace)
    finally:
        workspace.close()


@pytest.fixture
def new_scenario(site: Site) -> Iterator[Callable[[], Scenario]]:
    """Makes scenarios: for tests that need more than one."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(scenario(site))


@pytest.fixture
def case(new_scenario: Callable[[], Scenario]) -> Scenario:
    """A namespace of its own, with a proxy and no operator yet."""
    return new_scenario()
