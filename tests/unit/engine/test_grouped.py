"""A thousand guards on one template: one question, and each finds its own series in the answer."""

import asyncio
from dataclasses import dataclass, field

import pytest

from model_rollout.analysis.measurement import (
    Ambiguous,
    ErrorKind,
    Labels,
    NoData,
    QueryError,
    QueryResult,
    Question,
    Sample,
    Series,
    SeriesResult,
    Shape,
)
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.ports.prometheus import Endpoint
from unit.engine import virtual

SERVER = Endpoint("http://prometheus")
TTL = 28.5
ERROR = QueryError(ErrorKind.REFUSED, "")


def series(value: float | None, **labels: str) -> Series:
    samples = () if value is None else (Sample(1000.0, value),)
    return Series(tuple(sorted(labels.items())), samples)


def group(**labels: str) -> Labels:
    return tuple(sorted(labels.items()))


def question(shape: Shape = Shape.VALUE, **labels: str) -> Question:
    return Question("up", shape, group=group(**labels))


@dataclass
class Server:
    """Implements `InstantQueries.series`; takes a second for each answer."""

    answers: list[SeriesResult]
    asked: list[tuple[Endpoint, str, bool]] = field(default_factory=list)
    takes: float = 1.0

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        raise AssertionError("a shared question has many series")

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> SeriesResult:
        self.asked.append((endpoint, promql, shared))
        await asyncio.sleep(self.takes)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def grouped(server: Server) -> GroupedQueries:
    return GroupedQueries(server, asyncio.get_running_loop().time)


def test_a_thousand_guards_cost_one_query_an_interval() -> None:
    guards = [f"m{n}" for n in range(1000)]
    server = Server([tuple(series(n, model=name) for n, name in enumerate(guards))])

    async def guard(asker: GroupedQueries, number: int) -> list[object]:
        await asyncio.sleep(number * 0.03)  # spread over the interval, as the scheduler does
        seen: list[object] = []
        for _ in range(10):
            seen.append(await asker.ask(SERVER, question(model=f"m{number}"), "q", TTL))
            await asyncio.sleep(30.0)
        return seen

    async def main() -> list[list[object]]:
        asker = grouped(server)
        return await asyncio.gather(*(guard(asker, n) for n in range(1000)))

    answers = virtual.run(main())
    assert all(seen == [Sample(1000.0, n)] * 10 for n, seen in enumerate(answers))
    # 300 s and the 30 s over which the guards are spread, one query for every 28.5 s or more.
    assert 10 <= len(server.asked) <= 330 / TTL
    assert set(server.asked) == {(SERVER, "q", True)}


def test_each_check_of_a_guard_has_another_answer_than_the_one_before() -> None:
    server = Server([(series(n, model="a"),) for n in range(20)])

    async def main() -> list[object]:
        asker = grouped(server)

        async def others() -> None:
            while True:
                await asker.ask(SERVER, question(model="b"), "q", TTL)
                await asyncio.sleep(0.7)

        task = asyncio.create_task(others())
        seen: list[object] = []
        for _ in range(10):
            seen.append(await asker.ask(SERVER, question(model="a"), "q", TTL))
            await asyncio.sleep(30.0)
        task.cancel()
        return seen

    assert len(set(virtual.run(main()))) == 10


ANSWER = (
    series(1.0, ns="ml", model="a", pod="1"),
    series(2.0, ns="ml", model="a", pod="2"),
    series(3.0, ns="ml", model="b"),
    series(None, ns="ml", model="c"),
    Series(group(ns="ml", model="d"), (Sample(1.0, 1.0), Sample(2.0, 1.0))),
    series(5.0, model="b"),
)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"model": "b", "ns": "ml"}, Sample(1000.0, 3.0)),
        ({"ns": "ml", "model": "a"}, Ambiguous("2 series")),
        ({"ns": "ml", "model": "a", "pod": "2"}, Sample(1000.0, 2.0)),
        ({"model": "x"}, NoData("empty")),
        ({"model": "c"}, NoData("NaN")),
        ({"model": "d"}, Ambiguous("a range of values")),
        ({"ns": "ml"}, Ambiguous("5 series")),
    ],
    ids=["one", "several", "more labels", "none", "not finite", "range", "fewer labels"],
)
def test_value(labels: dict[str, str], expected: object) -> None:
    asker = GroupedQueries(Server([ANSWER]))
    found = virtual.run(asker.ask(SERVER, question(**labels), "q", TTL))
    assert found == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [({"model": "a"}, ANSWER[:2]), ({"model": "x"}, ()), ({}, ANSWER)],
    ids=["some", "none", "all"],
)
def test_window(labels: dict[str, str], expected: object) -> None:
    asker = GroupedQueries(Server([ANSWER]))
    found = virtual.run(asker.ask(SERVER, question(Shape.WINDOW, **labels), "q", TTL))
    assert found == expected


