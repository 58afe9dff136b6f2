"""How much more the outcomes of checks vary than independent outcomes would: the factor phi.

Answers come in clusters (one bad upstream, one odd batch of users), so that the rate of a check varies
more than binomially. The evidence of a check is divided by the variance inflation
`phi >= 1` (quasi-likelihood: McCullagh and Nelder, Generalized Linear Models, section 4.5).

It is measured on differences of successive checks, so that a lasting change of the rate is no
dispersion: `r^2 = (p_t - p_{t-1})^2 / [p q (1/n_t + 1/n_{t-1})]`, with p the rate of both together, has
mean 1 for independent outcomes (it is the chi-squared statistic of their two-by-two table). Of the
last 60 values the greatest tenth is dropped, since a change of the rate itself is one of them, and the
mean of the rest is divided by what a chi-squared variable would give, 0.623.

Differences of neighbours do not see clusters that outlast a check. Therefore the same is measured on
blocks of ten checks, and the excess over single checks counts twice, since clusters outlast blocks
too. With clusters of two checks' mean length this cuts false breaches from 92 to 6 % a day at 200
outcomes a check and from 19 to 1 % at 20 (`tests/bench/decision`). Values within the noise of
independent outcomes count as 1: taking them as they are would make every detection 5 to 10 % later.
"""

import math
import struct
from dataclasses import dataclass

KEPT = 60
"""So many of the latest values of r^2 count."""

BLOCK = 10
"""Checks with outcomes that make a block."""

_LEAST_OUTCOMES = 5.0
_TRIMMED_MEAN = 0.623
_PRIOR = 5

# Correlation between the outcomes of one check before any is measured, at rates from 0.15 to 0.85: true
# rates vary by about 1.6 points there. Rarer outcomes vary less, in points, and more, relatively.
_CORRELATION = 0.002
_COMMON = 0.15

# The standard deviation of the trimmed mean of m values is about 1.7 / sqrt(m). Measured values
# count from two of it on, those of blocks, which decide when they are the greater, from three.
_NOISE = 3.4
_NOISE_OF_BLOCKS = 5.1

# The jump of a revision that turns bad is one value of blocks. There are few of those in its first
# hundred checks: were it not dropped, it would be found four times as late as afterwards.
_JUMP = 1

# r^2 is kept in one byte, at logarithmic steps of 9 % (0.02 near zero), up to 10^9. The mean of 54
# values is off by less than 1 %, and 60 of them take 80 characters of a status instead of 640.
_STEPS = 11.5
_ORIGIN = 4.0
_VALUES = tuple(math.expm1(code / _STEPS) / _ORIGIN for code in range(256))


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What was seen of one workload's outcomes. All numbers are of outcomes, unless named otherwise."""

    bad: float = 0.0
    total: float = 0.0
    """Of the latest check with enough outcomes."""
    codes: bytes = b""
    """Latest values of r^2 between checks, oldest first, one byte each."""
    open_bad: float = 0.0
    open_total: float = 0.0
    open_checks: int = 0
    """Of the block that is not complete."""
    block_bad: float = 0.0
    block_total: float = 0.0
    """Of the latest complete block."""
    block_codes: bytes = b""
    """Latest values of r^2 between blocks."""
    measured: float = 0.0
    """Variance inflation of checks, follows from `codes`."""
    block_measured: float = 0.0
    """Variance inflation of blocks, follows from `block_codes`."""


UNSEEN = Dispersion()
"""Before the first check."""


def seen(before: Dispersion, bad: float, total: float) -> Dispersion:
    """Return the dispersion after a check with `bad` of `total` outcomes, `total` > 0."""
    last_bad, last_total = before.bad, before.total
    codes, measured = before.codes, before.measured
    if total >= _LEAST_OUTCOMES:
        codes = _compared(codes, last_bad, last_total, bad, total)
        measured = trimmed_mean(codes)
        last_bad, last_total = bad, total
    block_bad, block_total = before.block_bad, before.block_total
    block_codes, block_measured = before.block_codes, before.block_measured
    open_bad, open_total = before.open_bad + bad, before.open_total + total
    open_checks = before.open_checks + 1
    if open_checks >= BLOCK and open_total >= _LEAST_OUTCOMES:
        block_codes = _compared(block_codes, block_bad, block_total, open_bad, open_total)
        block_measured = trimmed_mean(block_codes, least=_JUMP)
        block_bad, block_total = open_bad, open_total
        open_bad, open_total, open_checks = 0.0, 0.0, 0
    return Dispersion(
        last_bad,
        last_total,
        codes,
        open_bad,
        open_total,
        open_checks,
        block_bad,
        block_total,
        block_codes,
        measured,
        block_measured,
    )


