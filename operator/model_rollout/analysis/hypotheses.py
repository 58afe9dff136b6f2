"""What a detector tests against, and the likelihood ratios of what a check counted."""

import math
from dataclasses import dataclass, field

from model_rollout.analysis.overdispersion import correlation

_ODDS = (1.15, 1.5, 2.5, 5.0)
_RATIOS = (1.5, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class OneSample:
    """The null hypothesis is: the bad rate is at most `limit`, 0 < limit < 1.

    The alternatives are bad rates with 1.15, 1.5, 2.5 and 5 times the odds of the limit; the nearest one
    decides how small a violation is ever found.
    """

    limit: float
    gains: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """ln(b_k / b_0): what a bad outcome adds, per alternative."""
    losses: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """ln((1 - b_k) / (1 - b_0)): what a good outcome adds, a negative number."""
    correlation: float = field(init=False, repr=False, compare=False)
    """Of the outcomes of one check, before it is measured."""

    def __post_init__(self) -> None:
        if not 0.0 < self.limit < 1.0:
            raise ValueError(f"a limit of the bad rate is between 0 and 1, not {self.limit:g}")
        # In forms that lose no digits with limits near 0 and near 1.
        gains = (-math.log1p(-(f - 1.0) * (1.0 - self.limit) / f) for f in _ODDS)
        losses = (-math.log1p((f - 1.0) * self.limit) for f in _ODDS)
        object.__setattr__(self, "gains", tuple(gains))
        object.__setattr__(self, "losses", tuple(losses))
        object.__setattr__(self, "correlation", correlation(self.limit))

    def steps(self, bad: float, total: float, phi: float) -> list[float]:
        """Return l_k / phi of a check, per alternative."""
        good = max(total - bad, 0.0)
        return [
            (bad * gain + good * loss) / phi
            for gain, loss in zip(self.gains, self.losses, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class TwoSample:
    """The null hypothesis is: the bad rate is at most `ratio` times the other workload's.

    Of all bad outcomes of both, this workload's share is then at most `q_0 = n_c r / (n_c r + n_s)`. The
    alternatives are ratios of 1.5, 2.5 and 5 times r, with shares q_k. By ln(1 + x) <= x, the mean of e^l_k
    is at most 1 for any two binomial rates, also where they are not small.
    """

    ratio: float

    def __post_init__(self) -> None:
        if not (self.ratio > 0.0 and math.isfinite(self.ratio)):
            raise ValueError(f"a ratio of bad rates is positive, not {self.ratio:g}")

    def steps(
        self, bad: float, total: float, base_bad: float, base_total: float, phi: float
    ) -> list[float]:
        """Return l_k / phi of a check of both workloads, per alternative; `base_total` > 0."""
        share = total * self.ratio / (total * self.ratio + base_total)
        steps = []
        for f in _RATIOS:
            gain = -math.log1p(-(f - 1.0) * (1.0 - share) / f)
            loss = -math.log1p((f - 1.0) * share)
            steps.append((bad * gain + base_bad * loss) / phi)
        return steps


Hypothesis = OneSample | TwoSample
