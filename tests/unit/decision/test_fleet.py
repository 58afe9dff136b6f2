"""When many models would roll back at once, none does."""

from typing import Any

import pytest

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import Stage, SwitchStatus
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.fleet import FleetLimits, counts, frozen
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.decision.status import complete
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    current,
    deployment,
    entry,
    facts,
    revision,
    spec,
    transaction,
)

WHY = "7 of 20 models in 4 namespaces roll back or would within 10m"


@pytest.mark.parametrize(
    ("affected", "total", "existing", "on"),
    [
        ("abcab", 25, 3, True),
        ("abca", 4, 3, False),
        ("abcab", 26, 3, False),
        ("abcabc", 30, 3, True),
        ("ababa", 5, 3, False),
        ("ababa", 5, 2, True),
        ("aaaaa", 5, 2, False),
        ("aaaaa", 5, 1, True),
        ("abcde", 10, 9, True),
        ("", 0, 0, False),
    ],
    ids=[
        "five of 25 in three",
        "four are all there are",
        "less than a fifth",
        "exactly a fifth",
        "two namespaces of three",
        "two namespaces of two",
        "one namespace of two",
        "one namespace of one",
        "five namespaces of nine",
        "nothing there",
    ],
)
def test_threshold(affected: str, total: int, existing: int, on: bool) -> None:
    spread = len(set(affected))
    assert bool(frozen(FleetLimits(), len(affected), total, spread, existing)) is on


def test_sentence_says_how_many_and_what_it_means() -> None:
    assert frozen(FleetLimits(), 5, 9, 1, 1) == (
        "5 of 9 models in 1 namespace roll back or would within 10m: that is an outage of the "
        "measurement or of the platform"
    )


def breach(**changes: Any) -> Facts:
    return facts(**{"reports": (bad(),), "fleet": WHY} | changes)


def test_breach_is_held_and_the_condition_pages() -> None:
    decision = decide(breach())
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.FLEET_FROZEN)
    assert decision.message.startswith(f"{WHY} (to let it begin all the same: kubectl modelrollou")
    found = {c.type: (c.status, c.message) for c in complete(breach(), decision).conditions}
    assert found["FleetFrozen"] == ("True", WHY)


def test_model_that_is_fine_has_no_condition() -> None:
    calm = facts(fleet=WHY)
    found = {c.type: c.status for c in complete(calm, decide(calm)).conditions}
    assert found["FleetFrozen"] == "False"


def test_condition_is_there_in_mode_manual_too() -> None:
    found = breach(spec=spec(rollback={"mode": "Manual"}))
    decision = decide(found)
    assert decision.reason is Reason.AWAITING_APPROVAL
    assert {c.type: c.status for c in complete(found, decision).conditions}["FleetFrozen"] == "True"


def test_reverts_are_frozen() -> None:
    decision = decide(facts(status={"quarantine": (entry(candidate(2)),)}, fleet=WHY))
    assert decision.reason is Reason.FLEET_FROZEN
    assert decision.status.quarantine[0].reverts == 0


def test_kill_switch_is_not_frozen() -> None:
    seen = SwitchStatus(value=KillSwitch.ROLLBACK, since=NOW)
    used = spec(killSwitch="Rollback")
    decision = decide(breach(spec=used, status={"kill_switch": seen}))
    assert decision.action is Action.ROLL_BACK
    assert not counts(decision), "nor does it freeze others"


def test_chain_that_has_begun_goes_on() -> None:
    zero, first, second = revision(1), revision(2), candidate(3)
    flight = transaction(second, first, stage=Stage.VERIFYING)
    late = current(first, since=NOW - 1801.0, serving_since=None)
    decision = decide(
        facts(
            revisions=(zero, first, second),
            live=deployment("m:2", ready=0),
            status={"transaction": flight, "current": late},
            pods=Pods(stuck=("ImagePullBackOff",)),
            fleet=WHY,
        )
    )
    assert (decision.action, decision.reason) == (Action.ROLL_BACK, Reason.TARGET_UNUSABLE)


@pytest.mark.parametrize(
    ("found", "counted"),
    [
        (facts(), False),
        (facts(reports=(bad(),)), True),
        (breach(), True),
        (facts(reports=(bad(),), spec=spec(rollback={"mode": "DryRun"})), True),
        (facts(reports=(bad(),), spec=spec(rollback={"mode": "Manual"})), True),
        (facts(reports=(bad(),), spec=spec(rollback={"window": "1s"})), True),
        (facts(reports=(bad(),), status={"rollbacks": (NOW - 1.0,)}), True),
        (facts(reports=(bad(),), revisions=(candidate(2),)), False),
        (facts(status={"quarantine": (entry(candidate(2)),)}), True),
        (
            facts(
                reports=(bad(),),
                spec=spec(killSwitch="Pause"),
                status={"kill_switch": SwitchStatus(value=KillSwitch.PAUSE, since=NOW)},
            ),
            True,
        ),
    ],
    ids=[
        "calm",
        "begun",
        "frozen",
        "dry run",
        "manual",
        "outside the window",
        "cooldown",
        "nowhere to go",
        "revert",
        "paused",
    ],
)
def test_what_counts(found: Facts, counted: bool) -> None:
    assert counts(decide(found)) is counted
