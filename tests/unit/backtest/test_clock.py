from hypothesis import given
from hypothesis import strategies as st

from model_rollout.backtest.clock import Grid, SimulatedClock, grid


@given(
    since=st.integers(0, 10**9),
    length=st.integers(0, 10**6),
    interval=st.sampled_from([1.0, 15.0, 30.0, 60.0, 86_400.0]),
)
def test_checks_are_on_multiples_of_the_interval_within_the_period(
    since: int, length: int, interval: float
) -> None:
    found = grid(since, since + length, interval)
    times = [found.time(0), found.time(found.count - 1)] if found.count else []
    assert all(time % interval == 0 for time in times)
    assert all(since <= time <= since + length for time in times)
    assert length // interval <= found.count <= length // interval + 1


def test_the_same_period_gives_the_same_checks() -> None:
    assert grid(1000.3, 2000.7, 30.0) == grid(1000.9, 2000.1, 30.0)


def test_both_clocks_show_the_simulated_time() -> None:
    clock = SimulatedClock(5.0)
    clock.now = 7.0
    assert (clock.wall(), clock.monotonic()) == (7.0, 7.0)


def test_end_is_the_time_of_the_last_check() -> None:
    assert Grid(60.0, 30.0, 3).end == 120.0
