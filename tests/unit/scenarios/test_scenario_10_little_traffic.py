"""Scenario 10: a healthy model with two answers a check, for a week, beside naive thresholds."""

import pytest

from unit.scenarios.simulated import (
    DAY,
    HOUR,
    MINUTE,
    Counters,
    first_breach,
    judged,
    rule_of,
    steady,
)

INTERVAL = 30.0
WEEK = 7 * DAY
HEALTHY, BROKEN, LIMIT = 0.92, 0.7, 0.85


@pytest.fixture(scope="module")
def week() -> Counters:
    """Two answers in each interval of a healthy week; on its eighth day the model is broken."""
    return steady(WEEK + DAY, INTERVAL, 2, lambda time: HEALTHY if time < WEEK else BROKEN, seed=10)


def test_healthy_model_is_left_alone_for_a_week(week: Counters) -> None:
    checks = list(judged(rule_of(INTERVAL), week, INTERVAL, HOUR, WEEK))
    assert not any(told.breached for _, told in checks)
    last = checks[-1][1]
    assert last.total == pytest.approx(2 * len(checks), abs=20), "every answer was counted once"


@pytest.mark.parametrize(
    ("span", "in_a_row"),
    [(INTERVAL, 1), (5 * MINUTE, 1), (5 * MINUTE, 3)],
    ids=["the last check", "rate of 5m", "rate of 5m, three in a row"],
)
def test_naive_threshold_would_have_rolled_it_back(
    week: Counters, span: float, in_a_row: int
) -> None:
    fired = row = 0
    now = HOUR
    while now < WEEK:
        now += INTERVAL
        share = week.share(now - span - 1.0, now)
        row = row + 1 if share is not None and share < LIMIT else 0
        fired += row == in_a_row
    assert fired > 50


def test_same_rule_finds_the_model_when_it_breaks(week: Counters) -> None:
    found = first_breach(judged(rule_of(INTERVAL), week, INTERVAL, HOUR, WEEK + DAY))
    assert found is not None
    time, told = found
    assert WEEK < time < WEEK + 3 * HOUR
    assert "would trigger this less than once in 100 days" in told.message
