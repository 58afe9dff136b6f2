"""What the operator must know about a PromQL expression: how far it looks back."""

import re

from model_rollout.api.types import seconds

# Strings and comments in one pattern: a quote in a comment begins no string, nor the other way.
_QUIET = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`|#[^\n]*')
_RANGE = re.compile(r"\[\s*([0-9a-z.]+)\s*(:)?\s*[0-9a-z.]*\s*\]")
_OFFSET = re.compile(r"\boffset\s+([0-9][0-9a-z.]*)", re.IGNORECASE)


def longest_range(query: str) -> float:
    """Return how many seconds before its evaluation an expression can look.

    The longest plain range, plus every subquery range (they nest), plus the longest offset. Not a
    parser: Prometheus itself refuses what is malformed.
    """
    text = _QUIET.sub("", query)
    plain = [0.0]
    nested = 0.0
    for duration, colon in _RANGE.findall(text):
        if colon:
            nested += _length(duration)
        else:
            plain.append(_length(duration))
    offsets = [0.0, *(_length(duration) for duration in _OFFSET.findall(text))]
    return max(plain) + nested + max(offsets)


def _length(duration: str) -> float:
    try:
        return seconds(duration)
    except ValueError:
        pass
    try:
        return float(duration)  # Prometheus 3 takes plain numbers for seconds
    except ValueError:
        return 0.0