def _compared(codes: bytes, bad: float, total: float, next_bad: float, next_total: float) -> bytes:
    if total <= 0.0:
        return codes
    return (codes + _code(bad, total, next_bad, next_total))[-KEPT:]


def correlation(rate: float) -> float:
    """Return the correlation of outcomes in a check to expect at a bad rate between 0 and 1."""
    rarer = min(rate, 1.0 - rate)
    return _CORRELATION * math.sqrt(min(rarer / _COMMON, 1.0))


def usual_rate(dispersion: Dispersion) -> float:
    """Return the bad rate of the latest 10 to 20 checks; 0.5 before the first."""
    bad = dispersion.block_bad + dispersion.open_bad
    total = dispersion.block_total + dispersion.open_total
    return (min(bad, total) + 0.5) / (total + 1.0)


def inflation(dispersion: Dispersion, total: float, expected: float) -> float:
    """Return phi for a check with `total` outcomes: 1 for independent ones, greater for clustered.

    Few measured values are blended with the design effect `1 + expected (n - 1)` that large batches
    have: outcomes of one batch resemble each other, with the correlation `expected`. The result
    has no upper bound: with one of 1000, batches of a million whose true rate varies by 2 points
    around 0.86 (limit 0.85) breach falsely in 48 % of 100 nights, without it in 1.4 %.
    """
    prior = 1.0 + expected * max(total - 1.0, 0.0)
    phi = prior
    count = len(dispersion.codes)
    if count >= _PRIOR:
        phi = (count * dispersion.measured + _PRIOR * prior) / (count + _PRIOR)
        if phi < 1.0 + _NOISE / math.sqrt(count + _PRIOR):
            phi = 1.0
    count = len(dispersion.block_codes)
    if count == 0:
        return phi
    blocks = (count * dispersion.block_measured + _PRIOR * phi) / (count + _PRIOR)
    clear = phi * (1.0 + _NOISE_OF_BLOCKS / math.sqrt(count + _PRIOR))
    return 2.0 * blocks - phi if blocks > clear else phi


def trimmed_mean(codes: bytes, *, least: int = 0) -> float:
    """Return the mean of the values of r^2 without the greatest tenth; 1 for independent outcomes.

    Args:
        codes: The values; none give 0.
        least: So many are dropped at least.
    """
    dropped = max(len(codes) // 10, least)
    kept = sorted(codes)[: len(codes) - dropped] if dropped < len(codes) else []
    if not kept:
        return 0.0
    return sum(map(_VALUES.__getitem__, kept)) / (len(kept) * _TRIMMED_MEAN)


_NUMBERS = struct.Struct("<BBI6d")


def to_bytes(dispersion: Dispersion) -> bytes:
    """Return a dispersion as bytes without loss."""
    numbers = _NUMBERS.pack(
        len(dispersion.codes),
        len(dispersion.block_codes),
        dispersion.open_checks,
        dispersion.bad,
        dispersion.total,
        dispersion.open_bad,
        dispersion.open_total,
        dispersion.block_bad,
        dispersion.block_total,
    )
    return numbers + dispersion.codes + dispersion.block_codes


def from_bytes(body: bytes, at: int) -> tuple[Dispersion, int]:
    """Return the dispersion that begins at `at`, and where it ends; struct.error for less."""
    count, block_count, checks, bad, total, *rest = _NUMBERS.unpack_from(body, at)
    open_bad, open_total, block_bad, block_total = rest
    middle = at + _NUMBERS.size + count
    end = middle + block_count
    codes, block_codes = body[at + _NUMBERS.size : middle], body[middle:end]
    dispersion = Dispersion(
        bad,
        total,
        codes,
        open_bad,
        open_total,
        checks,
        block_bad,
        block_total,
        block_codes,
        trimmed_mean(codes),
        trimmed_mean(block_codes, least=_JUMP),
    )
    return dispersion, end


def _code(bad: float, total: float, next_bad: float, next_total: float) -> bytes:
    rate, next_rate = min(bad / total, 1.0), min(next_bad / next_total, 1.0)
    # Half an outcome keeps the variance above 0 while all outcomes are good, or all bad.
    least = 0.5 / (total + next_total)
    pooled = min(max((bad + next_bad) / (total + next_total), least), 1.0 - least)
    variance = pooled * (1.0 - pooled) * (1.0 / total + 1.0 / next_total)
    squared = (next_rate - rate) ** 2 / variance
    return bytes((min(round(_STEPS * math.log1p(_ORIGIN * squared)), 255),))
