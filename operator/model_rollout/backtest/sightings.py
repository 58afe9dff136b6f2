"""What a decision says in a replay: it would have rolled back, held, told, or been suspicious. Pure."""

from collections.abc import Iterator, Mapping

from model_rollout.analysis.report import MetricClass, MetricReport
from model_rollout.api.metric import MetricAction
from model_rollout.backtest.episodes import Kind, Sighting
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason

_OTHERWISE = "Without it: "
_NO_WAY_BACK = frozenset({Reason.NO_TARGET, Reason.NOTHING_TO_RESTORE})
"""A breach that cannot be acted on."""


def sightings(
    facts: Facts, decision: Decision, strengths: Mapping[str, float]
) -> Iterator[Sighting]:
    """Yield what one check says.

    Args:
        facts: What the check knew.
        decision: What the product decided, in mode DryRun.
        strengths: Of the evidence of each metric, as a share of the strength that decides.
    """
    revision = facts.current.revision if facts.current else None
    if decision.action is Action.HOLD:
        yield _held(facts, decision, revision)
    for report in facts.reports:
        weight = strengths.get(report.name, 0.0)
        if _is_suspect(facts, report):
            kind, reason = Kind.SUSPECT, Reason.SUSPICIOUS
        elif report.breached and report.action is MetricAction.NOTIFY:
            kind, reason = Kind.NOTIFY, Reason.METRIC_BREACHED
        else:
            continue
        yield Sighting(
            kind, reason.value, report.message, revision, metrics=(report.name,), weight=weight
        )


def _held(facts: Facts, decision: Decision, revision: int | None) -> Sighting:
    culprits = tuple(report.name for report in facts.culprits)
    if decision.reason is not Reason.DRY_RUN:
        metrics = culprits if decision.reason in _NO_WAY_BACK else ()
        reason, message = decision.reason.value, decision.message
        return Sighting(Kind.HOLD, reason, message, revision, decision.to, metrics)
    message = decision.message.partition(_OTHERWISE)[2] or decision.message
    return Sighting(Kind.ROLLBACK, _cause(facts).value, message, revision, decision.to, culprits)


def _cause(facts: Facts) -> Reason:
    if not facts.culprits:
        return Reason.ROLLOUT_FAILED
    silent = all(report.silence_counts for report in facts.culprits)
    return Reason.METRIC_SILENT if silent else Reason.METRIC_BREACHED


def _is_suspect(facts: Facts, report: MetricReport) -> bool:
    # A breach that leads to nothing, because of analysis.when, is evidence as well.
    breached = report.metric_class is MetricClass.BREACHED and not report.breached
    return report.suspicious and (report.metric_class is MetricClass.SUSPECT or breached)
