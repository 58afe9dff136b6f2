"""What was counted of one metric for one serving revision, and how more of it is taken in."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from model_rollout.analysis.count_rule import CountRule, Pair
from model_rollout.analysis.counters import NONE_TAKEN, Counters, Increment, take
from model_rollout.analysis.histogram import no_bucket
from model_rollout.analysis.measurement import (
    Ambiguous,
    Answer,
    NoData,
    QueryError,
    Question,
    Sample,
    Shape,
    State,
    Window,
)
from model_rollout.analysis.past import PastQuestion, reach
from model_rollout.analysis.slots import NO_SLOTS, Item, Ledger, Slot, fold, with_open

EMPTY = "empty"
NO_GOOD = "no series of good"

_PATIENCE = 300.0
"""History that cannot be had for so many seconds is given up: the present is worth more."""

_USUAL_WAIT = 60.0
"""The newest sample is mostly younger than this: scrapes are rarely further apart."""

_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Arm:
    """The counters of one workload."""

    first: Counters = NONE_TAKEN
    second: Counters = NONE_TAKEN
    newest: float | None = None
    """All samples up to here were taken, of both."""


_NO_ARM = Arm()


@dataclass(frozen=True, slots=True)
class CountEvidence:
    """All times in seconds since the epoch."""

    created: float
    """When measuring began."""
    start: float | None = None
    """Outcomes before this time do not count; None while nothing serves."""
    arms: tuple[Arm, ...] = (_NO_ARM, _NO_ARM)
    closed: Ledger = NO_SLOTS
    slot: Slot | None = None
    view: Ledger = NO_SLOTS
    """What is known with the open slot."""
    trouble: State | None = None
    """Why the last check brought nothing: NoData, Ambiguous or Error; None when it did."""
    detail: str = ""
    errors: int = 0
    """Failed checks in a row."""
    asked: float | None = None
    """Samples were asked for up to here without a gap; None at first."""
    owing_since: float | None = None
    """Since when checks wait for a history that was not given yet."""
    ask_bounds: bool = False
    """The limit seems to be no bound of a bucket: ask which there are."""


def questions(rule: CountRule, evidence: CountEvidence) -> tuple[Question, ...]:
    """Return what to ask Prometheus in this check."""
    asked = [
        Question(selector, Shape.WINDOW, _lookback(rule, evidence, arm), rule.group)
        for pair, arm in zip(rule.pairs, evidence.arms, strict=False)
        for selector in pair.selectors
    ]
    if evidence.ask_bounds:
        asked.append(Question(rule.bounds_promql, Shape.WINDOW, 0.0, rule.group))
    return tuple(asked)


def _lookback(rule: CountRule, evidence: CountEvidence, arm: Arm) -> float:
    """Look back further while one counter waits for the other: nothing that it counts is lost.

    In large steps, so that guards with the same question still ask it in the same words.
    """
    taken = evidence.start if arm.newest is None else arm.newest
    if evidence.asked is None or taken is None:
        return rule.lookback
    waits = evidence.asked - taken
    if waits <= _USUAL_WAIT:
        return rule.lookback
    return rule.lookback + min(math.ceil(waits / rule.lookback) * rule.lookback, _LONGEST_WAIT)


def observe(
    evidence: CountEvidence,
    rule: CountRule,
    answers: tuple[Answer, ...],
    now: float,
    *,
    counts: bool,
) -> CountEvidence:
    """Return the evidence after one more check. Without all answers it is frozen.

    `counts` false: what was counted until now is no evidence (nothing serves, or not only this).
    """
    if rule.problem:
        return evidence
    asked = 2 * len(rule.pairs)
    windows = _windows(evidence, answers[:asked])
    if isinstance(windows, CountEvidence):
        return windows
    bounds = answers[asked] if len(answers) > asked else None
    missing = _missing(evidence, rule, windows, bounds, rule.lookback)
    measured = missing or replace(evidence, trouble=None, detail="", errors=0, ask_bounds=False)
    if counts and past(rule, evidence, now):
        since = now if evidence.owing_since is None else evidence.owing_since
        if now - since < _PATIENCE:
            return replace(measured, owing_since=since)
    if _missing(evidence, rule, windows) is not None:
        return _seen(measured, rule, windows)
    return _taken(measured, rule, windows, counts=counts)


def _windows(
    evidence: CountEvidence, answers: tuple[Answer, ...]
) -> tuple[Window, ...] | CountEvidence:
    """Return the answers, or the evidence with what is wrong with the first that is none."""
    windows = list[Window]()
    for answer in answers:
        match answer:
            case Window():
                windows.append(answer)
            case QueryError(kind, detail):
                text = f"{kind.value}: {detail}" if detail else kind.value
                errors = evidence.errors + 1
                return replace(evidence, trouble=State.ERROR, detail=text, errors=errors)
            case Ambiguous(reason):
                return replace(evidence, trouble=State.AMBIGUOUS, detail=reason, errors=0)
            case NoData(reason):
                return replace(evidence, trouble=State.NO_DATA, detail=reason, errors=0)
            case Sample():
                detail = "a single value"
                return replace(evidence, trouble=State.AMBIGUOUS, detail=detail, errors=0)
    return tuple(windows)


def _asked(evidence: CountEvidence, windows: tuple[Window, ...]) -> float:
    return max(evidence.asked or 0.0, min(window.end for window in windows))


def _is_empty(window: Window, lookback: float = math.inf) -> bool:
    """Tell whether there was nothing in the last seconds of a window; it may be a longer one."""
    since = window.end - lookback
    return not any(s.samples and s.samples[-1].time > since for s in window.series)


def _missing(
    evidence: CountEvidence,
    rule: CountRule,
    windows: tuple[Window, ...],
    bounds: Answer | None = None,
    lookback: float = math.inf,
) -> CountEvidence | None:
    """Return the evidence of a check in which counters that must exist are missing."""
    for number, pair in enumerate(rule.pairs):
        absent = [_is_empty(window, lookback) for window in windows[2 * number :][:2]]
        needed = [gone and must for gone, must in zip(absent, pair.required, strict=True)]
        if not any(needed):
            continue
        there = isinstance(bounds, Window) and not _is_empty(bounds)
        if rule.bound is not None and (there or absent == [True, False]):
            return _no_bucket(evidence, rule.bound, bounds)
        # No series at all may also be a native histogram: the next check asks for its bounds.
        ask = rule.bound is not None and bounds is None
        role = pair.first if needed[0] else pair.second
        detail = EMPTY if all(absent) else f"no series of {role.value}"
        if number:
            detail = f"{detail}, {rule.base_name}"
        return replace(evidence, trouble=State.NO_DATA, detail=detail, errors=0, ask_bounds=ask)
    return None


def _no_bucket(evidence: CountEvidence, limit: float, bounds: Answer | None) -> CountEvidence:
    known = bounds if isinstance(bounds, Window) else None
    detail = no_bucket(limit, known)
    # Not told as a mistake before it is known what to write instead: what is told once, stays.
    trouble = State.NO_DATA if known is None else State.AMBIGUOUS
    return replace(evidence, trouble=trouble, detail=detail, errors=0, ask_bounds=True)


def _seen(evidence: CountEvidence, rule: CountRule, windows: tuple[Window, ...]) -> CountEvidence:
    """Note which series there are and take nothing: what is missing would make the rest look odd."""
    start = evidence.start if evidence.start is not None else windows[0].end
    arms = list(evidence.arms)
    for number in range(len(rule.pairs)):
        first, second = windows[2 * number :][:2]
        arm = arms[number]
        noted = take(arm.first, first, start, -math.inf), take(arm.second, second, start, -math.inf)
        if isinstance(noted[0], Ambiguous) or isinstance(noted[1], Ambiguous):
            return evidence
        arms[number] = Arm(noted[0].counters, noted[1].counters, arm.newest)
    return replace(evidence, arms=tuple(arms), asked=_asked(evidence, windows))


def _taken(
    evidence: CountEvidence, rule: CountRule, windows: tuple[Window, ...], *, counts: bool
) -> CountEvidence:
    """Take the samples of windows in which nothing is missing."""
    start = evidence.start if evidence.start is not None else windows[0].end
    arms, items = list[Arm](), list[Item]()
    for number, pair in enumerate(rule.pairs):
        found = _take_arm(evidence.arms[number], pair, windows[2 * number :][:2], start)
        if isinstance(found, Ambiguous):
            return replace(evidence, trouble=State.AMBIGUOUS, detail=found.reason)
        arm, increments = found
        arms.append(arm)
        items += [(time, 2 * number + which, amount) for time, which, amount in increments]
    after = replace(
        evidence,
        arms=(*arms, *evidence.arms[len(arms) :]),
        asked=_asked(evidence, windows),
        owing_since=None,
    )
    if not items or not counts or evidence.start is None:
        return after
    closed, slot = fold(evidence.closed, evidence.slot, items, rule, evidence.start)
    return replace(after, closed=closed, slot=slot, view=with_open(closed, slot, rule))


def _take_arm(
    arm: Arm, pair: Pair, windows: tuple[Window, ...], start: float
) -> tuple[Arm, tuple[Item, ...]] | Ambiguous:
    """Take the samples of both counters of one workload.

    What one counter counted waits until the other one was read at that time or later, unless the
    other one may be absent: an exporter that is down, or a scrape that is seen by one of two queries
    only, would make all outcomes look good, or all bad.
    """
    first, second = windows
    newest_first, newest_second = _newest(first), _newest(second)
    needs_first, needs_second = pair.required
    took_first = take(arm.first, first, start, newest_second if needs_second else None)
    took_second = take(arm.second, second, start, newest_first if needs_first else None)
    if isinstance(took_first, Ambiguous):
        return took_first
    if isinstance(took_second, Ambiguous):
        return took_second
    ends = [
        newest
        for newest, needed in ((newest_first, needs_first), (newest_second, needs_second))
        if needed and newest is not None
    ]
    newest = min(ends, default=None)
    if arm.newest is not None and (newest is None or newest < arm.newest):
        newest = arm.newest
    both = _waiting(took_first.increments, 0, second if needs_second else None)
    other = _waiting(took_second.increments, 1, first if needs_first else None)
    return Arm(took_first.counters, took_second.counters, newest), (*both, *other)


def _newest(window: Window) -> float | None:
    return max(
        (series.samples[-1].time for series in window.series if series.samples), default=None
    )


def _waiting(increments: tuple[Increment, ...], which: int, other: Window | None) -> Iterator[Item]:
    """Yield the increments with the times at which they count."""
    if other is None or not increments:
        yield from ((time, which, amount) for time, amount in increments)
        return
    first = min(time for time, _ in increments)
    reads = sorted(
        {sample.time for series in other.series for sample in _since(series.samples, first)}
    )
    for time, amount in increments:
        yield reads[bisect_left(reads, time)], which, amount


def _since(samples: tuple[Sample, ...], time: float) -> Iterator[Sample]:
    """Yield the samples at or after a time, newest first."""
    for sample in reversed(samples):
        if sample.time < time:
            return
        yield sample


def past(rule: CountRule, evidence: CountEvidence, now: float) -> tuple[PastQuestion, ...]:
    """Return what to ask of history; nothing while the windows of the checks are gapless."""
    start = evidence.start
    if start is None or rule.problem or not _is_owed(rule, evidence, start, now):
        return ()
    earliest = now - reach(rule.pace)
    found = []
    for arm, pair in zip(evidence.arms, rule.pairs, strict=False):
        known = start if arm.newest is None else arm.newest
        begin = max(known - rule.lookback, earliest)
        found += [
            PastQuestion(selector, Shape.WINDOW, begin, now, 0.0) for selector in pair.selectors
        ]
    return tuple(found)


def _is_owed(rule: CountRule, evidence: CountEvidence, start: float, now: float) -> bool:
    if evidence.asked is not None:
        return now - rule.lookback > evidence.asked
    if evidence.arms[0].newest is not None:
        return True  # restored
    return now > start


def replay(
    evidence: CountEvidence, rule: CountRule, histories: tuple[object, ...], now: float
) -> CountEvidence:
    """Take in the answers to `past`, in its order; unchanged when one of them is no window."""
    windows = tuple(history for history in histories if isinstance(history, Window))
    if not windows or len(windows) < len(histories) or len(windows) != 2 * len(rule.pairs):
        return evidence
    if _missing(evidence, rule, windows) is not None:
        return _seen(evidence, rule, windows)
    return _taken(evidence, rule, windows, counts=True)
