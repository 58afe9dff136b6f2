"""A progress bar on standard error, for people who watch: nothing where there is no terminal."""

import time
from typing import TextIO

_WIDTH = 40
_PAUSE = 0.1


class ProgressBar:
    """Shows which share is done and about how long the rest takes."""

    def __init__(self, stream: TextIO) -> None:
        """`stream`: where it is drawn, if that is a terminal."""
        self._stream = stream
        self._draws = stream.isatty()
        self._begun = time.monotonic()
        self._drawn = 0.0

    def __call__(self, share: float) -> None:
        """Show a share of 0 to 1; often enough to be seen moving, and no more often."""
        now = time.monotonic()
        if not self._draws or now - self._drawn < _PAUSE:
            return
        self._drawn = now
        full = round(share * _WIDTH)
        left = (now - self._begun) * (1.0 - share) / share if share else 0.0
        bar = "█" * full + "░" * (_WIDTH - full)
        self._stream.write(f"\r{bar} {share:4.0%}, about {left:.0f} s left \x1b[K")
        self._stream.flush()

    def clear(self) -> None:
        """Take the bar away: what follows stands in its line."""
        if self._draws:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
