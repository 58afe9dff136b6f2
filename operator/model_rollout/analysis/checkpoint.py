"""Evidence of counts as text for the status: lossless, versioned, bound to its rule and start.

It does not hold the values of the counters. Those come from history, which is asked from a little
before the newest sample that was taken; series that had vanished before that are recalled by a
digest of their labels, as many as fit.
"""

import hashlib
import json
from dataclasses import replace
from typing import Any

from model_rollout.analysis.arms import Arm
from model_rollout.analysis.count_evidence import CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.counters import NONE_TAKEN, Counters, recall, vanished
from model_rollout.analysis.detector import from_text, strength, to_text
from model_rollout.analysis.report import MetricClass
from model_rollout.analysis.slots import Ledger, Run, Slot, usual_spacing, with_open

LONGEST = 2000
"""Characters of a checkpoint at most."""

_VERSION = "c1"
_MOST_RECALLED = 40


def to_checkpoint(evidence: CountEvidence, rule: CountRule) -> str:
    """Return the evidence as text; empty when there is none."""
    if evidence.start is None or evidence.arms[0].newest is None or rule.problem:
        return ""
    arms = evidence.arms[: len(rule.pairs)]
    gone = [
        vanished(counters, arm.newest - rule.lookback, evidence.start)
        if arm.newest is not None
        else ()
        for arm in arms
        for counters in (arm.first, arm.second)
    ]
    ledger, slot = evidence.closed, evidence.slot
    content: list[Any] = [
        _VERSION,
        _bound_to(rule),
        evidence.start,
        [arm.newest for arm in arms],
        to_text(ledger.detector),
        _from_ledger(ledger),
        None
        if slot is None
        else [slot.index, *slot.sums, slot.first, slot.last, slot.over_since, slot.carried],
    ]
    for most in (_MOST_RECALLED, _MOST_RECALLED // 4, 0):
        kept = [dict(sorted(series[:most])) for series in gone]
        text = json.dumps([*content, kept], separators=(",", ":"))
        if len(text) <= LONGEST:
            return text
    return ""


def from_checkpoint(evidence: CountEvidence, rule: CountRule, text: str) -> CountEvidence | None:
    """Return the evidence of a text, to which history is still to be added.

    Args:
        evidence: What measuring began with: nothing, from its start on.
        rule: The rule that it is judged by.
        text: What `to_checkpoint` wrote.

    Returns:
        None when the text is foreign, or of another rule or start.
    """
    try:
        version, bound_to, start, newest, detector, ledger, slot, gone = json.loads(text)
        if [version, bound_to, start] != [_VERSION, _bound_to(rule), evidence.start]:
            return None
        return _restored(evidence, rule, newest, detector, ledger, slot, gone)
    except (ValueError, TypeError, AttributeError):
        return None


def _restored(
    evidence: CountEvidence,
    rule: CountRule,
    newest: list[float | None],
    detector: str,
    numbers: list[Any],
    opened: list[Any] | None,
    gone: list[dict[str, float | None]],
) -> CountEvidence | None:
    closed = _to_ledger(rule, detector, numbers)
    if closed is None or len(newest) != len(rule.pairs) or len(gone) != 2 * len(newest):
        return None
    slot = None
    if opened is not None:
        index, *sums, first, last, over_since, carried = opened
        a, b, c, d = sums
        slot = Slot(index, (a, b, c, d), first, last, over_since, carried)
    arms = [
        Arm(_recalled(time, gone[2 * i]), _recalled(time, gone[2 * i + 1]), time)
        for i, time in enumerate(newest)
    ]
    return replace(
        evidence,
        arms=(*arms, *evidence.arms[len(arms) :]),
        closed=closed,
        slot=slot,
        view=with_open(closed, slot, rule),
    )


def _recalled(counted: float | None, gone: dict[str, float | None]) -> Counters:
    return NONE_TAKEN if counted is None else recall(counted, gone)


def _bound_to(rule: CountRule) -> str:
    return hashlib.blake2b(repr(rule.identity).encode(), digest_size=8).hexdigest()


def _from_ledger(ledger: Ledger) -> list[Any]:
    run = ledger.run
    return [
        ledger.metric_class.value,
        ledger.observations,
        ledger.bad,
        ledger.total,
        ledger.recent_bad,
        ledger.recent_total,
        ledger.index,
        ledger.last,
        list(ledger.gaps),
        None if run is None else [run.since, run.bad, run.total, run.base_bad, run.base_total],
        ledger.over_since,
        ledger.clear_since,
        ledger.skipped,
    ]


def _to_ledger(rule: CountRule, detector: str, numbers: list[Any]) -> Ledger | None:
    state = from_text(detector)
    if state is None:
        return None
    metric_class, observations, bad, total, *rest = numbers
    recent_bad, recent_total, index, last, gaps, run, over, clear, skipped = rest
    return Ledger(
        detector=state,
        strength=strength(state),
        metric_class=MetricClass(metric_class),
        observations=observations,
        bad=bad,
        total=total,
        recent_bad=recent_bad,
        recent_total=recent_total,
        index=index,
        last=last,
        gaps=tuple(gaps),
        spacing=usual_spacing(tuple(gaps), rule),
        run=None if run is None else Run(*run),
        over_since=over,
        clear_since=clear,
        skipped=skipped,
    )
