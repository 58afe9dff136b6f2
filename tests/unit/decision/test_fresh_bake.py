"""A breach that nothing was done about: the revision is not Stable before a fresh clear bake."""

from typing import Any

import pytest

from model_rollout.analysis.measurement import State
from model_rollout.decision.clocks import brought_up_to_date
from model_rollout.decision.decide import decide
from model_rollout.decision.reasons import Reason
from unit.decision.builders import NOW, bad, candidate, current, facts, report, silent, suspect

SECOND = candidate(2)
LONG_AGO = {"since": NOW - 90000.0, "serving_since": NOW - 86400.0}


def baking(**clocks: Any) -> dict[str, Any]:
    """A status in which the bake would be over, were it not for these clocks."""
    return {"current": current(SECOND, **LONG_AGO | clocks)}


@pytest.mark.parametrize(
    ("clocks", "reason"),
    [
        ({}, Reason.PROVEN),
        ({"clear_since": NOW - 3599.0}, Reason.BAKING),
        ({"clear_since": NOW - 3600.0}, Reason.PROVEN),
    ],
    ids=["never breached", "clear for less than the bake", "clear for the bake"],
)
def test_bake_counts_anew_after_a_breach(clocks: dict[str, Any], reason: Reason) -> None:
    assert decide(facts(status=baking(**clocks))).reason is reason


def test_breach_that_was_not_clear_since_holds_the_promotion_back() -> None:
    """The last answer is missing, which is neither a breach nor the end of one."""
    unanswered = report(state=State.NO_DATA, answered=False)
    found = facts(status=baking(breached_since=NOW - 7200.0), reports=(unanswered,))
    assert decide(found).reason is Reason.BAKING


@pytest.mark.parametrize(
    ("before", "metric", "breached_since", "clear_since"),
    [
        ({}, bad(), NOW, None),
        ({"clear_since": NOW - 10.0}, bad(), NOW, None),
        ({"breached_since": NOW - 50.0}, bad(), NOW - 50.0, None),
        ({"breached_since": NOW - 50.0}, suspect(), NOW - 50.0, None),
        ({"breached_since": NOW - 50.0}, silent(), NOW - 50.0, None),
        ({"breached_since": NOW - 50.0}, report(), None, NOW),
        ({"clear_since": NOW - 10.0}, report(), None, NOW - 10.0),
        ({}, suspect(), None, None),
    ],
    ids=[
        "breach",
        "another breach",
        "still breached",
        "not clear yet",
        "without data",
        "clear again",
        "still clear",
        "only suspect",
    ],
)
def test_breach_and_its_end_are_noted(
    before: dict[str, float], metric: Any, breached_since: float | None, clear_since: float | None
) -> None:
    noted = brought_up_to_date(facts(status=baking(**before), reports=(metric,))).status.current
    assert noted is not None
    assert (noted.breached_since, noted.clear_since) == (breached_since, clear_since)
