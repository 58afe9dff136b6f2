"""What the operator must know about PromQL: how far an expression looks back, and how to narrow one."""

import re

from model_rollout.analysis.measurement import Labels
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


def with_matcher(selector: str, matcher: str) -> str:
    """Return a plain selector with one more matcher, or with several that commas separate.

    A plain selector ends with its matchers, so that a brace at the end closes them, whatever its
    strings hold.
    """
    text = selector.strip()
    if not text.endswith("}"):
        return f"{text}{{{matcher}}}"
    head = text[:-1].rstrip().removesuffix(",").rstrip()
    return f"{head}{matcher}}}" if head.endswith("{") else f"{head},{matcher}}}"


def selector_of(selector: str, labels: Labels) -> str:
    """Return a plain selector that selects by these labels as well."""
    if not labels:
        return selector
    return with_matcher(selector, ",".join(f"{name}={_quoted(value)}" for name, value in labels))


def expression_of(promql: str, labels: Labels) -> str:
    """Return any expression with those of its series only that have these labels."""
    if not labels:
        return promql
    mine = "vector(1)"
    for name, value in labels:
        replacement = _quoted(value.replace("$", "$$"))
        mine = f'label_replace({mine}, "{name}", {replacement}, "", "")'
    names = ", ".join(name for name, _ in labels)
    # On a line of its own: the expression may end in a comment.
    return f"({promql}\n) and on ({names}) {mine}"


def _quoted(value: str) -> str:
    """Return a string of PromQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
