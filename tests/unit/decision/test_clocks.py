"""Clocks that stand still, and latches that fall."""

from typing import Any

import pytest

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricReport
from model_rollout.api.status import CurrentRevision, Failure
from model_rollout.decision.clocks import brought_up_to_date
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.reasons import Reason
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    current,
    deployment,
    entry,
    facts,
    report,
    revision,
    spec,
    suspect,
    transaction,
)

FIRST, SECOND = revision(1), candidate(2)
CRASHING = Pods(stuck=("CrashLoopBackOff",))


def clock(found: Facts) -> CurrentRevision:
    now = brought_up_to_date(found).status.current
    assert now is not None
    return now


def young(**changes: Any) -> CurrentRevision:
    return current(SECOND, **{"since": NOW - 60.0, "serving_since": None} | changes)


@pytest.mark.parametrize(
    ("live", "held"),
    [
        (deployment("m:2"), False),
        (deployment("m:2", ready=0), False),
        (deployment("m:2", replicas=0), True),
        (deployment("m:2", ready=0, paused=True), True),
        (deployment("m:2", caught_up=False), True),
        (None, True),
    ],
    ids=["serving", "coming up", "scaled to zero", "paused", "controller lags", "missing"],
)
def test_clock_stands_still(live: dict[str, Any] | None, held: bool) -> None:
    found = facts(live=live, status={"current": young()})
    assert clock(found).held_since == (NOW if held else None)


def test_controller_may_lag_for_a_moment() -> None:
    found = facts(live=deployment("m:2", caught_up=False), status={"current": young(since=NOW)})
    assert clock(found).held_since is None


def test_scaling_does_not_stop_the_clock_of_one_that_serves() -> None:
    assert clock(facts(live=deployment("m:2", caught_up=False))).held_since is None


def test_clock_stands_still_while_a_pause_stops_a_transaction() -> None:
    flight = transaction(SECOND, FIRST, interrupted=True)
    found = facts(spec=spec(killSwitch="Pause"), status={"transaction": flight})
    assert clock(found).held_since == NOW


def test_held_time_is_taken_off() -> None:
    held = young(held_since=NOW - 20.0, held_seconds=5.0)
    found = facts(live=deployment("m:2", ready=0), status={"current": held})
    now = clock(found)
    assert (now.held_since, now.held_seconds) == (None, 25.0)
    assert brought_up_to_date(found).age(now) == 35.0


def test_clock_that_stands_still_keeps_its_age() -> None:
    held = young(held_since=NOW - 20.0, held_seconds=5.0)
    found = facts(live=deployment("m:2", replicas=0), status={"current": held})
    assert found.age(clock(found)) == 35.0


def test_workload_that_comes_back_late_has_its_deadline_before_it() -> None:
    away = young(since=NOW - 7200.0, held_since=NOW - 7190.0)
    found = facts(live=deployment("m:2", ready=0), pods=CRASHING, status={"current": away})
    assert decide(found).reason is Reason.ROLLING_OUT


@pytest.mark.parametrize(
    ("since", "live", "pods", "expected"),
    [
        (None, deployment("m:2", ready=0), CRASHING, NOW),
        (None, deployment("m:2", ready=0), Pods(), None),
        (NOW - 9.0, deployment("m:2", ready=0), CRASHING, NOW - 9.0),
        (NOW - 9.0, deployment("m:2", ready=0), Pods(), NOW - 9.0),
        (NOW - 9.0, deployment("m:2"), None, None),
        (NOW - 9.0, deployment("m:2", replicas=0), None, None),
    ],
    ids=[
        "begins to crash",
        "one pod is away",
        "goes on",
        "between two crashes",
        "recovered",
        "scaled to zero",
    ],
)
def test_crashing_of_what_served_is_timed(
    since: float | None, live: dict[str, Any], pods: Pods | None, expected: float | None
) -> None:
    on = current(SECOND, failing_since=since)
    assert clock(facts(live=live, pods=pods, status={"current": on})).failing_since == expected


def test_crashes_from_before_a_scale_to_zero_condemn_nothing() -> None:
    """Scaled to zero to look at it for two hours, and up again: it gets its deadline anew."""
    on = current(SECOND, failing_since=NOW - 7300.0, held_since=NOW - 7200.0)
    down = facts(live=deployment("m:2", replicas=0), status={"current": on})
    up = facts(live=deployment("m:2", ready=0), pods=CRASHING, status={"current": clock(down)})
    assert decide(up).reason is not Reason.ROLLOUT_FAILED


FAILURE = Failure(
    reason="StillBreached",
    message="it did not help",
    since=NOW - 600.0,
    metrics=("accuracy",),
    revisions=(1, 2),
)


@pytest.mark.parametrize(
    ("reports", "falls"),
    [
        ((report(),), True),
        ((report(), bad("latency")), True),
        ((bad(),), False),
        ((suspect(),), False),
        ((report(state=State.NO_DATA, answered=False),), False),
        ((report(state=State.BAD, answered=True),), False),
        ((), False),
    ],
    ids=[
        "clear",
        "clear, another is not",
        "breached",
        "outside",
        "silent",
        "bad, and not counted yet",
        "nothing measured",
    ],
)
def test_failure_falls(reports: tuple[MetricReport, ...], falls: bool) -> None:
    found = facts(status={"failure": FAILURE}, reports=reports)
    assert (brought_up_to_date(found).status.failure is None) is falls


def test_failure_falls_with_a_revision_that_the_transaction_did_not_know() -> None:
    third = revision(3)
    status = {"failure": FAILURE, "current": current(third)}
    found = facts(status=status, revisions=(FIRST, SECOND, third), reports=(bad(),))
    assert brought_up_to_date(found).status.failure is None


def test_failure_of_a_metric_that_was_removed_falls() -> None:
    other = FAILURE.model_copy(update={"metrics": ("gone",)})
    assert brought_up_to_date(facts(status={"failure": other})).status.failure is None


@pytest.mark.parametrize(("expires", "kept"), [(None, True), (1.0, True), (0.0, False)])
def test_unusable_expires(expires: float | None, kept: bool) -> None:
    found = entry(FIRST, expires=None if expires is None else NOW + expires)
    after = brought_up_to_date(facts(status={"quarantine": (found,)}))
    assert bool(after.status.quarantine) is kept


def test_interruption_ends_with_the_pause() -> None:
    flight = transaction(SECOND, FIRST, interrupted=True)
    after = brought_up_to_date(facts(status={"transaction": flight}))
    assert after.status.transaction is not None
    assert not after.status.transaction.interrupted


def test_facts_that_need_nothing_are_returned_as_they_are() -> None:
    found = facts()
    assert brought_up_to_date(found) is found
