"""What the engine asks of Prometheus."""

from typing import Protocol

from model_rollout.analysis.measurement import QueryError, QueryResult, Sample


class InstantQueries(Protocol):
    """The hot path: one value, now."""

    async def query(self, url: str, promql: str) -> QueryResult:
        """Evaluate `promql` at the server `url` now. Never raises for what the server does."""
        ...


class RangeQueries(Protocol):
    """History: the values of a query in the past, for rebuilding evidence after a restart."""

    async def query_range(
        self, url: str, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        """Return the finite values between `start` and `end` (seconds since the epoch), oldest first.

        Several series or an empty answer give an empty tuple: there is no evidence to rebuild.
        """
        ...
