"""Scenario 8: a pipeline applies the same bad version every second; nobody fights for ever."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localcluster.waiting import wait_until
from support.scenario import Scenario, deployment

PIPELINE = "argocd-controller"


@contextmanager
def pipeline(case: Scenario, version: str) -> Iterator[threading.Event]:
    """Applies a version every second."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            case.publish(version)
            case.site.kube.apply(deployment(version), case.namespace, manager=PIPELINE)
            stop.wait(1.0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join()


REVERTED = {0: "not reverted", 1: "reverted once", 3: "reverted 3 times"}


@pytest.mark.parametrize("most", REVERTED)
def test_bad_version_is_reverted_at_most_so_often_and_then_contested(
    case: Scenario, most: int
) -> None:
    case.stable("v1", quarantine={"maxReverts": most})
    with pipeline(case, "v2"):
        case.wait_for_reason("Contested", timeout=60)
        assert len(case.patches(committed=False)) == 1 + most
        case.operator.wait_for_checks(4)
        assert len(case.patches(committed=False)) == 1 + most, "no further write"
        assert case.version() == "v2"
    message = case.condition("Contested")["message"]
    assert f"was {REVERTED[most]} and is deployed again by {PIPELINE}" in message
    case.wait_for_event("Contested", PIPELINE)

    case.deploy("v3")
    case.wait_for(
        lambda s: s["current"]["revision"] == 3 and s["reason"] == "Watching", "v3 is Stable"
    )
    wait_until(lambda: case.condition("Contested")["status"] == "False", 10, "not contested")
    assert len(case.patches(committed=False)) == 1 + most