@pytest.mark.parametrize("shape", Shape)
def test_an_answer_without_series_is_passed_on(shape: Shape) -> None:
    asker = GroupedQueries(Server([Ambiguous("a scalar")]))
    found = virtual.run(asker.ask(SERVER, question(shape, model="a"), "q", TTL))
    assert found == Ambiguous("a scalar")


def test_other_queries_and_endpoints_share_nothing() -> None:
    server = Server([(series(1.0, model="a"),)])
    other = Endpoint("http://prometheus", tenant="b")

    async def main() -> None:
        asker = grouped(server)
        for endpoint, promql in [(SERVER, "q"), (SERVER, "r"), (other, "q"), (SERVER, "q")]:
            await asker.ask(endpoint, question(model="a"), promql, TTL)

    virtual.run(main())
    assert [asked[:2] for asked in server.asked] == [(SERVER, "q"), (SERVER, "r"), (other, "q")]


def test_a_failure_is_shared_by_those_who_wait_and_then_asked_again() -> None:
    server = Server([ERROR, (series(1.0, model="a"),)], takes=10.0)

    async def main() -> list[object]:
        asker = grouped(server)
        first = await asyncio.gather(
            *(asker.ask(SERVER, question(model="a"), "q", TTL) for _ in range(100))
        )
        again = await asker.ask(SERVER, question(model="a"), "q", TTL)
        await asyncio.sleep(1.0)
        later = await asker.ask(SERVER, question(model="a"), "q", TTL)
        return [*first, again, later]

    assert virtual.run(main()) == [ERROR] * 101 + [Sample(1000.0, 1.0)]
    assert len(server.asked) == 2


def test_a_guard_that_is_cancelled_leaves_the_answer_to_the_others() -> None:
    server = Server([(series(1.0, model="a"),)])

    async def main() -> object:
        asker = grouped(server)
        first = asyncio.create_task(asker.ask(SERVER, question(model="a"), "q", TTL))
        second = asyncio.create_task(asker.ask(SERVER, question(model="a"), "q", TTL))
        await asyncio.sleep(0.5)
        first.cancel()
        return await second

    assert virtual.run(main()) == Sample(1000.0, 1.0)
    assert len(server.asked) == 1


def test_a_request_that_was_cancelled_is_made_again() -> None:
    server = Server([(series(1.0, model="a"),)])

    async def main() -> object:
        asker = grouped(server)
        waiting = asyncio.create_task(asker.ask(SERVER, question(model="a"), "q", TTL))
        await asyncio.sleep(0.5)
        shared = asker._shared[SERVER, "q"]
        assert shared.task is not None
        shared.task.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return await asker.ask(SERVER, question(model="a"), "q", TTL)

    assert virtual.run(main()) == Sample(1000.0, 1.0)


def test_what_no_guard_asks_for_is_dropped_after_two_intervals() -> None:
    server = Server([(series(1.0, model="a"),)])

    async def main() -> list[int]:
        asker = grouped(server)
        kept = []
        await asker.ask(SERVER, question(model="a"), "q", TTL)
        for _ in range(3):
            await asyncio.sleep(25.0)
            kept.append(len(asker._shared))
        return kept

    assert virtual.run(main()) == [1, 1, 0]


async def test_finding_one_of_a_hundred_thousand_does_not_look_at_the_others() -> None:
    class Counting(tuple):  # type: ignore[type-arg]
        read = 0

        def __iter__(self):  # type: ignore[no-untyped-def]
            Counting.read += 1
            return super().__iter__()

    many = Counting(series(n, model=f"m{n}") for n in range(100_000))
    asker = GroupedQueries(Server([many], takes=0.0))
    for n in range(1000):
        found = await asker.ask(SERVER, question(model=f"m{n}"), "q", TTL)
        assert found == Sample(1000.0, n)
    assert Counting.read == 1
