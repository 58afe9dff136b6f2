"""The rules of other tools, on simulated outcomes: when each would first roll back.

Each rule takes `Counts` of 30 s checks and returns, per run, the number of checks until it fires,
or 0 where it never does. A window without outcomes gives no value, which neither counts as failed nor ends
a row of failed ones.
"""

from collections.abc import Callable

import numpy as np
from generators import Counts, Numbers
from numpy.typing import NDArray

LIMIT = 0.15
"""Greatest allowed rate of bad outcomes: `min: 0.85`."""

Rule = Callable[[Counts], Numbers]


def single_sample(counts: Counts) -> Numbers:
    """Fire at the first check with a rate beyond the limit."""
    return in_a_row(counts, 1, 1)


def in_a_row(counts: Counts, checks: int, failures: int) -> Numbers:
    """Fire after so many windows of `checks` checks in a row with a rate beyond the limit."""
    failed, measured = _windows(counts, checks)
    row = np.zeros(failed.shape[1], dtype=np.int64)
    reached = np.zeros(failed.shape, dtype=bool)
    for i in range(len(failed)):
        row = np.where(measured[i], np.where(failed[i], row + 1, 0), row)
        reached[i] = row >= failures
    return _first(reached, checks)


def in_total(counts: Counts, checks: int, failures: int) -> Numbers:
    """Fire after so many windows of `checks` checks, in a row or not, with a rate beyond the limit."""
    failed, _ = _windows(counts, checks)
    return _first(failed.cumsum(axis=0) >= failures, checks)


def argo_rollouts(counts: Counts) -> Numbers:
    """5 m rate every 5 m with `failureLimit: 3`: the fourth failed measurement fails the analysis."""
    return in_total(counts, 10, 4)


def flagger(counts: Counts) -> Numbers:
    """1 m rate every 1 m with `threshold: 5`: rolled back at the fifth failed check."""
    return in_total(counts, 2, 5)


def burn_rate(counts: Counts) -> Numbers:
    """Twice the allowed rate over 30 m and over 2.5 m (Google SRE workbook, chapter 5)."""
    long, short = _moving(counts, 60), _moving(counts, 5)
    fired = (long > 2 * LIMIT) & (short > 2 * LIMIT)
    fired[:59] = False
    return _first(fired, 1)


RULES: dict[str, Rule] = {
    "single sample": single_sample,
    "3 consecutive": lambda counts: in_a_row(counts, 1, 3),
    "Argo Rollouts style: 5 m rate every 5 m, failureLimit 3": argo_rollouts,
    "Flagger style: 1 m, threshold 5": flagger,
    "burn rate 2x, 30 m and 2.5 m (tuned)": burn_rate,
    "20 consecutive of 1 m (tuned)": lambda counts: in_a_row(counts, 2, 20),
}


def _windows(counts: Counts, checks: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    whole = len(counts.bad) // checks * checks
    shape = (whole // checks, checks, -1)
    bad = counts.bad[:whole].reshape(shape).sum(axis=1)
    total = counts.total[:whole].reshape(shape).sum(axis=1)
    return bad > LIMIT * total, total > 0


def _moving(counts: Counts, checks: int) -> NDArray[np.float64]:
    sums = []
    for numbers in (counts.bad, counts.total):
        cumulated = np.concatenate([np.zeros((1, numbers.shape[1])), numbers.cumsum(axis=0)])
        begin = np.maximum(np.arange(1, len(numbers) + 1) - checks, 0)
        sums.append(cumulated[1:] - cumulated[begin])
    return np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], 1.0), 0.0)


def _first(fired: NDArray[np.bool_], checks: int) -> Numbers:
    index = fired.argmax(axis=0) + 1
    return np.where(fired.any(axis=0), index * checks, 0).astype(np.int64)
