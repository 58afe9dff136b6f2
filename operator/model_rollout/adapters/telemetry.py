"""The operator's own metrics.

No label holds a name, a namespace, a URL or a text: their number of values is bounded by the code.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_CHECK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LAG_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Telemetry:
    """All metrics of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._checks = self._counter("checks", "Checks, by how they ended.", "result")
        self._duration = Histogram(
            "modelrollout_check_duration_seconds",
            "How long one check took, from gathering to the last write.",
            buckets=_CHECK_BUCKETS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "modelrollout_check_lag_seconds",
            "How long after it was due a check began.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._queries = self._counter("queries", "Metrics evaluated, by state.", "state")
        self._decisions = self._counter("decisions", "Decisions taken.", "action", "reason")
        self._writes = self._counter("api_writes", "Writes to the API server.", "resource", "verb")
        self._errors = self._counter("api_errors", "Failed requests to the API server.", "kind")
        self._guards = self._gauge("guards", "ModelRollouts that are watched.")
        self._leader = self._gauge("leader", "1 while this process holds the Lease.")
        self._fleet = self._gauge(
            "fleet_rollbacks", "Models that rolled back within the fleet window, or would have."
        )
        self._frozen = self._gauge(
            "fleet_frozen", "1 while the fleet brake lets no rollback begin."
        )
        self._watch = self._gauge(
            "last_watch_event_timestamp_seconds",
            "When the last watch event arrived, in seconds since the epoch.",
        )

    def check_began(self, lag: float) -> None:
        """Count how many seconds after it was due a check began."""
        self._lag.observe(lag)

    def check_ended(self, result: str, duration: float) -> None:
        """Count one check: how it ended, and how many seconds it took."""
        self._checks.labels(result).inc()
        self._duration.observe(duration)

    def query_ended(self, state: str) -> None:
        """Count one evaluated metric by its `State`."""
        self._queries.labels(state).inc()

    def decided(self, action: str, reason: str) -> None:
        """Count one decision; both are constants of the code."""
        self._decisions.labels(action, reason).inc()

    def api_write(self, resource: str, verb: str) -> None:
        """Count one write that is sent to the API server, whatever becomes of it."""
        self._writes.labels(resource, verb).inc()

    def api_error(self, kind: str) -> None:
        """Count one failed request by the class of its error."""
        self._errors.labels(kind).inc()

    def guards(self, count: int) -> None:
        """Say how many ModelRollouts are watched."""
        self._guards.set(count)

    def leading(self, holds: bool) -> None:
        """Say whether this process holds the Lease."""
        self._leader.set(int(holds))

    def fleet(self, count: int, frozen: bool) -> None:
        """Say how many models rolled back lately or would have, and whether none may now."""
        self._fleet.set(count)
        self._frozen.set(int(frozen))

    def watch_event(self, timestamp: float) -> None:
        """Say when a watch event arrived, in seconds since the epoch."""
        self._watch.set(timestamp)

    def exposition(self) -> bytes:
        """Return everything in the text format that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"modelrollout_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"modelrollout_{name}", text, registry=self.registry)
