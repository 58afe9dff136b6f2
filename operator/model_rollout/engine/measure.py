"""Asks Prometheus: every question of every metric now, and after a restart what was before."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from model_rollout.analysis.evidence import History, PastQuestion, past, questions, replay
from model_rollout.analysis.measurement import (
    Answer,
    ErrorKind,
    QueryError,
    QueryResult,
    Question,
    Sample,
    SeriesResult,
    Shape,
    Window,
)
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.engine.memory import Measured, Memory
from model_rollout.ports.prometheus import Endpoint, InstantQueries, RangeQueries

log = logging.getLogger(__name__)

_FRESH = 0.95
"""An answer that many guards share serves for this share of the interval."""


T = TypeVar("T")


class Together(Protocol):
    """Awaits several coroutines and returns their results, in their order."""

    async def __call__(self, waiting: Sequence[Coroutine[Any, Any, T]], /) -> Sequence[T]:
        """Return what each of them returned."""
        ...


async def all_at_once(waiting: Sequence[Coroutine[Any, Any, T]], /) -> Sequence[T]:
    """Await each in a task of its own: a slow question holds up no other."""
    if len(waiting) == 1:  # a task would cost as much as the question
        return [await waiting[0]]
    return await asyncio.gather(*waiting)


async def one_by_one(waiting: Sequence[Coroutine[Any, Any, T]], /) -> Sequence[T]:
    """Await one after the other, without tasks."""
    return [await each for each in waiting]


class Measurer:
    """Measures all metrics of one guard; the first failure never hides the rest."""

    def __init__(
        self,
        instant: InstantQueries,
        grouped: GroupedQueries,
        history: RangeQueries,
        counted: Callable[[str], None],
        together: Together = all_at_once,
    ) -> None:
        """All collaborators.

        Args:
            instant: What there is now.
            grouped: The same for questions that many guards share.
            history: What there was.
            counted: Told the kind of each answer, for the operator's own metrics.
            together: Awaits several questions; a recording that answers at once needs no tasks.
        """
        self._instant = instant
        self._grouped = grouped
        self._history = history
        self._counted = counted
        self._together = together

    async def measure(
        self, memory: Memory, endpoint: Endpoint, interval: float, now: float, *, counts: bool
    ) -> bool:
        """Ask for every metric once; return whether the server did not accept our credentials.

        `counts` false: the answers are shown and are no evidence (nothing serves).
        """
        measured = list(memory.measured.values())
        asked = [questions(m.rule, m.evidence) for m in measured]
        found = iter(
            await self._together(
                [self._answer(endpoint, q, interval, now) for group in asked for q in group]
            )
        )
        answered = [tuple(islice(found, len(group))) for group in asked]
        if counts:
            # Only of what was just answered: history comes through a few threads, and a server
            # that hangs must not keep everybody else from theirs.
            pairs = zip(measured, answered, strict=True)
            there = [m for m, answers in pairs if not _failed(answers)]
            owed = [(m, past(m.rule, m.evidence, now)) for m in there]
            rebuilt = [self._rebuild(m, asked, endpoint, now) for m, asked in owed if asked]
            if rebuilt:
                await self._together(rebuilt)
        for item, answers in zip(measured, answered, strict=True):
            for answer in answers:
                self._counted(type(answer).__name__)
            memory.observe(item.rule.name, answers, now, counts=counts)
        return any(_unauthorized(answer) for answers in answered for answer in answers)

    async def _answer(
        self, endpoint: Endpoint, question: Question, interval: float, now: float
    ) -> Answer:
        promql = with_range(question)
        if question.group:
            found = await self._grouped.ask(endpoint, question, promql, _FRESH * interval)
            # A value keeps the time at which it was evaluated: several checks may share it.
            return _window(found, question, now - self._grouped.age(endpoint, promql))
        if question.shape is Shape.VALUE:
            return _at(await self._instant.query(endpoint, promql), now)
        return _window(await self._instant.series(endpoint, promql), question, now)

    async def _rebuild(
        self, item: Measured, asked: tuple[PastQuestion, ...], endpoint: Endpoint, now: float
    ) -> None:
        """Take in what no check has seen; where that fails, the next check tries again."""
        histories = await self._together([self._past(endpoint, question) for question in asked])
        for history in histories:
            if isinstance(history, QueryError):
                extra = {"metric": item.rule.name, "error": history.kind.value}
                log.warning("evidence not rebuilt", extra=extra)
                return
        item.evidence = replay(item.evidence, item.rule, tuple(histories), now)

    async def _past(self, endpoint: Endpoint, asked: PastQuestion) -> History:
        if asked.shape is Shape.VALUE:
            return await self._history.query_range(
                endpoint, asked.promql, asked.begin, asked.end, asked.step
            )
        found = await self._history.raw(endpoint, asked.promql, asked.begin, asked.end)
        if isinstance(found, tuple):
            return Window(asked.begin, asked.end, found)
        return found


def _unauthorized(answer: Answer) -> bool:
    return isinstance(answer, QueryError) and answer.kind is ErrorKind.UNAUTHORIZED


def _failed(answers: tuple[Answer, ...]) -> bool:
    return any(isinstance(answer, QueryError) for answer in answers)


def with_range(question: Question) -> str:
    """Return the expression that is sent: a selector gets the range that is asked for."""
    if question.shape is Shape.WINDOW and question.lookback:
        # On a line of its own: the selector may end in a comment.
        return f"{question.promql}\n[{question.lookback:.0f}s]"
    return question.promql


def _window(found: QueryResult | SeriesResult, question: Question, now: float) -> Answer:
    if isinstance(found, tuple):
        return Window(now - question.lookback, now, found)
    return found


def _at(answer: QueryResult, now: float) -> QueryResult:
    """An instant query answers for the time of its evaluation: now, by our own clock."""
    return Sample(now, answer.value) if isinstance(answer, Sample) else answer
