"""What to ask of history so that a new process knows what one before it knew."""

from dataclasses import dataclass

from model_rollout.analysis.measurement import Shape

_LEAST = 6 * 3600.0
_MOST = 7 * 86400.0
_PACES = 100.0


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """What a metric asks of the history of Prometheus. Times in seconds since the epoch."""

    promql: str
    """An expression for VALUE, evaluated every `step`; for WINDOW a plain selector, read raw."""
    shape: Shape
    begin: float
    """WINDOW: samples after this time."""
    end: float
    step: float
    """Seconds; 0 for WINDOW."""


def reach(pace: float) -> float:
    """Return how many seconds of counts are read back at most: 100 paces, six hours to a week.

    Evidence forgets by itself, and what is older is in the checkpoint.
    """
    return min(max(_PACES * pace, _LEAST), _MOST)
