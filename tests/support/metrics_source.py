"""An exporter whose values a test sets; a real Prometheus scrapes it.

The gauge `quality`, the counters `answers_total` and `wrong_total` and the histogram
`answer_seconds` have a label `ns`, so that tests which run at the same time do not see each other's
values. Wrong answers are slow ones: they take 2 s, the others 0.1 s.
"""

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import Any, Self

from support.exposition import handler_of

_Labels = tuple[tuple[str, str], ...]
_Series = tuple[str, _Labels]
_Flow = tuple[float, float, float]
"""From when on, how many answers a second, and which share of them is wrong."""

QUICK, SLOW = 0.1, 2.0
"""Seconds that a right and a wrong answer take."""

BOUNDS = (0.25, 0.5, 1.0)
"""Of the buckets of `answer_seconds`."""


class Answers:
    """Cumulative counters of what one model server answers: a function of time, nothing runs.

    Whatever is scraped when, the shares are those that were asked for; with a `seed` they are drawn,
    one answer after the other.
    """

    def __init__(
        self,
        *,
        late: float = 0.0,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`late`: seconds from an answer until it is known whether it was right."""
        self._late = late
        self._random = None if seed is None else random.Random(seed)
        self._clock = clock
        self._pending = deque[_Flow]()
        self._flow: _Flow = (clock(), 0.0, 0.0)
        self._total = self._wrong = 0.0
        self._drawn = 0

    def serve(self, rate: float, wrong: float = 0.0) -> None:
        """Answer `rate` questions a second from now on, a share of them wrongly."""
        self._pending.append((self._clock() + self._late, rate, wrong))

    def add(self, total: int, wrong: int) -> None:
        """Count so many answers at once: a batch."""
        self.counted()
        self._total += total
        self._wrong += wrong
        self._drawn += total

    def counted(self) -> tuple[int, int]:
        """Return how many answers are known by now, and how many of them are wrong."""
        now = self._clock()
        while self._pending and self._pending[0][0] <= now:
            self._advance(self._pending[0][0])
            self._flow = self._pending.popleft()
        self._advance(now)
        return math.floor(self._total), math.floor(self._wrong)

    def _advance(self, until: float) -> None:
        since, rate, wrong = self._flow
        if until <= since:
            return
        answers = rate * (until - since)
        self._flow = (until, rate, wrong)
        self._total += answers
        if self._random is None:
            self._wrong += answers * wrong
            return
        while self._drawn < math.floor(self._total):
            self._drawn += 1
            self._wrong += self._random.random() < wrong


class MetricsSource:
    """`with MetricsSource() as source:` serves on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._values: dict[_Series, float] = {}
        self._answers: dict[_Series, Answers] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self.exposition))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """`host:port`, as Prometheus' static targets are written."""
        return f"127.0.0.1:{self._server.server_port}"

    def publish(self, namespace: str, value: float | None, **labels: str) -> None:
        """Set `quality{ns=…}`; None takes the series away, `math.nan` is a value like any other."""
        series = (namespace, tuple(sorted(labels.items())))
        with self._lock:
            if value is None:
                self._values.pop(series, None)
            else:
                self._values[series] = value

    def serve(
        self,
        namespace: str,
        rate: float,
        wrong: float = 0.0,
        *,
        late: float = 0.0,
        seed: int | None = None,
        **labels: str,
    ) -> None:
        """Let the server with these labels answer so many questions a second from now on.

        `late` and `seed` are those of its first call. One that never served has no series.
        """
        with self._lock:
            if rate or (namespace, tuple(sorted(labels.items()))) in self._answers:
                self._of(namespace, labels, late=late, seed=seed).serve(rate, wrong)

    def add(self, namespace: str, total: int, wrong: int, **labels: str) -> None:
        """Count a batch of answers."""
        with self._lock:
            self._of(namespace, labels).add(total, wrong)

    def forget(self, namespace: str, **labels: str) -> None:
        """Take all series with these labels away, as when a pod is gone."""
        wanted = set(labels.items())
        with self._lock:
            for values in (self._values, self._answers):
                for series in [s for s in values if s[0] == namespace and wanted <= set(s[1])]:
                    del values[series]  # type: ignore[attr-defined]

    def _of(self, namespace: str, labels: dict[str, str], **how: Any) -> Answers:
        series = (namespace, tuple(sorted(labels.items())))
        if series not in self._answers:
            self._answers[series] = Answers(**how)
        return self._answers[series]

    def exposition(self) -> str:
        """Return everything in the text format."""
        with self._lock:
            values = dict(self._values)
            counted = {series: answers.counted() for series, answers in self._answers.items()}
        lines = ["# TYPE quality gauge"]
        for series, value in values.items():
            lines.append(f"quality{{{_pairs(series)}}} {value!r}".replace("} nan", "} NaN"))
        lines.append("# TYPE answers_total counter")
        lines += [f"answers_total{{{_pairs(s)}}} {total}" for s, (total, _) in counted.items()]
        lines.append("# TYPE wrong_total counter")
        # As a labelled counter of a client library: it begins to exist with the first error.
        wrongs = {series: wrong for series, (_, wrong) in counted.items() if wrong}
        lines += [f"wrong_total{{{_pairs(s)}}} {wrong}" for s, wrong in wrongs.items()]
        lines.append("# TYPE answer_seconds histogram")
        for series, (total, wrong) in counted.items():
            lines += _histogram(_pairs(series), total, wrong)
        return "\n".join(lines) + "\n"


def _pairs(series: _Series) -> str:
    namespace, labels = series
    return ",".join(f'{key}="{text}"' for key, text in (("ns", namespace), *labels))


def _histogram(pairs: str, total: int, wrong: int) -> Iterator[str]:
    for bound in BOUNDS:
        yield f'answer_seconds_bucket{{{pairs},le="{bound}"}} {total - wrong}'
    yield f'answer_seconds_bucket{{{pairs},le="+Inf"}} {total}'
    yield f"answer_seconds_count{{{pairs}}} {total}"
    yield f"answer_seconds_sum{{{pairs}}} {QUICK * (total - wrong) + SLOW * wrong}"


def quality(namespace: str) -> str:
    """The query for the value that a test published."""
    return f'quality{{ns="{namespace}"}}'


def selector(counter: str, namespace: str, **labels: str) -> str:
    """A selector of `answers_total`, `wrong_total` or `answer_seconds_bucket`."""
    matchers = (f'{name}="{value}"' for name, value in ({"ns": namespace} | labels).items())
    return f"{counter}{{{','.join(matchers)}}}"


def errors(namespace: str, **labels: str) -> dict[str, str]:
    """`counts` of a metric of wrong answers."""
    return {
        "bad": selector("wrong_total", namespace, **labels),
        "total": selector("answers_total", namespace, **labels),
    }
