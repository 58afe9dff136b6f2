"""The clocks of the machine."""

import time


class SystemClock:
    """Implements `model_rollout.ports.clock.Clock`."""

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that only count up."""
        return time.monotonic()
