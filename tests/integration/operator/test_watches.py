"""Watches that break: the operator lists again, or ends with an error and comes back."""

from collections.abc import Callable

import pytest

from localcluster.waiting import wait_until
from support.faults import refusal, watching
from support.scenario import Scenario

EXPIRED = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure",'
    b'"reason":"Expired","code":410,"message":"too old resource version: 1 (2)"}}\n'
)
CUT = b'{"type":"MODIFIED","object":{"apiVersion":"apps/v1","kind":"Deploy\n'
HTML = b"<html><body>502 Bad Gateway</body></html>\n"

Spoil = Callable[[Scenario], None]

RECOVERY = 30.0
"""Seconds within which the operator, restarted if it ended, sees what happens again."""


def listings(case: Scenario, resource: str) -> int:
    """How often a resource was listed in order to be watched."""
    return len(
        case.proxy.requests(
            lambda r: r.method == "GET" and r.resource == resource and not r.watches and not r.name
        )
    )


@pytest.mark.parametrize("resource", ["deployments", "modelrollouts"])
def test_410_in_the_stream_makes_the_operator_list_again(case: Scenario, resource: str) -> None:
    case.stable("v1")
    before = listings(case, resource)
    assert case.proxy.end_watches(resource, EXPIRED) >= 1
    wait_until(lambda: listings(case, resource) > before, RECOVERY, f"{resource} are listed again")
    assert case.operator.is_running
    rolls_back(case)


def expired(case: Scenario) -> None:
    """Answer the next watch with 410 instead of a stream."""
    case.proxy.answer(watching("deployments"), refusal(410, "Expired"))
    case.proxy.end_watches("deployments")


def cut(case: Scenario) -> None:
    """End the stream within a line."""
    case.proxy.end_watches("deployments", CUT)


def html(case: Scenario) -> None:
    """End the stream with the page of a load balancer."""
    case.proxy.end_watches("deployments", HTML)


@pytest.mark.parametrize("spoil", [expired, cut, html])
def test_watch_that_cannot_be_read_costs_a_restart_at_most(case: Scenario, spoil: Spoil) -> None:
    operator = case.stable("v1")
    before = listings(case, "deployments")
    spoil(case)
    wait_until(
        lambda: not operator.is_running or listings(case, "deployments") > before,
        RECOVERY,
        "the operator ends or lists again",
    )
    if not operator.is_running:
        assert operator.wait_for_end(1) == 1, "a restart is only made after an error"
        lines = operator.log.read_text().splitlines()
        assert [line for line in lines if not line.startswith("{")] == [], "logs stay structured"
        case.start_operator()
    rolls_back(case)


def test_watch_that_ends_early_is_opened_again(case: Scenario) -> None:
    case.stable("v1")
    opened = len(case.proxy.requests(watching("deployments")))
    assert case.proxy.end_watches("deployments") >= 1
    wait_until(
        lambda: len(case.proxy.requests(watching("deployments"))) > opened,
        RECOVERY,
        "the watch is opened again",
    )
    rolls_back(case)


def rolls_back(case: Scenario) -> None:
    """What happens from now on is seen, and acted upon once."""
    assert case.patches(committed=False) == []
    case.deploy("v2")
    case.wait_for_outcome("Succeeded", RECOVERY)
    assert len(case.patches(committed=False)) == 1
    assert case.status()["attempts"] == 1
