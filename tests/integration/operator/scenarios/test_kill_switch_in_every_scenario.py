"""The kill switch stops every further write, at each step of a rollback, and survives a restart."""

from typing import Any

import pytest

from localcluster.waiting import wait_until
from support.bundle import EVIL, KIND, PROMPT, Bundle, objects_written
from support.faults import Match, Request, intent, writing
from support.scenario import NAME, Scenario

THEIRS = [f"PATCH configmaps {PROMPT}", f"PATCH deployments {NAME}"]


def condemning(request: Request) -> bool:
    """Match the write that marks the ModelRevision that is left as quarantined."""
    return (
        writing("modelrevisions/status")(request)
        and request.json["status"].get("phase") == "Quarantined"
    )


def preflight(resource: str) -> Match:
    """Match the dry run of a patch."""
    return lambda request: (
        request.method == "PATCH" and request.dry_run and request.resource == resource
    )


BOUNDARIES: dict[str, tuple[Match, int]] = {
    "intent": (intent, 0),
    "quarantine": (condemning, 0),
    "dry run of the prompt": (preflight("configmaps"), 0),
    "dry run of the Deployment": (preflight("deployments"), 0),
    "prompt": (writing("configmaps", "PATCH"), 1),
    "Deployment": (writing("deployments", "PATCH"), 2),
}
"""What the switch is flipped after, and how many objects are written by then."""


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_pause_after_each_step_outlasts_a_kill_and_none_completes(
    case: Scenario, boundary: str
) -> None:
    match, written = BOUNDARIES[boundary]
    bundle = Bundle(case)
    bundle.stable(rollback={"verifyFor": "2s"})

    def pause_and_die(_: Request) -> Any:
        case.flip("Pause")
        case.operator.kill()

    case.proxy.after(match, pause_and_die)
    bundle.deploy("v2", EVIL)
    wait_until(lambda: not case.operator.is_running, 40, f"the operator dies after {boundary}")
    assert objects_written(case) == THEIRS[:written]

    case.start_operator()
    status = case.wait_for(lambda s: s.get("phase") == "Paused", "phase Paused")
    if written < len(THEIRS):
        status = case.wait_for(lambda s: s["transaction"].get("interrupted"), "an interruption")
        assert "Without it: Rolling back revision" in status["message"]
    case.operator.wait_for_checks(4)
    assert objects_written(case) == THEIRS[:written], "no further write"
    assert case.condition("KillSwitchEngaged")["reason"] == "Pause"
    assert status["killSwitch"]["value"] == "Pause"
    case.wait_for_event("SwitchFlipped", "from None to Pause")

    case.flip("None")
    case.wait_for_outcome("Succeeded")
    assert bundle.live() == ("v1", KIND)
    assert objects_written(case) == THEIRS
    assert (case.status()["attempts"], len(case.status()["rollbacks"])) == (1, 1)
    case.wait_for_event("SwitchFlipped", "from Pause to None")
