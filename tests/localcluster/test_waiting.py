"""A wait that fails says what it saw."""

import pytest

from localcluster.waiting import wait_until


def test_returns_the_first_value_that_counts() -> None:
    values = iter([0, None, 3, 4])
    assert wait_until(lambda: next(values), 1, "a value", interval=0) == 3


def test_own_criterion() -> None:
    values = iter([1, 2, 3])
    assert wait_until(lambda: next(values), 1, "two", until=lambda seen: seen > 1, interval=0) == 2


def test_error_says_what_was_last_seen() -> None:
    with pytest.raises(TimeoutError, match=r"two pods: not within 0 s; last seen: \['a'\]"):
        wait_until(lambda: ["a"], 0, "two pods", until=lambda pods: len(pods) == 2)


def test_exception_counts_as_not_yet_and_is_named_at_the_end() -> None:
    def fails() -> bool:
        raise ConnectionRefusedError("nobody there")

    message = r"a server: not within 0 s; last seen: ConnectionRefusedError\('nobody there'\)"
    with pytest.raises(TimeoutError, match=message) as failed:
        wait_until(fails, 0, "a server")
    assert isinstance(failed.value.__cause__, ConnectionRefusedError)
