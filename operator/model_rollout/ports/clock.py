"""What time it is. A port, so that a backtest can run the engine over the past."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people and other machines share, and one that never jumps."""

    def wall(self) -> float:
        """Return seconds since the epoch; what has to survive a restart is kept in these."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only count up; differences within one process are taken in these."""
        ...
