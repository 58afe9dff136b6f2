"""Rule 1: the stated rate of false rollbacks holds, simulated on the detector itself.

The full simulation, with the rules of other tools, is `tests/bench/decision/table.py`.
"""

import math

import numpy as np
import pytest

from model_rollout.analysis.detector import (
    FRESH,
    Design,
    OneSample,
    Outcomes,
    TwoSample,
    strength,
    update,
)

DAY = 86_400.0
CHECKS = Design(OneSample(0.15), 30.0, 1, 100 * DAY, 4)
# Wrong at most once in 1,200 checks, so that a few hundred runs of 120 checks can tell.
OFTEN_WRONG = 36_000.0
RUNS, LENGTH = 150, 120
ALLOWED = LENGTH * 30.0 / OFTEN_WRONG


def upper_bound(events: int, runs: int) -> float:
    """Wilson's upper bound of a probability, one-sided 99 %."""
    z = 2.326
    rate = events / runs
    centre = rate + z * z / (2 * runs)
    spread = z * math.sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    return (centre + spread) / (1 + z * z / runs)


def breaches(design: Design, checks: list[Outcomes]) -> bool:
    state = FRESH
    for outcomes in checks:
        state = update(state, design, outcomes)
        if strength(state) >= design.decisive():
            return True
    return False


@pytest.mark.parametrize(
    ("limit", "mean"), [(0.15, 2), (0.15, 20), (0.15, 200), (0.01, 20), (0.9, 20)]
)
def test_a_model_at_the_limit_breaches_at_most_as_often_as_allowed(limit: float, mean: int) -> None:
    rng = np.random.default_rng(mean)
    design = Design(OneSample(limit), 30.0, 1, OFTEN_WRONG, 1)
    bad = rng.binomial(mean, limit, (RUNS, LENGTH)).tolist()
    events = sum(breaches(design, [Outcomes(b, mean) for b in run]) for run in bad)
    assert upper_bound(events, RUNS) <= ALLOWED


@pytest.mark.parametrize(("mean", "others", "bad"), [(2, 20, 0.2), (20, 20, 0.02), (200, 20, 0.1)])
def test_a_workload_at_the_ratio_breaches_at_most_as_often_as_allowed(
    mean: int, others: int, bad: float
) -> None:
    rng = np.random.default_rng(mean)
    design = Design(TwoSample(1.5), 30.0, 1, OFTEN_WRONG, 1)
    own = rng.binomial(mean, 1.5 * bad, (RUNS, LENGTH)).tolist()
    base = rng.binomial(others, bad, (RUNS, LENGTH)).tolist()
    events = sum(
        breaches(design, [Outcomes(b, mean, s, others) for b, s in zip(*run, strict=True)])
        for run in zip(own, base, strict=True)
    )
    assert upper_bound(events, RUNS) <= ALLOWED


def test_a_healthy_model_with_two_answers_a_check_is_left_alone_for_a_week() -> None:
    rng = np.random.default_rng(7)
    weeks = rng.binomial(2, 0.08, (3, 7 * 2880)).tolist()
    assert not any(breaches(CHECKS, [Outcomes(bad, 2.0) for bad in week]) for week in weeks)
    # A plain threshold of 0.85 rolls back at the first wrong answer, within the hour.
    assert all(any(bad / 2.0 > 0.15 for bad in week[:120]) for week in weeks)


def test_nightly_batches_of_varying_rate_breach_in_at_most_a_few_of_100_nights() -> None:
    rng = np.random.default_rng(11)
    design = Design(OneSample(0.15), DAY, 1, 100 * DAY, 1)
    rates = rng.normal(0.14, 0.02, (600, 100))
    bad = rng.binomial(5000, rates).tolist()
    events = sum(breaches(design, [Outcomes(b, 5000.0) for b in run]) for run in bad)
    assert upper_bound(events, 600) <= 0.05


@pytest.mark.parametrize("persistence", [0.0, 0.5])
def test_clustered_outcomes_breach_rarely(persistence: float) -> None:
    """Of mean 0.10 with a standard deviation of 6.7 points, which often is beyond 0.15."""
    rng = np.random.default_rng(13)
    rates = rng.beta(1.9, 17.1, (40, 1000))
    for i in range(1, 1000):
        stays = rng.random(40) < persistence
        rates[:, i] = np.where(stays, rates[:, i - 1], rates[:, i])
    bad = rng.binomial(20, rates).tolist()
    events = sum(breaches(CHECKS, [Outcomes(b, 20.0) for b in run]) for run in bad)
    assert events <= 1


@pytest.mark.parametrize(
    ("bad", "mean", "within"), [(0.30, 2, 250), (0.20, 20, 200), (0.30, 200, 6)]
)
def test_a_real_drop_is_found(bad: float, mean: int, within: int) -> None:
    rng = np.random.default_rng(17)
    healthy = rng.binomial(mean, 0.08, (40, 300)).tolist()
    dropped = rng.binomial(mean, bad, (40, within)).tolist()
    late = sum(
        not breaches(CHECKS, [Outcomes(b, mean) for b in before + after])
        for before, after in zip(healthy, dropped, strict=True)
    )
    assert late <= 2


def delay(healthy: int, rng: np.random.Generator) -> int:
    """Checks from a drop to 0.82 at 200 answers a check until the breach."""
    state = FRESH
    for bad in rng.binomial(200, 0.08, healthy).tolist():
        state = update(state, CHECKS, Outcomes(bad, 200.0))
    for number, bad in enumerate(rng.binomial(200, 0.18, 400).tolist(), start=1):
        state = update(state, CHECKS, Outcomes(bad, 200.0))
        if strength(state) >= CHECKS.decisive():
            return number
    return 400


@pytest.mark.parametrize("healthy", [8, 20, 60])
def test_a_revision_that_turns_bad_early_is_found_about_as_soon_as_a_later_one(
    healthy: int,
) -> None:
    rng = np.random.default_rng(healthy)
    early = np.median([delay(healthy, rng) for _ in range(40)])
    late = np.median([delay(600, rng) for _ in range(40)])
    assert early <= 1.5 * late
