"""What the engine asks of a server that holds one value, and the ways in which it can say no.

What such a server has to answer: docs/http-components.md.
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HttpEndpoint:
    """Where one value is, and what it takes to be let in. Secret parts are not shown by `repr`."""

    url: str
    check_url: str
    """Is asked whether a value could be set; on the server of `url`."""
    authorization: str = field(default="", repr=False)
    """The value of the `Authorization` header; empty: not sent."""
    ca_bundle: str = field(default="", repr=False)
    """PEM: the certificates that are trusted; empty: those of the system."""


@dataclass(frozen=True, slots=True)
class HttpReading:
    """A value as it was read."""

    value: str
    version: str | None = None
    """What the server calls this state of the value; given back to it as it is."""


class HttpError(Exception):
    """The server did not do what was asked. The message is fit for a status."""


class Unreachable(HttpError):
    """No answer, 408, 429 or 5xx: try again later. A write may or may not have happened."""


class Unauthorized(HttpError):
    """401 or 403: the token is missing or not accepted."""


class Refused(HttpError):
    """422: the value cannot be set; the message says why in the words of the server."""


class ConcurrentChange(HttpError):
    """409, 412, or another value when it was read back: somebody else was first."""


class BadAnswer(HttpError):
    """The server does not keep to the contract: the same request will fail again."""


class HttpValues(Protocol):
    """Values that servers hold. Every method raises a subclass of `HttpError`."""

    async def read(self, endpoint: HttpEndpoint) -> HttpReading:
        """Return the value that there is."""
        ...

    async def check(self, endpoint: HttpEndpoint, value: str) -> None:
        """Ask whether a value could be set now, without setting it; `Refused` when not."""
        ...

    async def write(
        self, endpoint: HttpEndpoint, value: str, reading: HttpReading, transaction: str
    ) -> HttpReading:
        """Set a value where there still is what was read as `reading`; return it as read back.

        May be repeated: that the value is there already is no error.
        """
        ...
