"""Every sentence about a metric, written once: used by status, Event, record and log alike."""

import math

from model_rollout.analysis.count_evidence import NO_GOOD, CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.counters import SAME_LABELS, TOO_MANY
from model_rollout.analysis.detector import OneSample, TwoSample, more_bad_to_decide
from model_rollout.analysis.measurement import ErrorKind, State
from model_rollout.analysis.report import MetricClass
from model_rollout.analysis.slots import Ledger, Run
from model_rollout.analysis.values import NOTHING_NEW, STALE, ValueEvidence, ValueRule
from model_rollout.api.types import duration_text, time_text

_URL = "correct spec.prometheus.url, or --prometheus-url"
_AGGREGATE = "aggregate it, for example with sum() or max()"
_DIVISION = "mostly a division by zero, as a rate without traffic gives"

# What people can do about it. The states and kinds themselves say what happened.
_ERROR_ADVICE: dict[str, str] = {
    ErrorKind.REFUSED: f"start Prometheus, or {_URL}",
    ErrorKind.DNS: _URL,
    ErrorKind.TLS: f"{_URL}, or name the authority of its certificate in prometheus.caBundleRef",
    ErrorKind.TIMEOUT: "write a cheaper query, or look at the load of Prometheus",
    ErrorKind.BAD_QUERY: "Prometheus cannot evaluate the query, try it there and correct it",
    ErrorKind.CLIENT: _URL,
    ErrorKind.UNAUTHORIZED: "name credentials in spec.prometheus that the server accepts",
    ErrorKind.SERVER: "look into the log of Prometheus, or try the query there",
    ErrorKind.TOO_LARGE: f"the query gives too much; {_AGGREGATE}",
    ErrorKind.MALFORMED: f"{_URL}: this does not look like an answer of Prometheus",
    ErrorKind.REDIRECT: f"{_URL}: redirects are not followed",
}
_COUNTS_ADVICE = _ERROR_ADVICE | {
    ErrorKind.TIMEOUT: "select fewer series, or look at the load of Prometheus",
    ErrorKind.BAD_QUERY: "Prometheus cannot evaluate the selector, try it there and correct it",
    ErrorKind.TOO_LARGE: "the selector selects too many series; select by more labels",
}
_SILENCE_ADVICE = {
    "empty": "; see in Prometheus whether the query selects a series",
    "NaN": f"; {_DIVISION}",
    "infinite": f"; {_DIVISION}",
    STALE: "; see why no new value is made, or write a longer maxAge",
    NOTHING_NEW: "; see why no new value is made, or write a longer every",
    NO_GOOD: "; if the counter appears only with its first success, write bad and total instead",
}

_PLAIN = '; write a plain selector of a counter, such as requests_total{app="x"}'
_COUNTERS_ADVICE = {
    TOO_MANY: "; select by more labels",
    SAME_LABELS: "; name one metric in each selector",
    "series that differ only in the name of the metric": "; name one metric in each selector",
    "a native histogram": "; let Prometheus keep the classic buckets, and write their name",
    "a scalar": _PLAIN,
    "a string": _PLAIN,
}

NO_OUTCOMES = "no outcomes yet"


def no_outcomes_since(last: float, now: float) -> str:
    """Say since when nothing was counted: a text that stays the same while it lasts."""
    return f"no outcomes since {moment(last, now)}"


_TODAY = 20 * 3600.0


def not_measured(name: str, state: State, detail: str, *, counts: bool = False) -> str:
    """Say why a check brought no value, and what to do about it."""
    if state is State.NO_DATA:
        return f"{name} has no data ({detail}){_SILENCE_ADVICE.get(detail, '')}"
    if state is State.AMBIGUOUS:
        if counts:
            return f"{name} cannot be judged: {detail}{_COUNTERS_ADVICE.get(detail, '')}"
        expected = f"the query gives {detail} where one value is expected"
        return f"{name}: {expected}; {_AGGREGATE}"
    advice = (_COUNTS_ADVICE if counts else _ERROR_ADVICE)[detail.split(":", 1)[0]]
    return f"{name} cannot be measured: {detail}; {advice}"


def of_value(rule: ValueRule, evidence: ValueEvidence, metric_class: MetricClass) -> str:
    """Say what the last values were."""
    streak = evidence.streak
    value = f"{rule.name} is {evidence.value:.4g} (limit {rule.limit})"
    if streak is None or metric_class is MetricClass.CLEAR:
        return value
    samples = f"all {streak.count} samples" if streak.count > 1 else "1 sample"
    return (
        f"{value}: outside in {samples} since {time_text(streak.since)[11:19]} UTC, "
        f"{duration_text(round(streak.span))} of {duration_text(rule.hold_for)}"
    )


