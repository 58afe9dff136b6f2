"""Metrics of templates with `groupBy`: in a replay there is one guard, so only its part is fetched."""

from model_rollout.analysis.measurement import (
    Labels,
    QueryResult,
    Question,
    SeriesResult,
    Shape,
)
from model_rollout.backtest.clock import SimulatedClock
from model_rollout.backtest.recorded import RecordedPrometheus
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.engine.measure import with_range
from model_rollout.ports.prometheus import Endpoint


class RecordedGroups(GroupedQueries):
    """Asks for the series of one guard alone: those of thousands would take hours to fetch."""

    def __init__(self, prometheus: RecordedPrometheus, clock: SimulatedClock) -> None:
        """`prometheus` answers for the time of the simulated clock."""
        super().__init__(prometheus, clock.monotonic)
        self._recorded = prometheus

    async def ask(
        self, endpoint: Endpoint, question: Question, promql: str, ttl: float
    ) -> QueryResult | SeriesResult:
        """Return what the shared answer would have held for `question.group`."""
        if question.shape is Shape.VALUE:
            return await self._recorded.query(endpoint, _filtered(question.promql, question.group))
        if not question.lookback:
            return await self._recorded.series(endpoint, _filtered(question.promql, question.group))
        own = Question(_selected(question.promql, question.group), Shape.WINDOW, question.lookback)
        return await self._recorded.series(endpoint, with_range(own))


def _selected(selector: str, group: Labels) -> str:
    """Return a plain selector that selects by these labels as well."""
    matchers = ",".join(f"{label}={_string(value)}" for label, value in group)
    text = selector.rstrip()
    if not text.endswith("}"):
        return f"{text}{{{matchers}}}"
    written = text[:-1].rstrip()
    comma = "" if written.endswith(("{", ",")) else ","
    return f"{written}{comma}{matchers}}}"


def _filtered(promql: str, group: Labels) -> str:
    """Return any expression with those of its series only that have these labels."""
    mine = "vector(1)"
    for label, value in group:
        replacement = _string(value.replace("$", "$$"))
        mine = f'label_replace({mine}, "{label}", {replacement}, "", "")'
    names = ", ".join(label for label, _ in group)
    # On a line of its own: the expression may end in a comment.
    return f"({promql}\n) and on ({names}) {mine}"


def _string(value: str) -> str:
    """Return a string of PromQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
