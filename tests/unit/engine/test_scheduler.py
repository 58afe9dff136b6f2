"""The one heap of due times, in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from model_rollout.engine.scheduler import Scheduler, first_delay
from model_rollout.ports.kubernetes import Key
from unit.engine.virtual import run

A, B, C = Key("ml", "a"), Key("ml", "b"), Key("ml", "c")
NEVER = -1.0


class Checks:
    """Checks that take some time, and what became of them."""

    def __init__(self, *, concurrency: int = 64, takes: float = 0.0, next_: float = NEVER) -> None:
        self.scheduler = Scheduler(concurrency=concurrency, lagged=self._lagged)
        self.takes = takes
        self.next = next_
        self.begun: list[tuple[str, float]] = []
        self.lags: list[float] = []
        self.running: Counter[str] = Counter()
        self.most = 0

    def _lagged(self, seconds: float) -> None:
        self.lags.append(seconds)

    async def check(self, key: Key) -> float:
        self.begun.append((key.name, asyncio.get_running_loop().time()))
        self.running[key.name] += 1
        self.most = max(self.most, self.running.total())
        assert self.running[key.name] == 1, "the same guard is checked twice at once"
        await asyncio.sleep(self.takes)
        self.running[key.name] -= 1
        return self.next

    async def until(self, moment: float, *steps: tuple[float, Callable[[], None]]) -> None:
        """Run until `moment`; each step is done at its time."""
        loop = asyncio.get_running_loop()
        for at, do in steps:
            loop.call_at(at, do)
        try:
            async with asyncio.timeout_at(moment):
                await self.scheduler.run(self.check)
        except TimeoutError:
            pass


def begun(checks: Checks, moment: float, *steps: Any) -> list[tuple[str, float]]:
    run(checks.until(moment, *steps))
    return checks.begun


def at(moment: float, do: Callable[..., None], *arguments: Any) -> tuple[float, Any]:
    return moment, lambda: do(*arguments)


def test_due_order() -> None:
    checks = Checks()
    plan = checks.scheduler.schedule
    steps = [at(0.0, plan, A, 3.0), at(0.0, plan, B, 1.0), at(0.0, plan, C, 2.0)]
    assert begun(checks, 9.0, *steps) == [("b", 1.0), ("c", 2.0), ("a", 3.0)]


def test_guards_that_are_due_at_once_take_their_turns() -> None:
    checks = Checks()
    wake_all = at(0.0, lambda: [checks.scheduler.wake(key) for key in (C, A, B)])
    assert [name for name, _ in begun(checks, 1.0, wake_all)] == ["c", "a", "b"]


def test_check_says_when_it_is_due_again() -> None:
    checks = Checks(next_=30.0)
    found = begun(checks, 65.0, at(0.0, checks.scheduler.wake, A))
    assert found == [("a", 0.0), ("a", 30.0), ("a", 60.0)]


def test_guard_that_is_gone_is_not_due_again() -> None:
    checks = Checks(next_=NEVER)
    assert begun(checks, 100.0, at(0.0, checks.scheduler.wake, A)) == [("a", 0.0)]


@pytest.mark.parametrize(
    ("delays", "expected"), [((9.0, 2.0), 2.0), ((2.0, 9.0), 2.0), ((2.0, 2.0), 2.0)]
)
def test_sooner_of_two_times_counts_once(delays: tuple[float, ...], expected: float) -> None:
    checks = Checks()
    steps = [at(0.0, checks.scheduler.schedule, A, delay) for delay in delays]
    assert begun(checks, 50.0, *steps) == [("a", expected)]


@pytest.mark.parametrize("times", [1, 10])
def test_guard_that_is_woken_while_its_check_runs_is_checked_once_more(times: int) -> None:
    checks = Checks(takes=5.0)
    wake = checks.scheduler.wake
    steps = [at(0.0, wake, A), *[at(1.0 + 0.1 * i, wake, A) for i in range(times)]]
    assert begun(checks, 50.0, *steps) == [("a", 0.0), ("a", 5.0)]


def test_check_that_is_slower_than_its_interval_does_not_pile_up() -> None:
    checks = Checks(takes=100.0, next_=1.0)
    found = begun(checks, 350.0, at(0.0, checks.scheduler.wake, A))
    assert found == [("a", 0.0), ("a", 101.0), ("a", 202.0), ("a", 303.0)]


def test_concurrency_is_bounded() -> None:
    checks = Checks(concurrency=2, takes=1.0)
    steps = [at(0.0, checks.scheduler.wake, Key("ml", f"m{i}")) for i in range(7)]
    assert len(begun(checks, 50.0, *steps)) == 7
    assert checks.most == 2


def test_guard_that_is_woken_while_it_waits_for_a_slot_does_not_run_twice_at_once() -> None:
    checks = Checks(concurrency=2, takes=4.0)
    wake = checks.scheduler.wake
    steps = [at(0.0, wake, A), at(0.0, wake, B), at(1.0, wake, C), at(2.0, wake, C)]
    assert begun(checks, 50.0, *steps)[2:] == [("c", 4.0)]


@pytest.mark.parametrize("moment", [1.0, 6.0], ids=["before it is due", "while it runs"])
def test_removed_guard_is_not_checked_again(moment: float) -> None:
    checks = Checks(takes=5.0)
    scheduler = checks.scheduler
    steps = [at(0.0, scheduler.schedule, A, 5.0), at(moment, scheduler.remove, A)]
    if moment > 5.0:
        steps.insert(1, at(5.5, scheduler.wake, A))
    expected = [("a", 5.0)] if moment > 5.0 else []
    assert begun(checks, 50.0, *steps) == expected


def test_removed_guard_can_come_back() -> None:
    checks = Checks()
    scheduler = checks.scheduler
    steps = [
        at(0.0, scheduler.schedule, A, 5.0),
        at(1.0, scheduler.remove, A),
        at(2.0, scheduler.schedule, A, 9.0),
    ]
    assert begun(checks, 50.0, *steps) == [("a", 11.0)]


def test_lag_is_told() -> None:
    checks = Checks(concurrency=1, takes=3.0)
    begun(checks, 50.0, at(0.0, checks.scheduler.wake, A), at(0.0, checks.scheduler.wake, B))
    assert checks.lags == [0.0, 3.0]


def test_exception_of_a_check_ends_the_scheduler() -> None:
    async def failing(key: Key) -> float:
        raise ValueError(key.name)

    async def main() -> None:
        scheduler = Scheduler(lagged=lambda seconds: None)
        scheduler.wake(A)
        await scheduler.run(failing)

    with pytest.raises(ExceptionGroup, match="unhandled") as raised:
        run(main())
    assert raised.group_contains(ValueError, match="a")


def test_cancelled_scheduler_cancels_its_checks() -> None:
    checks = Checks(takes=1000.0)
    begun(checks, 10.0, at(0.0, checks.scheduler.wake, A))
    assert checks.running["a"] == 1  # it was cut off in its sleep


def rollout(uid: str = "u1", *, interval: str | None = "30s", **status: Any) -> dict[str, Any]:
    analysis = {} if interval is None else {"interval": interval}
    return {"metadata": {"uid": uid}, "spec": {"analysis": analysis}, "status": status}


@pytest.mark.parametrize(("interval", "longest"), [("10s", 10.0), ("1m", 60.0), (None, 30.0)])
def test_guards_are_spread_over_their_interval(interval: str | None, longest: float) -> None:
    delays = [first_delay(rollout(f"uid-{i}", interval=interval)) for i in range(200)]
    assert 0.0 <= min(delays) < 0.1 * longest
    assert 0.9 * longest < max(delays) < longest
    assert delays == [first_delay(rollout(f"uid-{i}", interval=interval)) for i in range(200)]


def test_guard_with_a_transaction_in_flight_is_first() -> None:
    assert first_delay(rollout(transaction={"id": "x"})) == 0.0


def test_guard_without_a_status_is_spread_too() -> None:
    body = rollout() | {"status": None}
    assert 0.0 <= first_delay(body) < 30.0