def of_counts(rule: CountRule, evidence: CountEvidence, ledger: Ledger, now: float) -> str:
    """Say what was counted, against what, and how likely chance would look like it."""
    if rule.design is None:
        text = _without_limit(rule, ledger)
    elif ledger.metric_class is MetricClass.CLEAR or ledger.run is None:
        text = _clear(rule, ledger)
    else:
        text = f"{_counted(rule, ledger.run, now)}; {_chance(rule, ledger)}"
    return text + _skipped(rule, ledger, now)


def _without_limit(rule: CountRule, ledger: Ledger) -> str:
    share = ledger.bad / ledger.total if ledger.total else 0.0
    return (
        f"{rule.name}: {number(ledger.bad)} of {number(ledger.total)} {what_is_bad(rule)} "
        f"({percent(share)}); there is no limit yet, because no other revision was proven Stable"
    )


def _clear(rule: CountRule, ledger: Ledger) -> str:
    rate = ledger.rate or 0.0
    total = f"{number(ledger.total)} outcomes"
    if rule.bound is not None or not rule.of_good:
        return (
            f"{rule.name}: {percent(rate)} of the {what_is_bad(rule)} lately "
            f"(limit {limit_of_bad(rule)}), {total}"
        )
    return f"{rule.name} is {1.0 - rate:.4g} lately (limit {rule.limit}), {total}"


def _counted(rule: CountRule, run: Run, now: float) -> str:
    share = percent(run.bad / run.total)
    counted = f"{number(run.bad)} of {number(run.total)} {what_is_bad(rule)}"
    since = f"{rule.name}: since {moment(run.since, now)}, {counted}"
    if not rule.base_name:
        return f"{since} ({share}, limit {limit_of_bad(rule)})"
    base = run.base_bad / run.base_total if run.base_total else 0.0
    return (
        f"{since} ({share}), and {number(run.base_bad)} of {number(run.base_total)} of "
        f"{rule.base_name} ({percent(base)}, limit {limit_of_bad(rule)})"
    )


def _chance(rule: CountRule, ledger: Ledger) -> str:
    design = rule.design
    assert design is not None
    at_limit = "a model at the limit"
    if ledger.metric_class is MetricClass.BREACHED:
        rarely = period(design.false_rollback_every)
        return f"{at_limit} would trigger this less than once in {rarely}"
    spacing = ledger.spacing
    # The mean number of checks until a Shiryaev-Roberts statistic reaches e^E is at least e^E.
    seconds = math.exp(min(ledger.strength, 40.0)) * max(rule.pace, spacing)
    # Of all metrics of the guard together, as the promise about rollbacks is.
    often = period(seconds / design.metrics)
    looks = f"{at_limit} looks like this about once in {often}"
    if ledger.over_since is not None and ledger.last is not None:
        lasted = duration_text(round(ledger.last - ledger.over_since))
        return f"{looks}; that must last for {duration_text(rule.hold_for)}, {lasted} so far"
    more = more_bad_to_decide(ledger.detector, design, spacing)
    return f"{looks}; about {number(more)} more bad outcome{'s' * (more != 1)} would decide"


def _skipped(rule: CountRule, ledger: Ledger, now: float) -> str:
    if ledger.skipped is None or (ledger.last is not None and ledger.skipped < ledger.last):
        return ""
    role = rule.pairs[0].first.value
    until = moment(ledger.skipped, now)
    return f"; what was counted until {until} is skipped: more {role} than total"


def what_is_bad(rule: CountRule) -> str:
    """Say what makes an outcome bad."""
    if rule.bound is None:
        return "answers were wrong"
    if "_seconds" in rule.buckets:
        return f"answers took longer than {rule.bound:g} s"
    return f"answers were above {rule.bound:g}"


def limit_of_bad(rule: CountRule) -> str:
    """Say how many outcomes may be bad."""
    match rule.design.hypothesis if rule.design else None:
        case OneSample(limit=limit):
            return percent(limit)
        case TwoSample(ratio=ratio):
            return f"{ratio:g} times as many"
        case None:
            return "none yet"


def number(count: float) -> str:
    """Return a count as people write it: `1,900`; a fraction only where there is one."""
    return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"


def percent(share: float) -> str:
    """Return a share as people write it: `28.5 %`."""
    return f"{100.0 * share:.3g} %"


def moment(time: float, now: float) -> str:
    """Return a time as people write it: `14:02 UTC`, with the date when it was not today."""
    text = time_text(time)
    clock = f"{text[11:16]} UTC"
    return clock if now - time < _TODAY else f"{text[:10]} {clock}"


def period(length: float) -> str:
    """Return a long time as people say it: `100 days`, `9 hours`."""
    for unit, seconds in (("year", 31536000.0), ("day", 86400.0), ("hour", 3600.0)):
        if length >= (1.5 if unit == "hour" else 2.0) * seconds:
            count = round(length / seconds)
            return f"{count:,} {unit}{'s' * (count != 1)}"
    minutes = max(round(length / 60.0), 1)
    return f"{minutes} minute{'s' * (minutes != 1)}"
