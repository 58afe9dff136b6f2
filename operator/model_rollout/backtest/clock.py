"""The simulated clock: time passes when the replay says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """The times at which checks are made: `begin`, then every `interval` seconds, `count` of them."""

    begin: float
    interval: float
    count: int

    @property
    def end(self) -> float:
        """The time of the last check."""
        return self.time(self.count - 1)

    def time(self, index: int) -> float:
        """Return the time of a check, in seconds since the epoch."""
        return self.begin + index * self.interval

    def index(self, time: float) -> int:
        """Return the number of the check that is made at this time, or next after it."""
        return -int(-(time - self.begin) // self.interval)


def grid(since: float, until: float, interval: float) -> Grid:
    """Return the checks between two times, on multiples of the interval.

    The same period gives the same checks, whenever the backtest is run.
    """
    first = -(-since // interval)
    return Grid(first * interval, interval, int(until // interval - first) + 1)


class SimulatedClock:
    """Implements `model_rollout.ports.clock.Clock`: both clocks show the simulated time."""

    def __init__(self, now: float) -> None:
        """Start at `now`, in seconds since the epoch."""
        self.now = now

    def wall(self) -> float:
        """Return the simulated time in seconds since the epoch."""
        return self.now

    def monotonic(self) -> float:
        """Return the same: in a replay no clock is set back."""
        return self.now
