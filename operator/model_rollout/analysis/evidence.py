"""Evidence of one metric, whichever rule judges it: what the engine and the backtest use."""

from model_rollout.analysis import count_evidence, explain, values
from model_rollout.analysis.checkpoint import from_checkpoint, to_checkpoint
from model_rollout.analysis.count_evidence import CountEvidence
from model_rollout.analysis.count_rule import CountRule
from model_rollout.analysis.measurement import (
    Ambiguous,
    Answer,
    ErrorKind,
    QueryError,
    Question,
    Sample,
    State,
    Window,
)
from model_rollout.analysis.past import PastQuestion as PastQuestion
from model_rollout.analysis.report import NO_DATA, MetricClass, MetricReport
from model_rollout.analysis.values import ValueEvidence, ValueRule

Rule = ValueRule | CountRule
Evidence = ValueEvidence | CountEvidence
History = tuple[Sample, ...] | Window | Ambiguous | QueryError
"""What a `PastQuestion` was answered with."""

ERRORS_IN_A_ROW = 3
"""So many failed checks in a row make a metric unavailable."""


def begin(rule: Rule, created: float, start: float | None) -> Evidence:
    """Return the evidence before the first check.

    Args:
        rule: What it is judged by.
        created: When measuring began, in seconds since the epoch.
        start: From when on outcomes and samples count; None while nothing serves.
    """
    if isinstance(rule, ValueRule):
        return ValueEvidence(created, start)
    return CountEvidence(created, start)


def same_evidence(one: Rule, other: Rule) -> bool:
    """Tell whether the evidence of one rule is also that of another one.

    `for`, `action`, how long silence may last, and how rare a false rollback must be judge
    evidence and are no part of it; nor is the number of other metrics.
    """
    return type(one) is type(other) and one.identity == other.identity


def rejudged(evidence: Evidence, rule: Rule) -> Evidence:
    """Return the same evidence as another rule judges it, one with `same_evidence`."""
    if isinstance(rule, ValueRule):
        return evidence
    assert isinstance(evidence, CountEvidence)
    return count_evidence.rejudged(evidence, rule)


def questions(rule: Rule, evidence: Evidence) -> tuple[Question, ...]:
    """Return what to ask Prometheus in this check; nothing when the metric cannot be judged."""
    if isinstance(rule, ValueRule):
        return values.questions(rule)
    assert isinstance(evidence, CountEvidence)
    return count_evidence.questions(rule, evidence)


def observe(
    evidence: Evidence, rule: Rule, answers: tuple[Answer, ...], now: float, *, counts: bool
) -> Evidence:
    """Return the evidence after the answers to `questions`, in their order.

    Args:
        evidence: What was known before.
        rule: What it is judged by.
        answers: One for each question.
        now: When they were asked, in seconds since the epoch.
        counts: False: shown, and no evidence (nothing serves, or not only this revision).
    """
    if isinstance(rule, ValueRule):
        assert isinstance(evidence, ValueEvidence)
        return values.observe(evidence, rule, answers, now, counts=counts)
    assert isinstance(evidence, CountEvidence)
    return count_evidence.observe(evidence, rule, answers, now, counts=counts)


def past(rule: Rule, evidence: Evidence, now: float) -> tuple[PastQuestion, ...]:
    """Return what to ask of history before the next check; mostly nothing.

    After a restart what was before; of counts also what was missed while nobody asked for long.
    """
    if isinstance(rule, ValueRule):
        assert isinstance(evidence, ValueEvidence)
        return values.past(rule, evidence, now)
    assert isinstance(evidence, CountEvidence)
    return count_evidence.past(rule, evidence, now)


def replay(evidence: Evidence, rule: Rule, histories: tuple[History, ...], now: float) -> Evidence:
    """Return the evidence after the answers to `past`, in their order.

    Of VALUE questions the samples, of WINDOW questions a `Window` from `begin` to `end`. Unchanged
    when one of them failed: ask again.
    """
    if isinstance(rule, ValueRule):
        assert isinstance(evidence, ValueEvidence)
        return values.replay(evidence, rule, histories)
    assert isinstance(evidence, CountEvidence)
    return count_evidence.replay(evidence, rule, histories, now)


def checkpoint(evidence: Evidence, rule: Rule) -> str:
    """Return the evidence as text of at most 2,000 characters; empty where history suffices."""
    if isinstance(rule, ValueRule):
        return ""
    assert isinstance(evidence, CountEvidence)
    return to_checkpoint(evidence, rule)


def restore(evidence: Evidence, rule: Rule, text: str) -> Evidence | None:
    """Return the evidence of a checkpoint; None when it is foreign, or of another rule or start.

    `past` then says what has to be asked to bring it up to date.
    """
    if isinstance(rule, ValueRule) or not text:
        return None
    assert isinstance(evidence, CountEvidence)
    return from_checkpoint(evidence, rule, text)


