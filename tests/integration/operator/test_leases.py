"""One operator acts at a time: a standby takes over, and the one before writes nothing any more."""

from support.fault_proxy import FaultProxy
from support.faults import Request, intent
from support.scenario import Scenario

SHORT = 3.0
"""Seconds that the Leases of these tests last."""


def test_standby_takes_over_from_one_that_died(case: Scenario) -> None:
    case.lease_duration = SHORT
    first = case.stable("v1")
    standby = case.start_operator(take_over=False)
    standby.wait_until_standby()
    first.kill()
    case.deploy("v2")
    case.wait_for_outcome("Succeeded")
    standby.wait_until_leading()
    assert len(case.patches(committed=False)) == 1
    assert case.status()["attempts"] == 1


def test_operator_that_was_frozen_writes_nothing_after_it_lost_the_lease(case: Scenario) -> None:
    case.lease_duration = SHORT
    control_plane = case.site.control_plane
    with FaultProxy(control_plane.server, str(control_plane.ca)) as first_proxy:
        case.deploy("v1")
        case.guard()
        first = case.start_operator(proxy=first_proxy)
        case.wait_for_reason("Watching")

        def freeze(_: Request) -> None:
            first.freeze()

        # Directly before its patch: the intent is written, and its answer is on the way.
        frozen = first_proxy.after(intent, freeze)
        case.deploy("v2")
        case.start_operator(take_over=False)
        case.wait_for_outcome("Succeeded")
        assert frozen.hits == 1
        written = len(first_proxy.writes(committed=False))
        events = len(first_proxy.writes("events", committed=False))

        first.thaw()
        assert first.wait_for_end(20) != 0
        assert len(first_proxy.writes(committed=False)) == written
        assert len(first_proxy.writes("events", committed=False)) == events
        assert first_proxy.writes("deployments", committed=False) == []
    assert case.version() == "v1"
    assert len(case.patches(committed=False)) == 1
    assert case.status()["attempts"] == 1


def test_operator_whose_lease_was_taken_ends_without_another_write(case: Scenario) -> None:
    first = case.stable("v1")
    body = case.site.kube.get("Lease", case.namespace, "model-rollout-operator")
    assert body is not None
    holder = {"spec": {"holderIdentity": "somebody-else"}}
    case.site.kube.merge("Lease", case.namespace, "model-rollout-operator", holder)
    assert first.wait_for_end(20) != 0
    written = len(case.proxy.writes(committed=False))
    case.deploy("v2")
    assert case.written_after(written) == []
    lease = case.site.kube.get("Lease", case.namespace, "model-rollout-operator")
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "somebody-else"
