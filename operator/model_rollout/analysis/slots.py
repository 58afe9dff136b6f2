"""Evidence of counts over time: slots of one pace, by the samples' own timestamps.

Slot k holds the increments of samples with `start + k pace < time <= start + (k + 1) pace`, whenever
they were asked for. It is closed by the first increment of a later slot; what comes late for a
closed one counts in the open one. A closed slot is one observation of the detector. What is known
at any moment is the closed slots and the open one as if it were closed: no decision waits for the
end of a slot, and the same samples always give the same evidence, however often they were read.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from model_rollout.analysis.count_rule import HOUR, NOTHING, CountRule, Sums
from model_rollout.analysis.detector import FRESH, DetectorState, Outcomes, strength, update
from model_rollout.analysis.report import MetricClass

Item = tuple[float, int, float]
"""Seconds since the epoch, which of the four `Sums`, and the increment."""

_KEPT_GAPS = 15
_FEWEST_GAPS = 5
_MEMORY = 0.95
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Slot:
    """The increments of the open slot."""

    index: int
    sums: Sums
    first: float
    """When its first increment was seen."""
    last: float
    over_since: float | None = None
    """Since when the strength is at least A; only kept where the metric has a `for`."""
    carried: bool = False
    """It holds the increments of the slot before as well, whose counters contradicted each other."""


@dataclass(frozen=True, slots=True)
class Run:
    """The outcomes since the strength was last not positive."""

    since: float
    bad: float
    total: float
    base_bad: float
    base_total: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the slots so far say. Times in seconds since the epoch."""

    detector: DetectorState = FRESH
    strength: float = -math.inf
    metric_class: MetricClass = MetricClass.CLEAR
    observations: int = 0
    bad: float = 0.0
    total: float = 0.0
    recent_bad: float = 0.0
    """Exponentially weighted, as `recent_total`: their ratio is the recent rate."""
    recent_total: float = 0.0
    index: int | None = None
    """The slot of the last observation."""
    last: float | None = None
    """When the last outcome was seen."""
    gaps: tuple[int, ...] = ()
    """Slots from one observation to the next, the latest."""
    spacing: float = 0.0
    """The usual seconds between observations; 0 while too few were seen."""
    run: Run | None = None
    over_since: float | None = None
    clear_since: float | None = None
    skipped: float | None = None
    """When the last increment of a slot was seen that was skipped."""

    def silence(self, rule: CountRule) -> float:
        """Return the seconds without outcomes after which the evidence is discarded."""
        return max(HOUR, 2.0 * max(rule.pace, self.spacing))

    @property
    def rate(self) -> float | None:
        """The recent bad rate; over the run while there is evidence."""
        if self.run is not None:
            return self.run.bad / self.run.total
        return self.recent_bad / self.recent_total if self.recent_total > 0.0 else None

    def current(self, rule: CountRule, now: float) -> "Ledger":
        """Return what is still valid at the time `now`: evidence is discarded after silence."""
        if self.last is None or now - self.last <= self.silence(rule):
            return self
        return _discarded(self)


NO_SLOTS = Ledger()
"""Before the first outcome."""


