"""How long verification waits for a metric: long enough for it to say anything."""

from typing import Any

import pytest

from model_rollout.analysis.evidence import begin, report
from unit.scenarios.simulated import rule_of

INTERVAL = 30.0
AGAINST_A_WORKLOAD = {
    "counts": {"good": 'good_total{app="{{workload}}"}', "total": 'all_total{app="{{workload}}"}'},
    "min": None,
    "baseline": {"from": "Workload", "ref": {"name": "stable"}, "maxRatio": 1.5},
}


@pytest.mark.parametrize(
    ("metric", "checks"),
    [
        ({}, 4),
        ({"minChecks": 1}, 2),
        ({"minChecks": 40}, 40),
        ({"every": "2m"}, 4 * 4),
        ({"for": "10m"}, 20),
        (AGAINST_A_WORKLOAD, 6),
    ],
    ids=["default", "one check", "many checks", "slow pace", "for", "against a workload"],
)
def test_counts_are_waited_for_until_there_can_be_min_checks(
    metric: dict[str, Any], checks: int
) -> None:
    rule = rule_of(INTERVAL, **metric)
    assert report(begin(rule, 0.0, 0.0), rule, 0.0).patience == checks * INTERVAL
