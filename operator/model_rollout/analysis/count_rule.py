"""Rule 1 for one metric: which counters it reads, against what, and how soon it decides."""

from dataclasses import dataclass, field
from enum import StrEnum

from model_rollout.analysis.detector import Design, Outcomes
from model_rollout.analysis.histogram import bounds_question
from model_rollout.analysis.measurement import Labels, Question, Shape
from model_rollout.api.metric import MetricAction, OnNoData

HOUR = 3600.0

Sums = tuple[float, float, float, float]
"""Increments of the two counters of the guarded workload and of the two of its baseline."""

NOTHING: Sums = (0.0, 0.0, 0.0, 0.0)


class Role(StrEnum):
    """Which outcomes a counter counts."""

    GOOD = "good"
    BAD = "bad"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two counters that say together how many outcomes there were and how many were bad."""

    first: Role
    second: Role
    first_selector: str
    second_selector: str

    @property
    def selectors(self) -> tuple[str, str]:
        """Both selectors, in the order in which they are asked."""
        return self.first_selector, self.second_selector

    @property
    def required(self) -> tuple[bool, bool]:
        """Which of both must exist; counters of bad outcomes often do not before the first one."""
        return self.first is not Role.BAD, self.second is not Role.BAD

    def outcomes(self, first: float, second: float) -> tuple[float, float] | None:
        """Return (bad, total); None when the counters contradict each other."""
        if self.second is Role.BAD:
            return second, first + second
        if first > second:
            return None
        return (first if self.first is Role.BAD else second - first), second


@dataclass(frozen=True, slots=True)
class CountRule:
    """One metric on counts with all defaults filled in. Durations in seconds."""

    name: str
    action: MetricAction
    on_no_data: OnNoData
    pairs: tuple[Pair, ...]
    """The counters of the guarded workload, and of the one that it is compared with.

    Empty: there is nothing to ask for, see `problem`.
    """
    base_name: str
    """The name of that other workload; empty: there is none."""
    design: Design | None
    """None: there is no limit yet; outcomes are counted and never breach."""
    of_good: bool
    """The limit and the value are shares of good outcomes, not of bad ones."""
    limit: str
    """What is acceptable, as people write it."""
    bound: float | None
    """Of a histogram: outcomes above it are bad."""
    buckets: str
    """Selector of the histogram's buckets."""
    group: Labels
    hold_for: float
    pace: float
    no_data_after: float
    discard: float
    """Outcomes do not count for this long after a revision begins to serve."""
    lookback: float
    """So many seconds of samples are asked for in every check."""
    problem: str = ""
    """Why the metric cannot be judged; empty when it can."""
    passing: bool = False
    """The problem ends by itself."""
    questions: tuple[Question, ...] = field(init=False, repr=False, compare=False)
    """What every check asks: both counters of each pair."""

    def __post_init__(self) -> None:
        asked = (
            Question(selector, Shape.WINDOW, self.lookback, self.group)
            for pair in self.pairs
            for selector in pair.selectors
        )
        object.__setattr__(self, "questions", tuple(asked))

    @property
    def asked(self) -> str:
        """The counters of the guarded workload, for people and for records."""
        named = (
            f"{role}: {selector}"
            for pair in self.pairs[:1]
            for role, selector in zip((pair.first, pair.second), pair.selectors, strict=True)
        )
        return "; ".join(named)

    @property
    def bounds_promql(self) -> str:
        """The expression for the bounds of a histogram's buckets."""
        return bounds_question(self.buckets, self.group)

    @property
    def min_checks(self) -> int:
        """At least so many observations are needed to say anything."""
        return self.design.min_checks if self.design is not None else 1

    @property
    def identity(self) -> tuple[object, ...]:
        """What evidence depends on: with another identity it would be other evidence.

        Neither `for` nor how rarely a rollback may be false belongs to it: they judge evidence.
        """
        design = self.design
        asked = tuple(question.promql for question in self.questions)
        null = (design.hypothesis, design.min_checks) if design is not None else None
        return asked, self.group, null, self.pace

    def outcomes(self, sums: Sums) -> Outcomes | None:
        """Return the outcomes of a slot; None when its counters contradict each other."""
        own = self.pairs[0].outcomes(sums[0], sums[1])
        if own is None:
            return None
        if len(self.pairs) == 1:
            return Outcomes(own[0], own[1])
        base = self.pairs[1].outcomes(sums[2], sums[3])
        return None if base is None else Outcomes(own[0], own[1], base[0], base[1])