def report(evidence: Evidence, rule: Rule, now: float) -> MetricReport:
    """Return what the evidence of a metric says at the time `now`."""
    if isinstance(rule, ValueRule):
        assert isinstance(evidence, ValueEvidence)
        return _of_values(evidence, rule, now)
    assert isinstance(evidence, CountEvidence)
    return _of_counts(evidence, rule, now)


def _of_values(evidence: ValueEvidence, rule: ValueRule, now: float) -> MetricReport:
    metric_class = values.classify(evidence, rule)
    state = evidence.state
    answered = state in (State.GOOD, State.BAD)
    if answered:
        message = explain.of_value(rule, evidence, metric_class)
    else:
        message = explain.not_measured(rule.name, state, evidence.detail)
    return MetricReport(
        name=rule.name,
        action=rule.action,
        state=state,
        metric_class=metric_class,
        value=evidence.value,
        least=evidence.least,
        greatest=evidence.greatest,
        checks=evidence.checks,
        limit=rule.limit,
        message=message,
        breached=metric_class is MetricClass.BREACHED and state is State.BAD,
        clear_for=_clear_for(evidence, rule),
        unavailable=_unavailable(evidence, rule, state, evidence.answered, evidence.detail, now),
        answered=answered,
        patience=max(rule.hold_for, 2 * rule.pace),
        discard=rule.discard,
        on_no_data=rule.on_no_data,
        query=rule.query,
        sampled=evidence.newest,
        enough=evidence.checks > 0,
    )


def _clear_for(evidence: ValueEvidence, rule: ValueRule) -> float:
    streak = evidence.streak
    if streak is None or streak.bad or evidence.state is not State.GOOD:
        return 0.0
    return streak.span if streak.covers(0.0, rule.pace) and streak.count > 1 else 0.0


def _of_counts(evidence: CountEvidence, rule: CountRule, now: float) -> MetricReport:
    ledger = evidence.view.current(rule, now)
    state, detail = _state(evidence, rule, now)
    answered = state in (State.GOOD, State.BAD)
    if answered:
        message = explain.of_counts(rule, evidence, ledger, now)
    else:
        message = explain.not_measured(rule.name, state, detail, counts=True)
    enough = ledger.observations >= rule.min_checks
    rate = ledger.rate
    return MetricReport(
        name=rule.name,
        action=rule.action,
        state=state,
        metric_class=ledger.metric_class,
        value=1.0 - rate if rate is not None and rule.of_good else rate,
        least=None,
        greatest=None,
        checks=ledger.observations,
        limit=rule.limit,
        message=message,
        breached=ledger.metric_class is MetricClass.BREACHED and state is State.BAD,
        clear_for=_clear_since(evidence, ledger.clear_since) if enough and answered else 0.0,
        unavailable=_unavailable(evidence, rule, state, ledger.last, detail, now),
        answered=answered,
        patience=max(rule.hold_for, max(2, rule.min_checks) * rule.pace),
        discard=rule.discard,
        bad=ledger.bad,
        total=ledger.total,
        on_no_data=rule.on_no_data,
        query=rule.asked,
        sampled=evidence.view.last,
        enough=enough,
    )


def _state(evidence: CountEvidence, rule: CountRule, now: float) -> tuple[State, str]:
    """A healthy noisy metric is Good while it is Clear: its state does not change every check."""
    if evidence.trouble is not None:
        return evidence.trouble, evidence.detail
    if rule.problem:
        return (State.NO_DATA if rule.passing else State.AMBIGUOUS), rule.problem
    last = evidence.view.last
    if last is None:
        return State.NO_DATA, explain.NO_OUTCOMES
    if now - last >= rule.no_data_after:
        return State.NO_DATA, explain.no_outcomes_since(last, now)
    clear = evidence.view.current(rule, now).metric_class is MetricClass.CLEAR
    return (State.GOOD if clear else State.BAD), ""


def _clear_since(evidence: CountEvidence, since: float | None) -> float:
    newest = evidence.arms[0].newest
    return max(newest - since, 0.0) if newest is not None and since is not None else 0.0


def _unavailable(
    evidence: Evidence, rule: Rule, state: State, answered: float | None, detail: str, now: float
) -> str:
    if state is State.AMBIGUOUS:
        return "Ambiguous"
    if state is State.ERROR:
        kind = detail.split(":", 1)[0]
        # A query that does not parse will not parse next time; everything else may pass.
        lasting = kind == ErrorKind.BAD_QUERY or evidence.errors >= ERRORS_IN_A_ROW
        return kind if lasting else ""
    if state is not State.NO_DATA:
        return ""
    since = answered
    if since is None:
        # Nothing can be measured before it counts.
        since = max(evidence.created, evidence.start or evidence.created)
    return NO_DATA if now - since >= rule.no_data_after else ""
