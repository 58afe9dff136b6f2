"""How much more the outcomes of checks vary than independent outcomes would: the factor phi.

Answers come in clusters (one bad upstream, one odd batch of users), so that the rate of a check varies
more than binomially. The evidence of a check is divided by the variance inflation
`phi >= 1` (the quasi-likelihood of McCullagh and Nelder, Generalized Linear Models, section 4.5).

`phi` is measured on differences of successive checks, so that a lasting change of the rate is no
dispersion: `r^2 = (p_t - p_{t-1})^2 / [p q (1/n_t + 1/n_{t-1})]`, which has mean 1 for independent
outcomes. Of the last 60 values the greatest tenth is dropped (a change of the rate itself is one such
value), and the mean of the rest is divided by what it would be for a chi-squared variable, 0.623.
"""

import math
from dataclasses import dataclass

KEPT = 60
"""So many of the latest values of r^2 count."""

_LEAST_OUTCOMES = 5.0
_MEMORY = 0.95
_TRIMMED_MEAN = 0.623
_PRIOR_CHECKS = 5
_DESIGN_EFFECT = 0.002

# r^2 is kept in one byte, at logarithmic steps of 9 % (0.02 near zero), up to 10^9. The mean of 54
# values is off by less than 1 %, and 60 of them take 80 characters of a status instead of 640.
_STEPS = 11.5
_ORIGIN = 4.0
_VALUES = tuple(math.expm1(code / _STEPS) / _ORIGIN for code in range(256))


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What was seen of one workload's outcomes."""

    rate: float = 0.0
    """Bad rate of the latest check with enough outcomes."""
    total: float = 0.0
    """Outcomes of that check; 0 before the first."""
    mean: float = 0.0
    """Exponentially weighted mean of the bad rate."""
    codes: bytes = b""
    """Latest values of r^2, oldest first, one byte each."""


UNSEEN = Dispersion()
"""Before the first check."""


def seen(dispersion: Dispersion, bad: float, total: float) -> Dispersion:
    """Return the dispersion after a check with `bad` of `total` outcomes."""
    if total < _LEAST_OUTCOMES:
        return dispersion
    rate = min(bad / total, 1.0)
    if dispersion.total <= 0.0:
        return Dispersion(rate, total, rate)
    mean = _MEMORY * dispersion.mean + (1.0 - _MEMORY) * rate
    # Half an outcome keeps the variance above 0 while all outcomes are good, or all bad.
    least = 0.5 / (total + dispersion.total)
    expected = min(max(mean, least), 1.0 - least)
    variance = expected * (1.0 - expected) * (1.0 / total + 1.0 / dispersion.total)
    code = _code((rate - dispersion.rate) ** 2 / variance)
    return Dispersion(rate, total, mean, (dispersion.codes + code)[-KEPT:])


def inflation(dispersion: Dispersion, total: float) -> float:
    """Return phi for a check with `total` outcomes: 1 for independent ones, greater for clustered.

    Few measured values are blended with the design effect `1 + 0.002 (n - 1)` that large batches
    have: outcomes of one batch resemble each other.
    """
    prior = 1.0 + _DESIGN_EFFECT * max(total - 1.0, 0.0)
    count = len(dispersion.codes)
    if count < _PRIOR_CHECKS:
        return prior
    kept = sorted(dispersion.codes)[: count - count // 10]
    measured = sum(map(_VALUES.__getitem__, kept)) / (len(kept) * _TRIMMED_MEAN)
    return max((count * measured + _PRIOR_CHECKS * prior) / (count + _PRIOR_CHECKS), 1.0)


def _code(squared: float) -> bytes:
    return bytes((min(round(_STEPS * math.log1p(_ORIGIN * squared)), 255),))
