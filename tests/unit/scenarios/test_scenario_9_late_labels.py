"""Scenario 9 with its real times: labels that arrive a day late, and one batch a night."""

import random

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

INTERVAL = MINUTE
HEALTHY, BROKEN = 0.92, 0.6

# -- labels that arrive a day late -----------------------------------------------------------------

BAD_FROM, BAD_UNTIL = 3 * DAY, 3.5 * DAY
"""When the bad revision served: between a good one and its successor."""


@pytest.fixture(scope="module")
def labelled() -> Counters:
    """Ten answers a minute, labelled a day later; one counter for all revisions."""
    return steady(
        7 * DAY,
        INTERVAL,
        10,
        lambda time: BROKEN if BAD_FROM <= time < BAD_UNTIL else HEALTHY,
        late=DAY,
    )


def test_late_labels_of_the_revision_before_do_not_condemn_its_successor(
    labelled: Counters,
) -> None:
    """Nor the revision that was restored in its place: it begins to serve in the same way."""
    patient = rule_of(INTERVAL, delay="24h")
    checks = list(judged(patient, labelled, INTERVAL, BAD_UNTIL, 7 * DAY))
    assert not any(told.suspected for _, told in checks)
    # 2.5 days of answers, known a day later: from the first minute on that is its own.
    assert checks[-1][1].total == pytest.approx(2.5 * DAY / MINUTE * 10, abs=30)


def test_without_delay_they_would(labelled: Counters) -> None:
    hasty = rule_of(INTERVAL)
    found = first_breach(judged(hasty, labelled, INTERVAL, BAD_UNTIL, 7 * DAY))
    assert found is not None
    assert BAD_UNTIL < found[0] < BAD_UNTIL + DAY


def test_bad_revision_is_found_as_soon_as_its_own_labels_are_there(labelled: Counters) -> None:
    patient = rule_of(INTERVAL, delay="24h")
    found = first_breach(judged(patient, labelled, INTERVAL, BAD_FROM, 7 * DAY))
    assert found is not None
    assert BAD_FROM + DAY < found[0] < BAD_FROM + DAY + HOUR


# -- one batch a night ----------------------------------------------------------------------------

BATCH = 5000
NIGHTLY = {"every": "24h"}


def nights(*shares: float, seed: int = 9) -> Counters:
    """One batch of labels at two o'clock; scraped every five minutes."""
    drawn, counters = random.Random(seed), Counters()
    counters.scrape(0.0, 0.0, 0.0)
    for night, share in enumerate(shares):
        for number in range(1, int(DAY / (5 * MINUTE)) + 1):
            time = night * DAY + number * 5 * MINUTE
            total = BATCH if number == 2 * 12 else 0
            good = sum(drawn.random() < share for _ in range(total))
            counters.scrape(time, good, total)
    return counters


def test_nightly_batch_that_is_clearly_bad_decides_alone() -> None:
    counters = nights(0.9, 0.91, 0.89, 0.7)
    found = first_breach(judged(rule_of(INTERVAL, **NIGHTLY), counters, 5 * MINUTE, HOUR, 4 * DAY))
    assert found is not None
    time, told = found
    assert 3 * DAY + 2 * HOUR <= time <= 3 * DAY + 2 * HOUR + 5 * MINUTE
    assert f"of {BATCH:,} answers were wrong" in told.message
    assert "would trigger this less than once in 100 days" in told.message


def test_healthy_nights_that_differ_by_two_points_decide_nothing() -> None:
    drawn = random.Random(99)
    counters = nights(*(drawn.gauss(0.88, 0.02) for _ in range(40)))
    checks = list(judged(rule_of(INTERVAL, **NIGHTLY), counters, 5 * MINUTE, HOUR, 40 * DAY))
    assert not any(told.breached for _, told in checks)
    assert (checks[-1][1].total, checks[-1][1].checks) == (40 * BATCH, 40)
    below = [counters.share(n * DAY + HOUR, n * DAY + 3 * HOUR) or 1.0 for n in range(40)]
    assert min(below) < 0.85, "a threshold on one night would have fired"
