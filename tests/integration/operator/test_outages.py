"""The API server stops and comes back, in the middle of a rollback. On a control plane of its own."""

from collections.abc import Iterator

import pytest

from localcluster.controlplane import ControlPlane
from localcluster.waiting import wait_until
from localcluster.workspace import Workspace
from support.faults import Broken, Match, Request, writing
from support.install import install_crds, install_operator
from support.kube import Kube
from support.scenario import Scenario, Site, scenario

BEFORE_THE_PATCH = writing("deployments", "PATCH")


@pytest.fixture(scope="module")
def fragile(site: Site) -> Iterator[Site]:
    """A site whose API server may be stopped; Prometheus and the exporter are the common ones."""
    workspace = Workspace("outages")
    with ControlPlane() as cluster:
        install_crds(cluster)
        install_operator(cluster)
        try:
            yield Site(cluster, Kube(cluster), site.prometheus, site.source, workspace)
        finally:
            workspace.close()


@pytest.fixture
def exposed(fragile: Site) -> Iterator[Scenario]:
    with scenario(fragile, "outage") as found:
        yield found


def lose_api_server(case: Scenario, match: Match) -> None:
    """Kill the API server before it sees the request that matches."""

    def act(_: Request) -> Broken:
        case.site.control_plane.stop_component("kube-apiserver")
        return Broken.DROPPED

    case.proxy.before(match, act)


def wait_until_away(case: Scenario) -> None:
    """Wait until the operator asked in vain, so that the outage was one for it."""

    def failures() -> float:
        if not case.operator.is_running:
            return 1.0
        return case.operator.metric("modelrollout_api_errors_total", "Unavailable", default=0.0)

    wait_until(failures, 60, "the operator misses the API server")


def test_outage_within_the_lease_is_survived(exposed: Scenario) -> None:
    exposed.lease_duration = 60.0
    operator = exposed.stable("v1")
    lose_api_server(exposed, BEFORE_THE_PATCH)
    exposed.deploy("v2")
    wait_until_away(exposed)
    exposed.site.control_plane.start_component("kube-apiserver")
    exposed.wait_for_outcome("Succeeded", 90)
    assert operator.is_running
    assert exposed.version() == "v1"
    assert len(exposed.patches()) == 1
    assert exposed.status()["attempts"] == 1
    assert exposed.quarantined() == [2]


def test_outage_longer_than_the_lease_ends_the_operator_and_the_next_one_finishes(
    exposed: Scenario,
) -> None:
    exposed.lease_duration = 3.0
    operator = exposed.stable("v1")
    lose_api_server(exposed, BEFORE_THE_PATCH)
    exposed.deploy("v2")
    assert operator.wait_for_end(60) != 0
    exposed.site.control_plane.start_component("kube-apiserver")
    assert exposed.status()["transaction"]["stage"] == "Applying"
    assert exposed.version() == "v2"

    exposed.lease_duration = 15.0
    exposed.start_operator()
    exposed.wait_for_outcome("Succeeded", 90)
    assert exposed.version() == "v1"
    assert len(exposed.patches()) == 1
    assert exposed.status()["attempts"] == 1
    assert exposed.quarantined() == [2]
