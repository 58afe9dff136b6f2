"""The metrics of a guard in one check: which rules, which server, whether it is time to ask."""

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.guard import Guard
from model_rollout.engine.measure import Measurer
from model_rollout.engine.memory import Memory
from model_rollout.engine.rulebook import Circumstances, RuleBook
from model_rollout.ports.clock import Clock
from model_rollout.ports.prometheus import Endpoint

NO_PROMETHEUS = "no Prometheus: write spec.prometheus.url, or start with --prometheus-url"


class Metrics:
    """Keeps the evidence in the memory of a guard up to date."""

    def __init__(
        self,
        measurer: Measurer,
        rules: RuleBook,
        credentials: Credentials,
        prometheus_url: str | None,
        clock: Clock,
    ) -> None:
        """`prometheus_url` is used by every ModelRollout that names none."""
        self._measurer = measurer
        self._rules = rules
        self._credentials = credentials
        self._prometheus_url = prometheus_url
        self._clock = clock

    def select_by_template_hash(self, guard: Guard, memory: Memory) -> bool:
        """Tell whether the rules depend on the `pod-template-hash` of the current pods."""
        return self._rules.needs_template_hash(guard.spec, guard.namespace, memory.rules)

    async def measure(
        self,
        guard: Guard,
        memory: Memory,
        found: Circumstances,
        now: float,
        *,
        asks: bool,
        counts: bool,
    ) -> str:
        """Ask Prometheus if it is time to; return why it cannot be asked, if so.

        Args:
            guard: The guard, whose status names the revision that serves.
            memory: Where evidence is kept, and the rules by which it is.
            found: What the rules depend on.
            now: Seconds since the epoch.
            asks: False: evidence stands still, as while the workload is at zero.
            counts: False: answers are shown and are no evidence, as while a change settles.
        """
        spec, status = guard.spec, guard.status
        memory.rules = self._rules.rules(spec, found, memory.rules)
        checkpoints = {metric.name: metric.evidence for metric in status.metrics}
        memory.begin_period(status.current, memory.rules.rules, now, checkpoints)
        endpoint = await self._endpoint(guard.namespace, spec)
        if isinstance(endpoint, str):
            return endpoint
        interval = spec.analysis.interval
        # A check that is a little early measures, too: the next one may be a whole interval away.
        early = self._clock.monotonic() < memory.next_measurement - 0.1 * interval
        if early or not asks:
            return ""
        memory.next_measurement = self._clock.monotonic() + interval
        refused = await self._measurer.measure(memory, endpoint, interval, now, counts=counts)
        if refused:
            self._credentials.refused(guard.namespace, spec.prometheus)
        return ""

    async def _endpoint(self, namespace: str, spec: ModelRolloutSpec) -> Endpoint | str:
        # An unset value of a chart arrives as an empty text.
        url = spec.prometheus.url or self._prometheus_url
        if not url:
            return NO_PROMETHEUS
        return await self._credentials.resolve(namespace, spec.prometheus, url)
