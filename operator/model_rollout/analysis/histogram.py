"""Buckets of classic histograms: which of them a limit is the upper bound of."""

import math
from collections.abc import Iterable
from decimal import Decimal

from model_rollout.analysis.measurement import Labels, Window

BOUND = "le"
"""The label that holds the upper bound of a bucket."""

ALL = f'{BOUND}="+Inf"'
"""Matches the bucket of all outcomes."""


def at_most(limit: float) -> str:
    """Return the matcher of the bucket whose upper bound is `limit`, however its text is written.

    Clients and versions of Prometheus write `1`, `1.0`, `0.005`, `5e-03`, `1e+06`. Without
    backslashes, so that it is the same in every kind of PromQL string.
    """
    return f'{BOUND}=~"{_spellings(limit)}"'


def _spellings(limit: float) -> str:
    sign, digits, exponent = Decimal(repr(limit)).normalize().as_tuple()
    assert isinstance(exponent, int)  # a limit is finite
    minus = "-" if sign else "[+]?"
    text = "".join(map(str, digits))
    if text == "0":
        return f"{minus}0+([.]0*)?"
    point = len(text) + exponent  # 0.text x 10^point
    if point <= 0:
        fixed = f"0*[.]{'0' * -point}{text}0*"
    elif point < len(text):
        fixed = f"0*{text[:point]}[.]{text[point:]}0*"
    else:
        fixed = f"0*{text}{'0' * (point - len(text))}([.]0*)?"
    mantissa = f"{text[0]}[.]{text[1:]}0*" if text[1:] else f"{text}([.]0*)?"
    power = point - 1
    scientific = f"{mantissa}[eE]{'-' if power < 0 else '[+]?'}0*{abs(power) or ''}"
    return f"{minus}({fixed}|{scientific})"


def bounds_question(buckets: str, group: Labels) -> str:
    """Return the expression that lists the bounds of the buckets that a selector selects."""
    labels = ", ".join((BOUND, *(name for name, _ in group)))
    return f"count by ({labels}) ({buckets})"


def no_bucket(limit: float, bounds: Window | None) -> str:
    """Say why no bucket has `limit` as its upper bound, and what to write instead.

    Args:
        limit: The limit.
        bounds: The answer to `bounds_question`; None when it is not known yet.
    """
    if bounds is None:
        return f"the limit {limit:g} is not the upper bound of a bucket"
    known = tuple(_bounds(bounds))
    if not known:
        return (
            "there are series, but no classic buckets: write the name of the buckets, which ends "
            "in _bucket; native histograms cannot be read, so let Prometheus keep the classic "
            "ones (always_scrape_classic_histograms)"
        )
    below = [bound for bound in known if bound < limit]
    above = [bound for bound in known if limit < bound < math.inf]
    nearest = " or ".join(f"{b:.10g}" for b in (*below[-1:], *above[:1]))
    advice = f": write max: {nearest}" if nearest else ""
    return f"the limit {limit:g} is not the upper bound of a bucket{advice}"


def _bounds(answer: Window) -> Iterable[float]:
    texts = (dict(series.labels).get(BOUND, "") for series in answer.series)
    return sorted({bound for text in texts if (bound := _number(text)) is not None})


def _number(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
