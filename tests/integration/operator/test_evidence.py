"""Evidence survives a restart: it is read back from Prometheus, not gathered anew."""

import time

from localcluster.waiting import wait_until
from support.faults import intent
from support.scenario import Scenario

FOR = 8.0
"""Seconds that the metric must be bad."""

INTERVAL = 1.0
START = 4.0
"""Seconds that a start of the operator may take on a busy machine."""


def test_breach_does_not_begin_anew_when_the_operator_is_killed(case: Scenario) -> None:
    operator = case.stable("v1", metric={"for": f"{FOR:.0f}s"})
    case.deploy("v2")
    case.wait_for_reason("Suspicious")
    suspected = time.monotonic()
    wait_until(lambda: time.monotonic() > suspected + 0.6 * FOR, FOR, "most of `for` is over")
    operator.kill()
    restarted = time.monotonic()
    case.start_operator()
    case.wait_for_outcome("Succeeded", 60)
    breach = next(write.time for write in case.proxy.writes() if intent(write.request))
    assert breach - restarted < 0.8 * FOR, "it took as long as from the beginning"
    # An undisturbed operator would have needed `for`; the restart may only add itself.
    assert breach - suspected < FOR + START + 3 * INTERVAL
    assert breach - suspected > FOR - 2 * INTERVAL, "and not earlier either"
    assert len(case.patches(committed=False)) == 1


def test_suspicion_that_passed_before_the_restart_is_not_remembered(case: Scenario) -> None:
    operator = case.stable("v1", metric={"for": "5s"})
    case.quality["v2"] = 0.4
    case.deploy("v2")
    case.wait_for_reason("Suspicious")
    case.quality["v2"] = 0.9
    case.publish("v2")
    case.wait_for(lambda s: s.get("reason") in ("Baking", "Watching"), "the value is good again")
    operator.kill()
    case.start_operator().wait_for_checks(8)
    assert case.patches(committed=False) == []
    assert case.version() == "v2"
    assert case.quarantined() == []
