"""A token bucket: how many writes a second the API server gets from us at most."""

import asyncio
import time


class TokenBucket:
    """Lets `burst` callers through at once and `rate` a second after that, in their order.

    A loop that has gone wrong must not become the load that brings the API server down.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled = time.monotonic()

    async def take(self) -> None:
        """Wait for a token. A caller that is cancelled while it waits takes none."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        self._tokens -= 1
        if self._tokens >= 0:
            return
        try:
            await asyncio.sleep(-self._tokens / self._rate)
        except asyncio.CancelledError:
            self._tokens += 1
            raise
