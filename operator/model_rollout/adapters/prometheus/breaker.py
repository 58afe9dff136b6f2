"""A circuit breaker: stops asking a server that does not answer, and tries it now and then."""

from collections.abc import Callable

from model_rollout.analysis.measurement import QueryError


class Breaker:
    """Of one endpoint. Closed until `THRESHOLD` failures in a row, then open for a growing time.

    After that time one caller is let through as a probe; the others are still turned away until
    the probe came back.
    """

    THRESHOLD = 5
    SHORTEST, LONGEST = 1.0, 30.0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._error: QueryError | None = None
        self._open_until = 0.0

    @property
    def clean(self) -> bool:
        """Nothing to remember."""
        return self._failures == 0

    def refuses(self) -> QueryError | None:
        """Return the last error when the endpoint is not to be asked now.

        None lets the caller through, who must tell what came of it by `failed` or `answered`.
        """
        if self._failures < self.THRESHOLD:
            return None
        if self._clock() < self._open_until:
            return self._error
        self._open()  # for the others, while this one probes
        return None

    def failed(self, error: QueryError) -> None:
        """Note that the endpoint gave no answer."""
        self._failures += 1
        self._error = error
        if self._failures >= self.THRESHOLD:
            self._open()

    def answered(self) -> None:
        """Note that the endpoint is there, whatever it said."""
        self._failures = 0
        self._error = None

    def _open(self) -> None:
        # The exponent is bounded as well: an endpoint that is gone for days would overflow it.
        doublings = min(self._failures - self.THRESHOLD, 10)
        self._open_until = self._clock() + min(self.SHORTEST * 2**doublings, self.LONGEST)
