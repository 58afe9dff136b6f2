"""Asks Prometheus: the value of every metric now, and after a restart the values before."""

import asyncio
import logging
from collections.abc import Callable

from model_rollout.analysis.measurement import QueryError, QueryResult, Sample
from model_rollout.analysis.values import MetricRule, observe
from model_rollout.engine.memory import Measured, Memory
from model_rollout.ports.prometheus import InstantQueries, RangeQueries

log = logging.getLogger(__name__)


class Measurer:
    """Measures all metrics of one guard; the first failure never hides the rest."""

    def __init__(
        self, instant: InstantQueries, history: RangeQueries, counted: Callable[[str], None]
    ) -> None:
        """`counted` is told the kind of each answer, for the operator's own metrics."""
        self._instant = instant
        self._history = history
        self._counted = counted

    async def measure(self, memory: Memory, url: str, now: float, *, counts: bool) -> None:
        """Ask for every metric once. `counts` false: shown, but no evidence (nothing serves)."""
        measured = list(memory.measured.values())
        answers = await asyncio.gather(*(self._instant.query(url, m.rule.query) for m in measured))
        if counts and memory.rebuild:
            # Only of what was just answered: history comes through a few threads, and a server
            # that hangs must not keep everybody else from theirs.
            failed = [isinstance(answer, QueryError) for answer in answers]
            answered = [m for m, bad in zip(measured, failed, strict=True) if not bad]
            memory.rebuild = not await self._rebuild(answered, url, now) or any(failed)
        for item, answer in zip(measured, answers, strict=True):
            self._counted(type(answer).__name__)
            memory.observe(item.rule.name, _at(answer, now), counts=counts)

    async def _rebuild(self, measured: list[Measured], url: str, now: float) -> bool:
        """Return False when Prometheus could not be asked: evidence is still to be rebuilt."""
        waiting = [m for m in measured if m.evidence.checks == 0 and _began(m, now)]
        histories = await asyncio.gather(*(self._past(m, url, now) for m in waiting))
        complete = True
        for item, history in zip(waiting, histories, strict=True):
            if isinstance(history, QueryError):
                extra = {"metric": item.rule.name, "error": history.kind.value}
                log.warning("evidence not rebuilt", extra=extra)
                complete = False
                continue
            for sample in history:
                item.evidence = observe(item.evidence, item.rule, sample)
        return complete

    async def _past(self, item: Measured, url: str, now: float) -> tuple[Sample, ...] | QueryError:
        rule, start = item.rule, item.evidence.start or now
        start = max(start, now - lookback(rule))
        return await self._history.query_range(url, rule.query, start, now, rule.pace)


def lookback(rule: MetricRule) -> float:
    """Return how many seconds of the past can still matter to a decision."""
    return 3 * max(rule.hold_for, 10 * rule.pace)


def _began(item: Measured, now: float) -> bool:
    start = item.evidence.start
    return start is not None and start < now


def _at(answer: QueryResult, now: float) -> QueryResult:
    """An instant query answers for the time of its evaluation: now, by our own clock."""
    return Sample(now, answer.value) if isinstance(answer, Sample) else answer
