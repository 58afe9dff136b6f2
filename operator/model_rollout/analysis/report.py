"""What a check says about one metric: the answer that decisions and people read."""

from dataclasses import dataclass

from model_rollout.analysis.measurement import ErrorKind, State
from model_rollout.analysis.values import (
    ERRORS_IN_A_ROW,
    Evidence,
    MetricClass,
    MetricRule,
    classify,
)
from model_rollout.api.rollout import MetricAction
from model_rollout.api.types import duration_text, time_text

_URL = "correct spec.prometheus.url, or --prometheus-url"
_AGGREGATE = "aggregate it, for example with sum() or max()"
_DIVISION = "mostly a division by zero, as a rate without traffic gives"

# What people can do about it. The states and kinds themselves say what happened.
_ERROR_ADVICE: dict[str, str] = {
    ErrorKind.REFUSED: f"start Prometheus, or {_URL}",
    ErrorKind.DNS: _URL,
    ErrorKind.TLS: f"{_URL}, or let Prometheus serve a certificate of a known authority",
    ErrorKind.TIMEOUT: "write a cheaper query, or look at the load of Prometheus",
    ErrorKind.BAD_QUERY: "Prometheus cannot evaluate the query, try it there and correct it",
    ErrorKind.CLIENT: f"{_URL}; Prometheus is asked without credentials",
    ErrorKind.SERVER: "look into the log of Prometheus, or try the query there",
    ErrorKind.TOO_LARGE: f"the query gives too much; {_AGGREGATE}",
    ErrorKind.MALFORMED: f"{_URL}: this does not look like an answer of Prometheus",
    ErrorKind.REDIRECT: f"{_URL}: redirects are not followed",
}
_SILENCE_ADVICE = {
    "empty": "; see in Prometheus whether the query selects a series",
    "NaN": f"; {_DIVISION}",
    "infinite": f"; {_DIVISION}",
}


@dataclass(frozen=True, slots=True)
class MetricReport:
    """One metric after one check."""

    name: str
    action: MetricAction
    state: State
    metric_class: MetricClass
    value: float | None
    least: float | None
    greatest: float | None
    checks: int
    limit: str
    message: str
    breached: bool
    """The rule is met and the newest measurement is bad: enough to act."""
    clear_for: float
    """How long, in seconds, every sample was inside the bounds; 0 without enough samples."""
    unavailable: str
    """Why the metric cannot be judged, as one word; empty when it can."""
    answered: bool
    """True when this check gave a value."""
    patience: float
    """The time that the metric needs to say anything: max(for, 2 x every), in seconds."""
    discard: float
    """For so many seconds after a revision begins to serve, samples do not count."""

    @property
    def suspicious(self) -> bool:
        """Tell whether the metric makes the ModelRollout Suspect."""
        watched = self.action is not MetricAction.NONE
        return watched and self.metric_class is not MetricClass.CLEAR


def report(evidence: Evidence, rule: MetricRule, now: float) -> MetricReport:
    """Return what the evidence of a metric says at the time `now`."""
    metric_class = classify(evidence, rule)
    return MetricReport(
        name=rule.name,
        action=rule.action,
        state=evidence.state,
        metric_class=metric_class,
        value=evidence.value,
        least=evidence.least,
        greatest=evidence.greatest,
        checks=evidence.checks,
        limit=rule.limit,
        message=_sentence(evidence, rule, metric_class),
        breached=metric_class is MetricClass.BREACHED and evidence.state is State.BAD,
        clear_for=_clear_for(evidence, rule),
        unavailable=_unavailable(evidence, rule, now),
        answered=evidence.state in (State.GOOD, State.BAD),
        patience=max(rule.hold_for, 2 * rule.pace),
        discard=rule.discard,
    )


def _clear_for(evidence: Evidence, rule: MetricRule) -> float:
    streak = evidence.streak
    if streak is None or streak.bad or evidence.state is not State.GOOD:
        return 0.0
    return streak.span if streak.covers(0.0, rule.pace) and streak.count > 1 else 0.0


def _unavailable(evidence: Evidence, rule: MetricRule, now: float) -> str:
    if evidence.state is State.AMBIGUOUS:
        return "Ambiguous"
    if evidence.state is State.ERROR:
        kind = evidence.detail.split(":", 1)[0]
        # A query that does not parse will not parse next time; everything else may pass.
        lasting = kind == ErrorKind.BAD_QUERY or evidence.errors >= ERRORS_IN_A_ROW
        return kind if lasting else ""
    silent_since = evidence.created if evidence.answered is None else evidence.answered
    if evidence.state is State.NO_DATA and now - silent_since >= rule.no_data_after:
        return "NoData"
    return ""


def _sentence(evidence: Evidence, rule: MetricRule, metric_class: MetricClass) -> str:
    streak = evidence.streak
    if evidence.state is State.NO_DATA:
        advice = _SILENCE_ADVICE.get(evidence.detail, "")
        return f"{rule.name} has no data ({evidence.detail}){advice}"
    if evidence.state is State.AMBIGUOUS:
        return (
            f"{rule.name}: the query gives {evidence.detail} where one value is expected; "
            f"{_AGGREGATE}"
        )
    if evidence.state is State.ERROR:
        advice = _ERROR_ADVICE[evidence.detail.split(":", 1)[0]]
        return f"{rule.name} cannot be measured: {evidence.detail}; {advice}"
    value = f"{rule.name} is {evidence.value:.4g} (limit {rule.limit})"
    if streak is None or metric_class is MetricClass.CLEAR:
        return value
    samples = f"all {streak.count} samples" if streak.count > 1 else "1 sample"
    return (
        f"{value}: outside in {samples} since {time_text(streak.since)[11:19]} UTC, "
        f"{duration_text(round(streak.span))} of {duration_text(rule.hold_for)}"
    )
