"""Rule 1 on simulated outcomes. Runs the operator's own detector; there is no second implementation."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
from generators import Counts, Numbers

from model_rollout.analysis import overdispersion
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

CHECKS = Design(OneSample(0.15), pace=30.0, metrics=1, false_rollback_every=100 * DAY, min_checks=4)
NIGHTS = Design(OneSample(0.15), pace=DAY, metrics=1, false_rollback_every=100 * DAY, min_checks=1)
RATIO = Design(TwoSample(1.5), pace=30.0, metrics=1, false_rollback_every=100 * DAY, min_checks=6)


def one_sample(counts: Counts, design: Design = CHECKS) -> Numbers:
    """Return the number of checks until rule 1 breaches, per run; 0 where it never does."""
    runs = zip(counts.bad.T.tolist(), counts.total.T.tolist(), strict=True)
    return np.array(
        [
            _breach(design, (Outcomes(b, n) for b, n in zip(bad, total, strict=True)))
            for bad, total in runs
        ]
    )


def two_sample(own: Counts, base: Counts, design: Design = RATIO) -> Numbers:
    """Return the same against a concurrent workload, which takes part in each check."""
    numbers = (own.bad, own.total, base.bad, base.total)
    runs = zip(*(n.T.tolist() for n in numbers), strict=True)
    return np.array(
        [_breach(design, (Outcomes(*check) for check in zip(*run, strict=True))) for run in runs]
    )


def _breach(design: Design, checks: Iterator[Outcomes]) -> int:
    decisive = design.decisive()
    state = FRESH
    for number, outcomes in enumerate(checks, 1):
        state = update(state, design, outcomes)
        # No alternative at A: their mean is not either.
        if max(state.logs, default=0.0) >= decisive and strength(state) >= decisive:
            return number
    return 0


@contextmanager
def without_blocks() -> Iterator[None]:
    """Let the detector see dispersion between single checks only, as the first design had it."""
    with patch.object(overdispersion, "BLOCK", 10**9):
        yield
