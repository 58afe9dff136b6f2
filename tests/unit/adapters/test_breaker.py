import pytest

from model_rollout.adapters.prometheus.breaker import Breaker
from model_rollout.analysis.measurement import ErrorKind, QueryError

FIRST = QueryError(ErrorKind.TIMEOUT, "first")
LAST = QueryError(ErrorKind.REFUSED, "last")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for error in (FIRST, FIRST, FIRST, FIRST, LAST):
        assert breaker.refuses() is None
        breaker.failed(error)
    return breaker


def test_refuses_with_the_last_error_after_five_failures(opened: Breaker) -> None:
    assert opened.refuses() == LAST


def test_one_answer_in_between_starts_the_count_again(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(3):
        for _ in range(4):
            breaker.failed(LAST)
        breaker.answered()
    assert breaker.refuses() is None
    assert breaker.clean


def test_lets_one_probe_through(opened: Breaker, clock: Clock) -> None:
    clock.now += 1.0
    assert opened.refuses() is None
    assert opened.refuses() == LAST


def test_an_answered_probe_closes(opened: Breaker, clock: Clock) -> None:
    clock.now += 1.0
    opened.refuses()
    opened.answered()
    assert opened.refuses() is None
    assert opened.refuses() is None


def test_a_lost_probe_does_not_block_for_ever(opened: Breaker, clock: Clock) -> None:
    clock.now += 1.0
    opened.refuses()  # whoever was let through never came back
    clock.now += 1.0
    assert opened.refuses() is None


def test_waits_longer_after_each_failed_probe_up_to_a_limit(opened: Breaker, clock: Clock) -> None:
    waits = []
    for _ in range(2000):
        began = clock.now
        while opened.refuses() is not None:
            clock.now += 0.5
        waits.append(clock.now - began)
        opened.failed(FIRST)
    assert waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert max(waits) == 30
