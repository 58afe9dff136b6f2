"""The order of the verdict list: of two things that are true, the higher one decides."""

from collections.abc import Iterator
from typing import Any

import pytest

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import Stage, SwitchStatus
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.revisions.places import ComponentProblem
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
    silent,
    spec,
    suspect,
    transaction,
)

FIRST, SECOND = revision(1), candidate(2)

# Each is one thing that is true of a revision 2 that serves; highest first.
TRUE: dict[str, dict[str, Any]] = {
    "flipped": {"spec": spec(killSwitch="Rollback")},
    "annotated": {"unquarantine": "7"},
    "taken": {"taken_by": "elder"},
    "missing": {"live": None},
    "in flight": {"status": {"transaction": transaction(SECOND, FIRST)}},
    "unreadable": {"content": ComponentProblem("FlagMissing", "component model: no flag")},
    "quarantined": {"status": {"quarantine": (entry(SECOND),)}},
    "crashes": {
        "status": {"current": current(SECOND, failing_since=NOW - 1801.0)},
        "live": deployment("m:2", ready=0),
        "pods": Pods(stuck=("CrashLoopBackOff",)),
    },
    "breached": {"reports": (bad(),)},
    "silent": {"reports": (silent(),)},
    "baked": {"status": {"current": current(SECOND, serving_since=NOW - 3601.0)}},
    "calm": {},
}
REASONS = {
    "flipped": Reason.SWITCH_FLIPPED,
    "annotated": Reason.UNQUARANTINE_REFUSED,
    "taken": Reason.TARGET_TAKEN,
    "missing": Reason.WORKLOAD_MISSING,
    "in flight": Reason.METRIC_BREACHED,
    "unreadable": Reason.COMPONENT_UNREADABLE,
    "quarantined": Reason.QUARANTINED_APPLIED,
    "crashes": Reason.ROLLOUT_FAILED,
    "breached": Reason.METRIC_BREACHED,
    "silent": Reason.METRICS_UNAVAILABLE,
    "baked": Reason.PROVEN,
    "calm": Reason.BAKING,
}


def both(higher: str, lower: str) -> Facts:
    """Facts in which two things are true."""
    one, other = TRUE[higher], TRUE[lower]
    merged: dict[str, Any] = {**other, **one}
    if "reports" in one and "reports" in other:
        merged["reports"] = (*one["reports"], *(_renamed(r) for r in other["reports"]))
    merged["status"] = {**other.get("status", {}), **one.get("status", {})}
    return facts(**merged)


def _renamed(found: Any) -> Any:
    return silent("latency") if found.unavailable else report("latency")


def pairs() -> Iterator[Any]:
    names = list(TRUE)
    for index, higher in enumerate(names):
        for lower in names[index + 1 :]:
            if (higher, lower) != ("in flight", "unreadable"):
                yield pytest.param(higher, lower, id=f"{higher} before {lower}")


@pytest.mark.parametrize(("higher", "lower"), list(pairs()))
def test_higher_decides(higher: str, lower: str) -> None:
    decision = decide(both(higher, lower))
    assert decision.reason is REASONS[higher]
    assert decision.message


def test_transaction_ends_where_its_components_cannot_be_read_any_more() -> None:
    decision = decide(both("in flight", "unreadable"))
    assert (decision.action, decision.reason) == (Action.CONCLUDE, Reason.CONCURRENT_EDIT)


@pytest.mark.parametrize("name", list(TRUE))
def test_each_alone(name: str) -> None:
    assert decide(facts(**TRUE[name])).reason is REASONS[name]


def test_same_facts_give_the_same_decision() -> None:
    assert decide(facts(reports=(bad(),))) == decide(facts(reports=(bad(),)))


@pytest.mark.parametrize(
    "waiting",
    [
        {"unchanged_for": 1.0, "live": deployment("m:3")},
        {
            "status": {"current": current(SECOND, serving_since=None)},
            "live": deployment("m:2", ready=1),
        },
        {"status": {"current": current(SECOND, serving_since=NOW - 60.0)}},
    ],
    ids=["settling", "rolling out", "warming up"],
)
def test_breach_waits(waiting: dict[str, Any]) -> None:
    assert decide(facts(reports=(bad(),), **waiting)).action is Action.WAIT


@pytest.mark.parametrize(
    "holding",
    [
        {"live": deployment("m:2", replicas=0)},
        {"live": deployment("m:2", ready=1, paused=True)},
        {"status": {"current": current(SECOND, serving_since=None)}, "live": None},
    ],
    ids=["scaled to zero", "paused", "missing"],
)
def test_deadline_stands_still(holding: dict[str, Any]) -> None:
    late = current(SECOND, since=NOW - 7200.0, serving_since=None)
    data = {"live": deployment("m:2", ready=1), **holding, "status": {"current": late}}
    assert decide(facts(pods=Pods(stuck=("ImagePullBackOff",)), **data)).action is Action.HOLD


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("switch", ["None", "Pause"])
def test_transaction_goes_before_a_breach_of_its_own_revision(stage: Stage, switch: str) -> None:
    flight = transaction(SECOND, FIRST, stage=stage)
    live = deployment("m:2" if stage is Stage.APPLYING else "m:1")
    written = {"modelrollout.dev/transaction": flight.id}
    live["spec"]["template"]["metadata"]["annotations"] = written
    on = SECOND if stage is Stage.APPLYING else FIRST
    seen = SwitchStatus(value=KillSwitch(switch), since=NOW)
    status = {"transaction": flight, "current": current(on), "kill_switch": seen}
    decision = decide(
        facts(live=live, status=status, reports=(suspect(),), spec=spec(killSwitch=switch))
    )
    assert decision.status.transaction is not None
    assert decision.status.transaction.id == flight.id
    assert bool(decision.writes) is (stage is not Stage.VERIFYING and switch == "None")
