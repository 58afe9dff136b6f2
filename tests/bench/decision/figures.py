"""The figures of the design, which the simulation is to keep or to beat."""

from dataclasses import dataclass

MEANS = (2, 20, 200)
"""Outcomes a check."""

FALSE_ROLLBACKS: dict[str, dict[str, str]] = {
    "healthy 0.92": {
        "single sample": "100/100/77",
        "3 consecutive": "100/99/0",
        "Argo Rollouts style: 5 m rate every 5 m, failureLimit 3": "100/0/0",
        "Flagger style: 1 m, threshold 5": "100/100/0",
        "burn rate 2x, 30 m and 2.5 m (tuned)": "0/0/0",
        "20 consecutive of 1 m (tuned)": "0/0/0",
        "rule 1": "0/0/0",
    },
    "near 0.86": {
        "single sample": "100/100/100",
        "3 consecutive": "100/100/100",
        "Argo Rollouts style: 5 m rate every 5 m, failureLimit 3": "100/100/100",
        "Flagger style: 1 m, threshold 5": "100/100/100",
        "burn rate 2x, 30 m and 2.5 m (tuned)": "0.4/0/0",
        "20 consecutive of 1 m (tuned)": "0.3/1/0",
        "rule 1": "0.1/0.1/0",
    },
    "bursty": {
        "single sample": "100/100/100",
        "3 consecutive": "100/100/100",
        "Argo Rollouts style: 5 m rate every 5 m, failureLimit 3": "100/100/100",
        "Flagger style: 1 m, threshold 5": "100/100/100",
        "burn rate 2x, 30 m and 2.5 m (tuned)": "1/0.2/0.1",
        "20 consecutive of 1 m (tuned)": "0/0/0",
        "rule 1": "0/0/0.3",
    },
}
"""Percent a day at 2/20/200 outcomes a check, per kind of traffic and rule."""

NIGHTLY = "1 %, without a design effect 45 %"
"""False rollbacks in 100 nights."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A fall of the good rate from 0.92, and the delay that the design found for it, in checks."""

    good: float
    mean: int
    median: int | None
    late: int | None
    """95th percentile; None for one that was not found within a day."""


DROPS = (
    Drop(0.80, 20, 69, 133),
    Drop(0.70, 2, 74, 145),
    Drop(0.70, 20, 11, 20),
    Drop(0.70, 200, 5, 5),
    Drop(0.50, 20, 5, 6),
    Drop(0.84, 20, 1281, None),
    Drop(0.83, 20, 343, 604),
    Drop(0.82, 20, 191, 302),
    Drop(0.84, 200, 202, 596),
    Drop(0.83, 200, 45, 78),
    Drop(0.82, 200, 26, 41),
    Drop(0.80, 200, 11, 18),
)
