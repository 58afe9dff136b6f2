"""Times and lengths as people read them."""

from datetime import UTC, datetime

from model_rollout.api.types import duration_text


def moment(time: float) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def length(seconds: float) -> str:
    """Return a length without what does not matter beside the rest of it."""
    for unit in (86_400.0, 3_600.0):
        if seconds >= 10 * unit:
            # Ten hours and a few seconds: minutes suffice; ten days and a few minutes: hours do.
            smaller = 3_600.0 if unit == 86_400.0 else 60.0
            return duration_text(round(seconds / smaller) * smaller)
    return duration_text(round(seconds))
