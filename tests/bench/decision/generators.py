"""Simulated outcomes of checks: healthy, near the limit, bursty and clustered, nightly, two workloads.

Every generator returns whole numbers in arrays of shape (checks, runs). Rates are rates of *good*
outcomes, as accuracy is; `mean` is outcomes a check.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

CHECKS_A_DAY = 2880
"""One check every 30 s."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Outcomes of one workload."""

    bad: Numbers
    total: Numbers

    def then(self, later: "Counts") -> "Counts":
        """Return these checks and after them the later ones."""
        return Counts(
            np.concatenate([self.bad, later.bad]), np.concatenate([self.total, later.total])
        )


def constant(rng: Generator, good: float, mean: int, checks: int, runs: int) -> Counts:
    """Return `mean` independent outcomes a check, each good with the same probability."""
    total = np.full((checks, runs), mean)
    return Counts(rng.binomial(total, 1.0 - good), total)


def bursty(rng: Generator, mean: int, checks: int, runs: int, persistence: float = 0.0) -> Counts:
    """Return bursty traffic with a day and a night, and outcomes in clusters.

    * Traffic: Poisson with mean `mean * (1 + 0.8 s) * g`. s is a sine with a period of one day and a
      random phase for each run; g is a burst, drawn anew for each check from a gamma distribution
      of mean 1 and shape 2.
    * Expected good rate: `0.90 + 0.02 s`, so 0.92 by day and 0.88 at night.
    * Clusters: the good rate of a check is drawn from a beta distribution around the expected one with
      intraclass correlation 0.05 (its standard deviation is 6 to 7 points), and with probability
      `persistence` it stays that of the check before: clusters last `1 / (1 - persistence)` checks.

    Single checks are often below 0.85; the expected rate never is, so that each rollback is a false one.
    """
    sine = np.sin(2 * np.pi * (np.arange(checks)[:, None] / CHECKS_A_DAY + rng.random(runs)))
    bursts = rng.gamma(2.0, 0.5, (checks, runs))
    total = rng.poisson(mean * (1.0 + 0.8 * sine) * bursts)
    expected = 0.10 - 0.02 * sine
    size = 1.0 / 0.05 - 1.0
    rate = rng.beta(expected * size, (1.0 - expected) * size)
    if persistence > 0.0:
        stays = rng.random((checks, runs)) < persistence
        for i in range(1, checks):
            rate[i] = np.where(stays[i], rate[i - 1], rate[i])
    return Counts(rng.binomial(total, rate), total)


def nightly(rng: Generator, good: float, nights: int, runs: int, batch: int = 5000) -> Counts:
    """Return one batch a night whose true rate is normal around `good`, standard deviation 2 points."""
    total = np.full((nights, runs), batch)
    rate = np.clip(rng.normal(1.0 - good, 0.02, (nights, runs)), 0.0, 1.0)
    return Counts(rng.binomial(total, rate), total)


def dip(rng: Generator, bad: float, dipped: float, mean: int, checks: int, runs: int) -> Counts:
    """Return outcomes of a bad rate that is `dipped` for half an hour, from a quarter of the checks on.

    Two workloads that depend on the same upstream dip together: their dips begin at the same check.
    """
    rate = np.full(checks, bad)
    rate[checks // 4 : checks // 4 + 60] = dipped
    total = np.full((checks, runs), mean)
    return Counts(rng.binomial(total, rate[:, None]), total)
