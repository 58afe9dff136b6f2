"""What the engine asks of Prometheus."""

from dataclasses import dataclass, field
from typing import Protocol

from model_rollout.analysis.measurement import (
    QueryError,
    QueryResult,
    Sample,
    SeriesResult,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks the query API of Prometheus, and what it takes to be let in.

    Equal endpoints share breaker, places and answers; those that differ in a credential or a tenant
    share none of them, and connections only where the certificates are the same. Secret parts are
    not shown by `repr`.
    """

    url: str
    tenant: str = ""
    """Sent as `X-Scope-OrgID` (Mimir, Cortex, Loki-style multi-tenancy); empty: not sent."""
    authorization: str = field(default="", repr=False)
    """The value of the `Authorization` header; empty: not sent."""
    ca_bundle: str = field(default="", repr=False)
    """PEM: the certificates that are trusted; empty: those of the system."""
    client_certificate: str = field(default="", repr=False)
    """PEM: what we show of ourselves; empty: nothing."""
    client_key: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What is sent along with every question."""
        headers = {"Authorization": self.authorization, "X-Scope-OrgID": self.tenant}
        return {name: value for name, value in headers.items() if value}


class InstantQueries(Protocol):
    """The hot path: what there is now. Never raises for what the server does."""

    async def query(self, endpoint: Endpoint, promql: str) -> QueryResult:
        """Evaluate an expression that gives one value."""
        ...

    async def series(
        self, endpoint: Endpoint, promql: str, *, shared: bool = False
    ) -> SeriesResult:
        """Evaluate an expression that gives any number of series: a vector, or a range selector.

        A vector gives one sample a series, at the time of its evaluation. `shared`: the answer
        serves many guards, so it may be larger.
        """
        ...


class RangeQueries(Protocol):
    """History, for rebuilding evidence after a restart and for backtests."""

    async def query_range(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> tuple[Sample, ...] | QueryError:
        """Return the finite values between `start` and `end` (seconds since the epoch), oldest first.

        Times at which there is no series, or several, are left out: an instant query would have had
        no value then.
        """
        ...

    async def raw(
        self, endpoint: Endpoint, selector: str, start: float, end: float
    ) -> SeriesResult:
        """Return all samples of a plain selector with `start < time <= end`, as they were scraped."""
        ...

    async def vectors(
        self, endpoint: Endpoint, promql: str, start: float, end: float, step: float
    ) -> SeriesResult:
        """Return all series of an expression, evaluated every `step` seconds from start to end."""
        ...
