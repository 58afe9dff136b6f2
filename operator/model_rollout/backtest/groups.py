"""Metrics of templates with `groupBy`: in a replay there is one guard, so only its part is fetched."""

from model_rollout.analysis.measurement import (
    QueryResult,
    Question,
    SeriesResult,
    Shape,
)
from model_rollout.analysis.promql import expression_of, selector_of
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
            own = expression_of(question.promql, question.group)
            return await self._recorded.query(endpoint, own)
        if not question.lookback:
            own = expression_of(question.promql, question.group)
            return await self._recorded.series(endpoint, own)
        selector = selector_of(question.promql, question.group)
        asked = Question(selector, Shape.WINDOW, question.lookback)
        return await self._recorded.series(endpoint, with_range(asked))
