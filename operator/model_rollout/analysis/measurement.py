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
