"""Rule 1: a sequential test on counts of bad outcomes. Pure mathematics, no units but seconds.

A Shiryaev-Roberts e-detector (Shin, Ramdas, Rinaldo: E-detectors, 2022). For each of K alternatives, a
bad rate (or ratio of bad rates) worse than the limit, with the log-likelihood ratio l_k of a check:

    L_k' = min(A + ln K, ln(1 + e^L_k) + min(l_k / phi, cap))   L_k = -inf at first
    E    = ln(mean over k of e^L_k)                             breach when E >= A
    A    = ln(metrics * falseRollbackEvery / pace)              cap = A / minChecks, A + ln K for 1

While the bad rate is at most the limit, the mean of e^l_k is at most 1, so that the mean of e^E grows
by at most 1 a check: a breach within one day has a probability of at most `checks a day / e^A`.

Two additions, neither of which can raise the evidence above this recursion:

* For l_k <= 0, L_k' is L_k + l_k / phi once any L_j >= A/4, and at most A/4 before. A check that is no worse
  than the limit thus never lifts E above max(E, A/4), where a metric is Clear. Without it, good
  outcomes alone would breach where they weigh little: against a limit of 10^-5, e^L_k rises to 10^6.
* `phi` is taken from *earlier* checks (`overdispersion.py`). With phi >= 1 known beforehand,
  the mean of e^(l_k/phi) is at most 1 as well (Jensen), so the bound above stays proven for independent
  outcomes, and E is monotone in the bad outcomes of a check. Including the check's own r^2
  changed nothing in simulations: 1.1 instead of 1.3 % false breaches of nightly batches, delays the same.
  For clustered outcomes the bound is empirical either way: `tests/bench/decision`.

Cutting a check into two equal halves changes E, with the same phi and no cap met, to a value between E
and `ln(2 e^E + 1)`: per alternative, R = (R' + 1) e^l becomes R + e^(l/2), and e^(l/2) <= max(R, 1). With
caps and another phi (half a batch has a lesser prior) E grows by at most two caps more, and evidence
from a check that is worse than all alternatives falls by at most half a cap.
"""

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from model_rollout.analysis.hypotheses import Hypothesis, OneSample, TwoSample
from model_rollout.analysis.overdispersion import (
    UNSEEN,
    Dispersion,
    correlation,
    from_bytes,
    inflation,
    seen,
    to_bytes,
    usual_rate,
)

__all__ = [
    "FRESH",
    "Design",
    "DetectorState",
    "Hypothesis",
    "OneSample",
    "Outcomes",
    "TwoSample",
    "from_text",
    "more_bad_to_decide",
    "strength",
    "to_text",
    "update",
]

# The share of A up to which checks may lift the evidence that are no worse than the limit.
_CLEAR = 0.25
_NONE = -math.inf
# So that evidence at its ceiling reaches A in spite of rounding.
_ROUNDING = 1e-9
_MOST = 10**15


@dataclass(frozen=True, slots=True)
class Design:
    """What a detector is to find, and how rarely it may be wrong."""

    hypothesis: Hypothesis
    pace: float
    """Seconds between checks with new outcomes."""
    metrics: int
    """So many metrics share the allowed rate of false rollbacks."""
    false_rollback_every: float
    """Seconds; a healthy guard falsely breaches at most once in this time."""
    min_checks: int
    """At least so many checks are needed, however bad they are."""

    def decisive(self, spacing: float = 0.0) -> float:
        """Return A, the strength that decides, in natural logarithms.

        Args:
            spacing: observed seconds between new outcomes; counts when longer than the pace.
        """
        checks = self.metrics * self.false_rollback_every / max(self.pace, spacing)
        # With less, min_checks harmless checks would decide: each may add 1 to e^E.
        return math.log(max(checks, 2.0 * self.min_checks + 1.0))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one check counted. Numbers of outcomes, `0 <= bad <= total`; need not be integers."""

    bad: float
    total: float
    base_bad: float = 0.0
    """Of the other workload."""
    base_total: float = 0.0


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The evidence of all checks so far. Depends on nothing but their outcomes and the design."""

    logs: tuple[float, ...] = ()
    """L_k, per alternative; empty at first."""
    observations: int = 0
    """Checks with outcomes."""
    own: Dispersion = UNSEEN
    base: Dispersion = UNSEEN
    share: float = 0.5
    """Two samples: mean share of the outcomes that this workload had."""


FRESH = DetectorState()
"""No evidence."""


def update(
    state: DetectorState, design: Design, outcomes: Outcomes, spacing: float = 0.0
) -> DetectorState:
    """Return the state after one check.

    A check without outcomes (of either workload, in the two-sample form) is no observation.
    """
    hypothesis = design.hypothesis
    bad, total = outcomes.bad, outcomes.total
    if total <= 0.0:
        return state
    if isinstance(hypothesis, OneSample):
        phi = inflation(state.own, total, hypothesis.correlation)
        logs = _fold(state.logs, hypothesis.steps(bad, total, phi), design, spacing)
        return DetectorState(logs, state.observations + 1, seen(state.own, bad, total))
    base_bad, base_total = outcomes.base_bad, outcomes.base_total
    if base_total <= 0.0:
        return state
    phi = _joint_inflation(state, total, base_total)
    steps = hypothesis.steps(bad, total, base_bad, base_total, phi)
    share = total / (total + base_total)
    return DetectorState(
        _fold(state.logs, steps, design, spacing),
        state.observations + 1,
        seen(state.own, bad, total),
        seen(state.base, base_bad, base_total),
        share if state.observations == 0 else 0.95 * state.share + 0.05 * share,
    )


