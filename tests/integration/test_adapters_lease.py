"""Leader election on a real API server: one leader at a time, and none that was asleep."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from localcluster.controlplane import ControlPlane
from model_rollout.adapters.kubernetes.client import KubernetesApi, load_api
from model_rollout.adapters.kubernetes.lease import Elector, LeaseLost
from model_rollout.ports.kubernetes import NotFound, Unavailable

NAMESPACE = "adapters-lease"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


@pytest.fixture(scope="module", autouse=True)
def namespace(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", NAMESPACE)


@pytest_asyncio.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[KubernetesApi]:
    api = await load_api(str(control_plane.kubeconfig), None)
    yield api
    await api.close()


class Candidate:
    """An elector with times short enough for a test, on a clock that can be put forward."""

    def __init__(self, api: KubernetesApi, lease: str, identity: str) -> None:
        self.ahead = 0.0
        self.elector = Elector(
            api,
            NAMESPACE,
            lease,
            identity,
            duration=3.0,
            renew_deadline=2.0,
            retry=0.5,
            clock=lambda: time.monotonic() + self.ahead,
        )


async def record(api: KubernetesApi, lease: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.request("GET", f"{LEASES}/{lease}"))["spec"]
    return found


async def renewed(api: KubernetesApi, lease: str, times: int) -> None:
    """Return once the Lease was renewed so many times, by whoever holds it."""
    seen: set[str] = set()
    async with asyncio.timeout(20):
        while len(seen) <= times:
            seen.add((await record(api, lease))["renewTime"])


async def test_lease_is_created_kept_and_released(api: KubernetesApi) -> None:
    one = Candidate(api, "kept", "one").elector
    assert not one.holds()
    await one.acquire()
    assert one.holds()
    first = await record(api, "kept")
    assert (first["holderIdentity"], first["leaseDurationSeconds"]) == ("one", 3)
    keeping = asyncio.create_task(one.keep())
    await renewed(api, "kept", 6)  # longer than it would last without renewals
    assert one.holds()
    assert (await record(api, "kept"))["renewTime"] > first["renewTime"]
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    await one.release()
    assert not one.holds()
    assert not (await record(api, "kept"))["holderIdentity"]

    two = Candidate(api, "kept", "two").elector
    began = time.monotonic()
    await two.acquire()
    assert time.monotonic() - began < 1, "a released Lease is taken at once"
    assert (await record(api, "kept"))["leaseTransitions"] == 1
    await one.release()  # a second time, by the wrong one: changes nothing
    assert (await record(api, "kept"))["holderIdentity"] == "two"


async def test_lease_is_taken_over_only_after_silence(api: KubernetesApi) -> None:
    one, two = Candidate(api, "silent", "one").elector, Candidate(api, "silent", "two").elector
    await one.acquire()
    keeping = asyncio.create_task(one.keep())
    waiting = asyncio.create_task(two.acquire())
    await renewed(api, "silent", 7)  # half a second each: longer than the Lease lasts
    assert not waiting.done()
    silent_since = time.monotonic()
    keeping.cancel()  # as if it had been killed: no release
    await waiting
    # The last renewal was up to one retry before; then the whole duration passes.
    assert time.monotonic() - silent_since >= 3 - 0.5 - 0.1
    assert two.holds()
    assert not one.holds()


async def test_lease_is_lost_at_once_when_another_takes_it(api: KubernetesApi) -> None:
    one = Candidate(api, "stolen", "one").elector
    await one.acquire()
    lease = await api.request("GET", f"{LEASES}/stolen")
    lease["spec"]["holderIdentity"] = "thief"
    await api.request("PUT", f"{LEASES}/stolen", body=lease)
    with pytest.raises(LeaseLost, match="taken by another"):
        await one.keep()
    assert not one.holds()


async def test_lease_is_lost_when_it_is_deleted(api: KubernetesApi) -> None:
    one = Candidate(api, "deleted", "one").elector
    await one.acquire()
    await api.request("DELETE", f"{LEASES}/deleted")
    with pytest.raises(LeaseLost, match="deleted"):
        await one.keep()


async def test_an_edit_by_somebody_else_does_not_cost_the_lease(api: KubernetesApi) -> None:
    one = Candidate(api, "edited", "one").elector
    await one.acquire()
    keeping = asyncio.create_task(one.keep())
    for n in range(8):
        body = {"metadata": {"labels": {"edited": str(n)}}}
        patch = "application/merge-patch+json"
        await api.request("PATCH", f"{LEASES}/edited", body=body, content_type=patch)
        await renewed(api, "edited", 1)
    assert one.holds()
    assert not keeping.done()
    keeping.cancel()


async def test_a_paused_holder_writes_nothing_when_it_wakes_up(api: KubernetesApi) -> None:
    one, two = Candidate(api, "paused", "one"), Candidate(api, "paused", "two")
    await one.elector.acquire()
    await two.elector.acquire()  # `one` does not renew: this takes as long as the Lease lasts
    assert not one.elector.holds()
    two.ahead += 2.0
    assert not two.elector.holds(), "without any task having run"
    with pytest.raises(LeaseLost):
        await two.elector.keep()


async def test_only_one_of_many_gets_the_lease(api: KubernetesApi) -> None:
    electors = [Candidate(api, "wanted", f"c{n}").elector for n in range(10)]
    tasks = [asyncio.create_task(elector.acquire()) for elector in electors]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert sum(elector.holds() for elector in electors) == 1
    # For as long as the winner holds it nobody else does, however often they ask.
    winner = next(elector for elector in electors if elector.holds())
    keeping = asyncio.create_task(winner.keep())
    await renewed(api, "wanted", 4)
    assert [elector for elector in electors if elector.holds()] == [winner]
    for task in (*tasks, keeping):
        task.cancel()


async def test_lease_is_lost_at_the_deadline_without_an_api_server(
    control_plane: ControlPlane, api: KubernetesApi
) -> None:
    other = await load_api(str(control_plane.kubeconfig), None)
    one = Candidate(other, "lonely", "one").elector
    await one.acquire()
    began = time.monotonic()
    other._configuration.host = "https://127.0.0.1:1"
    with pytest.raises(LeaseLost, match="not renewed in time"):
        await one.keep()
    assert time.monotonic() - began < 2.3
    with suppress(Unavailable):
        await one.release()
    await other.close()


async def test_waiting_does_not_cure_a_missing_namespace(api: KubernetesApi) -> None:
    with pytest.raises(NotFound):
        await Elector(api, "nowhere", "lease", "one").acquire()
