"""What was counted of one metric for one serving revision, and how more of it is taken in."""

import math
from dataclasses import dataclass, replace

from model_rollout.analysis.arms import NO_ARM, Arm, note_arm, take_arm
from model_rollout.analysis.count_rule import CountRule
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
from model_rollout.analysis.promql import selector_of
from model_rollout.analysis.slots import NO_SLOTS, Item, Ledger, Slot, fold, with_open

EMPTY = "empty"
NO_GOOD = "no series of good"

_PATIENCE = 300.0
"""History that cannot be had for so many seconds is given up: the present is worth more."""

_USUAL_WAIT = 60.0
"""The newest sample is mostly younger than this: scrapes are rarely further apart."""

_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class CountEvidence:
    """All times in seconds since the epoch."""

    created: float
    """When measuring began."""
    start: float | None = None
    """Outcomes before this time do not count; None while nothing serves."""
    arms: tuple[Arm, ...] = (NO_ARM, NO_ARM)
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
    lookbacks = [
        _lookback(rule, evidence, arm) for arm, _ in zip(evidence.arms, rule.pairs, strict=False)
    ]
    asked = rule.questions
    if any(lookback > rule.lookback for lookback in lookbacks):
        longer = [lookback for lookback in lookbacks for _ in range(2)]
        asked = tuple(replace(q, lookback=to) for q, to in zip(asked, longer, strict=True))
    if evidence.ask_bounds:
        asked = (*asked, Question(rule.bounds_promql, Shape.WINDOW, 0.0, rule.group))
    return asked


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
    measured = missing or _without_trouble(evidence)
    if counts and past(rule, evidence, now):
        since = now if evidence.owing_since is None else evidence.owing_since
        if now - since < _PATIENCE:
            return replace(measured, owing_since=since)
    if missing is not None and _missing(evidence, rule, windows) is not None:
        return _seen(missing, rule, windows)
    return _taken(measured, rule, windows, counts=counts)


def _without_trouble(evidence: CountEvidence) -> CountEvidence:
    if evidence.trouble is None and not evidence.ask_bounds:
        return evidence
    return replace(evidence, trouble=None, detail="", errors=0, ask_bounds=False)


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
        arms[number] = note_arm(arms[number], windows[2 * number :][:2], start)
    return replace(evidence, arms=tuple(arms), asked=_asked(evidence, windows))


def _taken(
    evidence: CountEvidence, rule: CountRule, windows: tuple[Window, ...], *, counts: bool
) -> CountEvidence:
    """Take the samples of windows in which nothing is missing."""
    start = evidence.start if evidence.start is not None else windows[0].end
    arms, items = list(evidence.arms), list[Item]()
    for number, pair in enumerate(rule.pairs):
        found = take_arm(arms[number], number, pair, windows[2 * number :][:2], start)
        if isinstance(found, Ambiguous):
            return replace(evidence, trouble=State.AMBIGUOUS, detail=found.reason)
        arms[number], more = found
        items += more
    closed, slot, view = evidence.closed, evidence.slot, evidence.view
    if items and counts and evidence.start is not None:
        closed, slot = fold(closed, slot, items, rule, start, view)
        view = with_open(closed, slot, rule)
    return CountEvidence(  # what every check does; `replace` takes three times as long
        created=evidence.created,
        start=evidence.start,
        arms=tuple(arms),
        closed=closed,
        slot=slot,
        view=view,
        trouble=evidence.trouble,
        detail=evidence.detail,
        errors=evidence.errors,
        asked=_asked(evidence, windows),
        ask_bounds=evidence.ask_bounds,
    )


def rejudged(evidence: CountEvidence, rule: CountRule) -> CountEvidence:
    """Return the same evidence as another rule judges it (`same_evidence` holds)."""
    return replace(evidence, view=with_open(evidence.closed, evidence.slot, rule))


def past(rule: CountRule, evidence: CountEvidence, now: float) -> tuple[PastQuestion, ...]:
    """Return what to ask of history; nothing while the windows of the checks are gapless.

    Of what many guards share only our part: the history of all of them nobody else could use.
    """
    start = evidence.start
    if start is None or rule.problem or not _is_owed(rule, evidence, start, now):
        return ()
    earliest = now - reach(rule.pace)
    found = []
    for arm, pair in zip(evidence.arms, rule.pairs, strict=False):
        known = start if arm.newest is None else arm.newest
        begin = max(known - rule.lookback, earliest)
        found += [
            PastQuestion(selector_of(selector, rule.group), Shape.WINDOW, begin, now, 0.0)
            for selector in pair.selectors
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