def _joint_inflation(state: DetectorState, total: float, base_total: float) -> float:
    own, base = _usual_inflation(state.own, total), _usual_inflation(state.base, base_total)
    return (own * base_total + base * total) / (total + base_total)


def _usual_inflation(dispersion: Dispersion, total: float) -> float:
    return inflation(dispersion, total, correlation(usual_rate(dispersion)))


def _fold(
    logs: tuple[float, ...], steps: Sequence[float], design: Design, spacing: float
) -> tuple[float, ...]:
    decisive = design.decisive(spacing)
    ceiling = decisive + math.log(len(steps)) + _ROUNDING
    cap = _cap(decisive, design.min_checks) if design.min_checks > 1 else ceiling
    if len(logs) != len(steps):
        logs = (_NONE,) * len(steps)
    clear = _CLEAR * decisive
    quiet = max(logs) < clear
    folded = []
    for log, step in zip(logs, steps, strict=True):
        if step > 0.0:
            log = min(ceiling, math.log1p(math.exp(log)) + min(step, cap))
        elif quiet:
            log = min(clear, math.log1p(math.exp(log)) + step)
        else:
            log += step
        folded.append(log)
    return tuple(folded)


def _cap(decisive: float, checks: int) -> float:
    """Return what one check can add at most so that fewer than `checks` never decide."""
    cap = decisive / checks
    # checks - 1 capped ones give ln(e^cap + ... + e^((checks-1) cap)), which is less than A = checks
    # times cap as long as 1 / (1 - e^-cap) <= e^cap.
    return cap if cap > math.log(2.0) else _small_cap(decisive, checks)


@lru_cache(maxsize=1024)
def _small_cap(decisive: float, checks: int) -> float:
    low, high = 0.0, decisive / checks
    for _ in range(50):
        middle = (low + high) / 2.0
        sums = math.fsum(math.exp(i * middle) for i in range(1, checks))
        low, high = (middle, high) if math.log(sums) < decisive - _ROUNDING else (low, middle)
    return low


def strength(state: DetectorState) -> float:
    """Return E, the evidence against the null hypothesis; natural logarithm, -inf for none."""
    return _mean(state.logs) if state.logs else _NONE


def more_bad_to_decide(state: DetectorState, design: Design, spacing: float = 0.0) -> int:
    """Return how many bad outcomes in a row would bring the strength to A. Caps are ignored."""
    decisive = design.decisive(spacing)
    if strength(state) >= decisive:
        return 0
    gains = _gains(state, design.hypothesis)
    logs = state.logs if len(state.logs) == len(gains) else (_NONE,) * len(gains)
    starts = [math.log1p(math.exp(log)) for log in logs]

    def decides(bad: int) -> bool:
        reached = [start + bad * gain for start, gain in zip(starts, gains, strict=True)]
        return _mean(reached) >= decisive

    low, high = 0, 1
    while not decides(high) and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def _gains(state: DetectorState, hypothesis: Hypothesis) -> list[float]:
    """Return what one more bad outcome of this workload adds, per alternative."""
    if isinstance(hypothesis, OneSample):
        phi = inflation(state.own, state.own.total, hypothesis.correlation)
        return [gain / phi for gain in hypothesis.gains]
    share = state.share
    phi = _usual_inflation(state.own, state.own.total) * (1.0 - share)
    phi += _usual_inflation(state.base, state.base.total) * share
    return hypothesis.steps(1.0, share, 0.0, 1.0 - share, phi)


def _mean(logs: Sequence[float]) -> float:
    greatest = max(logs)
    if greatest == _NONE:
        return _NONE
    return greatest + math.log(sum([math.exp(log - greatest) for log in logs]) / len(logs))


_VERSION = "sr1:"
_HEAD = struct.Struct("<BQd")


def to_text(state: DetectorState) -> str:
    """Return a state as text without loss: at most 600 characters, mostly 300."""
    head = _HEAD.pack(len(state.logs), state.observations, state.share)
    logs = struct.pack(f"<{len(state.logs)}d", *state.logs)
    body = b"".join((head, logs, to_bytes(state.own), to_bytes(state.base)))
    return _VERSION + base64.urlsafe_b64encode(_checksum(body) + body).decode("ascii")


def from_text(text: str) -> DetectorState | None:
    """Return the state of a text; None for text that `to_text` of this version did not write."""
    if not text.startswith(_VERSION):
        return None
    try:
        raw = base64.b64decode(text[len(_VERSION) :], altchars=b"-_", validate=True)
        body = raw[4:]
        return _unpack(body) if raw[:4] == _checksum(body) else None
    except (binascii.Error, struct.error, ValueError):
        return None


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")


def _unpack(body: bytes) -> DetectorState | None:
    count, observations, share = _HEAD.unpack_from(body)
    at = _HEAD.size
    logs = struct.unpack_from(f"<{count}d", body, at)
    own, at = from_bytes(body, at + 8 * count)
    base, at = from_bytes(body, at)
    return DetectorState(logs, observations, own, base, share) if at == len(body) else None