def usual_spacing(gaps: tuple[int, ...], rule: CountRule) -> float:
    """Return the lower median of the gaps in seconds; 0 while too few were seen."""
    if len(gaps) < _FEWEST_GAPS:
        return 0.0
    return sorted(gaps)[(len(gaps) - 1) // 2] * rule.pace


def _discarded(ledger: Ledger) -> Ledger:
    return replace(
        ledger,
        detector=FRESH,
        strength=-math.inf,
        metric_class=MetricClass.CLEAR,
        run=None,
        over_since=None,
        clear_since=None,
    )


def fold(
    ledger: Ledger,
    slot: Slot | None,
    items: Sequence[Item],
    rule: CountRule,
    start: float,
    view: Ledger | None = None,
) -> tuple[Ledger, Slot | None]:
    """Return the closed slots and the open one after more increments, in any order.

    `view` is what `with_open` gave for the open slot, so that closing it computes nothing twice.
    """
    # Evidence must last for `for`: since when it does is known by the time of every increment.
    each = rule.hold_for > 0.0
    for index, group in _slots(sorted(items), rule.pace, start, each):
        if slot is not None and index > slot.index:
            ledger, slot = _closed(ledger, slot, rule, index, view)
        view = None
        if slot is None:
            time = group[0][0]
            ledger = ledger.current(rule, time)
            slot = Slot(index, NOTHING, time, time, ledger.over_since)
        slot = _grown(slot, group)
        if each:
            slot = replace(slot, over_since=with_open(ledger, slot, rule).over_since)
    return ledger, slot


def _slots(
    items: list[Item], pace: float, start: float, each: bool
) -> Iterator[tuple[int, list[Item]]]:
    """Yield the increments of each slot, or of each time in it, in their order."""
    group: list[Item] = []
    last, index = 0.0, 0
    for item in items:
        time = item[0]
        if not group or time != last:
            of = math.ceil((time - start) / pace) - 1
            if group and (each or of != index):
                yield index, group
                group = []
            last, index = time, of
        group.append(item)
    if group:
        yield index, group


def _grown(slot: Slot, group: list[Item]) -> Slot:
    sums = list(slot.sums)
    for _, position, amount in group:
        sums[position] += amount
    first, second, base_first, base_second = sums
    return Slot(
        slot.index,
        (first, second, base_first, base_second),
        min(slot.first, group[0][0]),
        max(slot.last, group[-1][0]),
        slot.over_since,
        slot.carried,
    )


def _closed(
    ledger: Ledger, slot: Slot, rule: CountRule, index: int, view: Ledger | None
) -> tuple[Ledger, Slot | None]:
    """Close a slot; one whose counters contradict each other gets one more slot to come right.

    Counters of two exporters are scraped one after the other: the outcomes of one may come in the
    next slot.
    """
    if rule.outcomes(slot.sums) is None and not slot.carried:
        return ledger, replace(slot, index=index, carried=True)
    return with_open(ledger, slot, rule) if view is None else view, None


def with_open(ledger: Ledger, slot: Slot | None, rule: CountRule) -> Ledger:
    """Return what is known with the open slot, as if it were closed."""
    if slot is None:
        return ledger
    outcomes = rule.outcomes(slot.sums)
    if outcomes is None:
        return replace(ledger, skipped=slot.last)
    if outcomes.total <= 0.0:
        return ledger
    return _observed(ledger, slot, outcomes, rule)


def _observed(ledger: Ledger, slot: Slot, outcomes: Outcomes, rule: CountRule) -> Ledger:
    gaps = ledger.gaps
    if ledger.index is not None:
        gaps = (*gaps, max(slot.index - ledger.index, 1))[-_KEPT_GAPS:]
    spacing = usual_spacing(gaps, rule)
    detector, reached, decisive = ledger.detector, -math.inf, math.inf
    if rule.design is not None:
        detector = update(detector, rule.design, outcomes, spacing)
        reached, decisive = strength(detector), rule.design.decisive(spacing)
    over_since = None
    if reached >= decisive - _ROUNDING:
        over_since = slot.last if slot.over_since is None else slot.over_since
    held = over_since is not None and slot.last - over_since >= rule.hold_for
    found = _classified(ledger.metric_class, reached, decisive, held=held)
    return Ledger(
        detector=detector,
        strength=reached,
        metric_class=found,
        observations=ledger.observations + 1,
        bad=ledger.bad + outcomes.bad,
        total=ledger.total + outcomes.total,
        recent_bad=_MEMORY * ledger.recent_bad + outcomes.bad,
        recent_total=_MEMORY * ledger.recent_total + outcomes.total,
        index=slot.index,
        last=slot.last,
        gaps=gaps,
        spacing=spacing,
        run=_run(ledger.run, slot, outcomes) if reached > 0.0 else None,
        over_since=over_since,
        clear_since=_clear_since(ledger, slot, found),
        skipped=ledger.skipped,
    )


def _classified(before: MetricClass, reached: float, decisive: float, *, held: bool) -> MetricClass:
    if held:
        return MetricClass.BREACHED
    if reached >= decisive / 2.0:
        return MetricClass.SUSPECT
    if before is MetricClass.CLEAR or reached < decisive / 4.0:
        return MetricClass.CLEAR
    return MetricClass.SUSPECT


def _run(run: Run | None, slot: Slot, outcomes: Outcomes) -> Run:
    if run is None:
        run = Run(slot.first, 0.0, 0.0, 0.0, 0.0)
    return Run(
        run.since,
        run.bad + outcomes.bad,
        run.total + outcomes.total,
        run.base_bad + outcomes.base_bad,
        run.base_total + outcomes.base_total,
    )


def _clear_since(ledger: Ledger, slot: Slot, found: MetricClass) -> float | None:
    if found is not MetricClass.CLEAR:
        return None
    if ledger.clear_since is not None:
        return ledger.clear_since
    return slot.first if ledger.metric_class is MetricClass.CLEAR else slot.last
