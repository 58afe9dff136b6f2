"""What a question to Prometheus can end in: never a bare number."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state in which a metric ends a check."""

    GOOD = "Good"
    BAD = "Bad"
    NO_DATA = "NoData"
    AMBIGUOUS = "Ambiguous"
    ERROR = "Error"


class ErrorKind(StrEnum):
    """Why Prometheus gave no answer that can be used. A class, never the text of its reply."""

    REFUSED = "ConnectionRefused"
    DNS = "NameNotFound"
    TLS = "BadCertificate"
    TIMEOUT = "Timeout"
    BAD_QUERY = "BadQuery"
    CLIENT = "RequestRefused"
    UNAUTHORIZED = "CredentialsRefused"
    SERVER = "ServerError"
    TOO_LARGE = "AnswerTooLarge"
    MALFORMED = "MalformedAnswer"
    REDIRECT = "Redirected"


@dataclass(frozen=True, slots=True)
class Sample:
    """One finite value and the time it belongs to, in seconds since the epoch."""

    time: float
    value: float


@dataclass(frozen=True, slots=True)
class NoData:
    """Prometheus answered, and there is nothing to judge: no series, or a value that is no number."""

    reason: str
    """`empty`, `NaN` or `infinite`."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The query is wrong: it gives several series, a string, a range or a histogram."""

    reason: str
    """What came instead of one value, for example `3 series`."""


@dataclass(frozen=True, slots=True)
class QueryError:
    """Prometheus gave no answer that can be used."""

    kind: ErrorKind
    detail: str
    """What to look at, in words of ours: status code, error type. Never text of the reply."""


QueryResult = Sample | NoData | Ambiguous | QueryError


Labels = tuple[tuple[str, str], ...]
"""Names and values of labels, sorted by name, without `__name__`."""


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one series, oldest first, all finite, with the times that the scrapes gave them."""

    labels: Labels
    samples: tuple[Sample, ...]


SeriesResult = tuple[Series, ...] | Ambiguous | QueryError
"""Any number of series, also none. `Ambiguous`: something that holds no numbers, as native histograms."""


@dataclass(frozen=True, slots=True)
class Window:
    """All samples that Prometheus had of some series with `begin < time <= end`."""

    begin: float
    end: float
    series: tuple[Series, ...]


class Shape(StrEnum):
    """What kind of answer a question has."""

    VALUE = "value"
    """One number: a `QueryResult`."""
    WINDOW = "window"
    """Raw samples of counters: a `Window`, `Ambiguous` or `QueryError`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a metric asks Prometheus in one check."""

    promql: str
    """An expression for VALUE; for WINDOW a plain selector, to which the range is added."""
    shape: Shape
    lookback: float = 0.0
    """WINDOW: how many seconds of samples are asked for; 0 asks for an instant vector."""
    group: Labels = ()
    """Picks this guard's series out of an answer that many guards share; empty: all of it is ours."""


Answer = QueryResult | Window
"""What a question was answered with; a WINDOW question also ends in `Ambiguous` or `QueryError`."""
