"""From raw samples of cumulative counters to increments: what was counted, and when.

Not `increase()` of PromQL: it extrapolates to the ends of its window and loses what a new series
counted before its first sample. Here every sample is taken once, by the time that its scrape gave it:

* what is not newer than the last sample taken is ignored: repeated samples, late ones, and those of
  a replica of Prometheus that lags behind;
* a newer and smaller value is a reset: the process began anew and counted the value itself;
* counting begins at the first sample at or after `start`; what came before belongs to others;
* a series that was born after `start` counts from zero, and so loses nothing;
* a series that vanishes is remembered: when it comes back it goes on where it was.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from model_rollout.analysis.measurement import Ambiguous, Labels, Sample, Series, Window

MAX_SERIES = 2000
"""A counter with more series than this is refused; the longest gone are forgotten from here on."""

TOO_MANY = f"more than {MAX_SERIES:,} series"
SAME_LABELS = "several counters with the same labels"

SURE_BIRTH = 150.0
"""A series whose first sample lies so many seconds inside of a window was not there before it."""

_LONGEST_DOUBT = 300.0
_MISSED = 2.5
"""A series that was there before would have missed so many scrapes in a row."""

Increment = tuple[float, float]
"""Seconds since the epoch of the sample that showed it, and by how much the counter went up."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The newest sample taken of every series that one selector selects."""

    series: Mapping[Labels, Sample] = field(default_factory=dict)
    until: float | None = None
    """The end of the newest window; None before the first."""
    counted: float | None = None
    """A process before this one took the samples up to here: they only tell where to go on."""
    recalled: Mapping[str, float | None] = field(default_factory=dict)
    """Last values of series that had vanished when a process before this one stopped, by digest.

    None: it had vanished before anything counted.
    """


NONE_TAKEN = Counters()
"""Before the first window."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a window brought."""

    counters: Counters
    increments: tuple[Increment, ...]
    """In no order; all greater than zero."""


def take(
    counters: Counters, window: Window, start: float, horizon: float | None = None
) -> Taken | Ambiguous:
    """Take the samples of a window that were not taken yet.

    Args:
        counters: What was taken before.
        window: All samples of the selector in its time; its series in any order.
        start: Seconds since the epoch; what was counted before does not count.
        horizon: Samples after this time are left for a later window; default: the window's end.

    Returns:
        The counters with the new samples, and by how much they went up after `start`; `Ambiguous`
        when the selector selects too much.
    """
    if len(window.series) > MAX_SERIES:
        return Ambiguous(TOO_MANY)
    end = window.end if horizon is None else min(horizon, window.end)
    known, found = counters.series, list[Increment]()
    news: dict[Labels, Sample] = {}
    for series in window.series:
        samples = series.samples
        if not samples:
            continue
        last = known.get(series.labels)
        # Mostly nothing is newer than what was taken: a check comes more often than a scrape.
        if last is not None and samples[-1].time <= last.time:
            continue
        if series.labels in news:
            return Ambiguous(SAME_LABELS)
        base = _introduced(counters, window, series, start) if last is None else last
        later = samples[_first_after(samples, base.time) :]
        newest = _follow(base, later, start, end, found)
        if newest is not last:
            news[series.labels] = newest
    until = window.end if counters.until is None else max(counters.until, window.end)
    kept = _bounded({**known, **news}, window) if news else known
    after = Counters(kept, until, counters.counted, counters.recalled)
    return Taken(after, tuple(found))


def _first_after(samples: tuple[Sample, ...], time: float) -> int:
    """Return the index of the first sample after `time`. From the end: few are new."""
    index = len(samples)
    while index and samples[index - 1].time > time:
        index -= 1
    return index


def _follow(
    last: Sample,
    samples: tuple[Sample, ...],
    start: float,
    end: float,
    found: list[Increment],
) -> Sample:
    """Count on from the sample `last`, and return the new last one."""
    for sample in samples:
        if sample.time > end:
            break
        if last.time >= start:
            grown = sample.value - last.value
            if grown < 0.0:
                grown = sample.value  # a reset: it counted from zero again
            if grown > 0.0:
                found.append((sample.time, grown))
        last = sample
    return last


def _introduced(counters: Counters, window: Window, series: Series, start: float) -> Sample:
    """Decide where a series that was not seen before begins."""
    samples, counted = series.samples, counters.counted
    if counted is not None:
        before = _first_after(samples, counted)
        if before:
            return samples[before - 1]
        digest = label_digest(series.labels) if counters.recalled else ""
        if digest in counters.recalled:
            value = counters.recalled[digest]
            return samples[0] if value is None else Sample(max(start, counted), value)
    if samples[0].time > start and _born(counters, window, samples):
        return Sample(start, 0.0)
    return samples[0]


def _born(counters: Counters, window: Window, samples: tuple[Sample, ...]) -> bool:
    """Tell whether a series did not exist before its first sample in this window."""
    first = samples[0].time
    if counters.until is not None and window.begin <= counters.until < first:
        return True  # it would have been in a window before
    spacing = (samples[-1].time - first) / (len(samples) - 1) if len(samples) > 1 else 0.0
    doubt = min(max(SURE_BIRTH, _MISSED * spacing), _LONGEST_DOUBT)
    return first - window.begin > doubt


def _bounded(series: dict[Labels, Sample], window: Window) -> dict[Labels, Sample]:
    """Forget the series that are gone for longest when there are more than we want to hold."""
    surplus = len(series) - MAX_SERIES
    if surplus <= 0:
        return series
    here = {found.labels for found in window.series}
    gone = [labels for labels in series if labels not in here]
    gone.sort(key=lambda labels: (series[labels].time, labels))
    for labels in gone[:surplus]:
        del series[labels]
    return series


def label_digest(labels: Labels) -> str:
    """Return what a series is recalled by: 48 bits of a hash of its labels, as text."""
    text = json.dumps(labels, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hashlib.blake2b(text, digest_size=6).digest()).decode()


def vanished(
    counters: Counters, before: float, start: float
) -> tuple[tuple[str, float | None], ...]:
    """Return the series without a sample after `before`, the latest first, as they are recalled."""
    gone = sorted(
        (-sample.time, label_digest(labels), sample.value if sample.time >= start else None)
        for labels, sample in counters.series.items()
        if sample.time <= before
    )
    seen = {label_digest(labels) for labels in counters.series} if counters.recalled else set()
    old = sorted(item for item in counters.recalled.items() if item[0] not in seen)
    return (*((digest, value) for _, digest, value in gone), *old)


def recall(counted: float, gone: Mapping[str, float | None]) -> Counters:
    """Return the counters of a process that goes on where another one had stopped at `counted`."""
    return Counters(until=counted, counted=counted, recalled=dict(gone))
