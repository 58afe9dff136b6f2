"""What kube-state-metrics recorded of the Deployment: its ReplicaSets, and which of them served."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from model_rollout.analysis.measurement import Ambiguous, ErrorKind, Series
from model_rollout.backtest.clock import Grid
from model_rollout.backtest.history import History, HistoryError
from model_rollout.backtest.states import State, Steps, states, steps

# The alphabet of pod-template-hash and of the suffixes of pods: no vowels, no 0, 1 and 3
# (https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go).
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_SHORTEST_STEP = 15.0
_BEFORE = 7 * 86_400.0
"""Seconds before the period in which the images of older ReplicaSets are looked for."""
_NOT_THIS_ONE = frozenset(
    {
        ErrorKind.SERVER,
        ErrorKind.CLIENT,
        ErrorKind.BAD_QUERY,
        ErrorKind.TIMEOUT,
        ErrorKind.TOO_LARGE,
    }
)
"""A server that answers, only not such a long question: many bound the length of a query."""

NOTHING_KNOWN = (
    "which revision served when: Prometheus has no kube_replicaset_* or kube_pod_container_info "
    "series of Deployment {name}, so the whole period counts as one revision"
)
_NO_READINESS = (
    "when pods were ready: Prometheus has no kube_replicaset_spec_replicas together with "
    "kube_replicaset_status_ready_replicas of the Deployment, so a pod that existed counts as ready"
)
_NO_IMAGES = (
    "the images of {names}: Prometheus has no kube_pod_container_info of their pods within the "
    "period and a week before it"
)


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """One template of the Deployment, as far as Prometheus knows it."""

    name: str
    created: float | None = None
    """In seconds since the epoch; None where kube_replicaset_created does not exist."""
    images: Mapping[str, str] = field(default_factory=dict)
    """By container; empty where kube_pod_container_info does not exist."""

    @property
    def template_hash(self) -> str:
        """The `pod-template-hash` of its pods."""
        return self.name.rpartition("-")[2]


@dataclass(frozen=True, slots=True)
class Rollouts:
    """All that Prometheus knows of a Deployment over a period."""

    replica_sets: Mapping[str, ReplicaSet] = field(default_factory=dict)
    """By name; those that never had a pod in the period as well."""
    states: tuple[State, ...] = ()
    """Oldest first; empty where nothing is known."""
    unknown: tuple[str, ...] = ()
    """What cannot be known, as parts of sentences."""


async def read_rollouts(history: History, namespace: str, name: str, period: Grid) -> Rollouts:
    """Return the ReplicaSets of a Deployment and how many of their pods were ready, and when.

    Raises:
        HistoryError: when Prometheus gives no answer.
    """
    return await _Reader(history, namespace, name, period).read()


class _Reader:
    """Asks for one Deployment."""

    def __init__(self, history: History, namespace: str, name: str, period: Grid) -> None:
        self._history = history
        self._name = name
        self._period = period
        self._step = period.interval * ceil(_SHORTEST_STEP / period.interval)
        self._home = f'namespace="{namespace}"'
        sets = name.replace(".", "[.]") + f"-{_SAFE}{{1,10}}"
        self._sets = f'{self._home},replicaset=~"{sets}"'
        self._pods = f'{self._home},pod=~"{sets}-{_SAFE}{{5}}"'

    async def read(self) -> Rollouts:
        owned = await self._owned()
        pods = await self._numbers(f"kube_replicaset_spec_replicas{{{self._sets}}}", owned)
        ready = await self._numbers(f"kube_replicaset_status_ready_replicas{{{self._sets}}}", owned)
        unknown: tuple[str, ...] = ()
        if not pods or not ready:
            pods = ready = pods or ready or await self._numbers_of_pods(owned)
            unknown = (_NO_READINESS,)
        if not pods:
            return Rollouts(unknown=(NOTHING_KNOWN.format(name=self._name),))
        created = await self._created(owned)
        replica_sets = await self._replica_sets({*pods, *created}, created)
        imageless = [name for name in pods if not replica_sets[name].images]
        if imageless:
            unknown += (_NO_IMAGES.format(names=", ".join(sorted(imageless))),)
        found = tuple(states(pods, ready, await self._desired(), created))
        return Rollouts(replica_sets, found, unknown)

    async def _owned(self) -> frozenset[str]:
        """Return the ReplicaSets of this very Deployment; empty where owners are not known."""
        owner = f'owner_kind="Deployment",owner_name="{self._name}"'
        found = await self._ever(f"kube_replicaset_owner{{{self._home},{owner}}}")
        return frozenset(_name_of(series) for series in found)

    async def _numbers(self, selector: str, owned: frozenset[str]) -> dict[str, Steps]:
        """Return a number of each ReplicaSet over time. Most are 0: Prometheus leaves those out."""
        return await self._by_replica_set(f"max by (replicaset) ({selector}) > 0", owned)

    async def _numbers_of_pods(self, owned: frozenset[str]) -> dict[str, Steps]:
        pods = f"group by (pod) (kube_pod_container_info{{{self._pods}}})"
        return await self._by_replica_set(
            f"count by (replicaset) ({_with_replica_set(pods)})", owned
        )

    async def _by_replica_set(self, promql: str, owned: frozenset[str]) -> dict[str, Steps]:
        found = await self._range(promql)
        numbers = {_name_of(s): steps(s.samples, self._step, end=self._period.end) for s in found}
        return {name: numbers[name] for name in numbers if not owned or name in owned}

    async def _desired(self) -> Steps:
        where = f'{self._home},deployment="{self._name}"'
        found = await self._range(f"max(kube_deployment_spec_replicas{{{where}}})")
        return steps(found[0].samples, self._step) if found else ()

    async def _created(self, owned: frozenset[str]) -> dict[str, float]:
        found = await self._ever(f"kube_replicaset_created{{{self._sets}}}")
        created = {_name_of(series): series.samples[-1].value for series in found}
        return {name: created[name] for name in created if not owned or name in owned}

    async def _replica_sets(
        self, names: set[str], created: Mapping[str, float]
    ) -> dict[str, ReplicaSet]:
        images: dict[str, dict[str, str]] = {}
        for series in await self._ever(f"kube_pod_container_info{{{self._pods}}}", "image"):
            labels = dict(series.labels)
            container, image = labels.get("container", ""), labels.get("image", "")
            images.setdefault(_name_of(series), {})[container] = image
        return {
            name: ReplicaSet(name, created.get(name), images.get(name, {}))
            for name in sorted(names)
        }

    async def _ever(self, selector: str, wanted: str = "") -> tuple[Series, ...]:
        """Return the last values in the period or shortly before it; `image`: by container, too."""
        length = self._period.end - self._period.begin + _BEFORE
        # A subquery: the whole range of raw samples could be more than Prometheus loads at once.
        latest = f"last_over_time({selector}[{length:.0f}s:5m])"
        promql = f"max by (replicaset) ({latest})"
        if wanted:
            promql = f"group by (replicaset, container, image) ({_with_replica_set(latest)})"
        end = self._period.end
        try:
            found = await self._history.vectors(promql, end, end, 60.0)
        except HistoryError as error:
            if error.error.kind not in _NOT_THIS_ONE:
                raise
            return ()  # names and images are worth having, and not worth giving up for
        # In one order, whatever the server's: where two disagree, the same one wins every time.
        return () if isinstance(found, Ambiguous) else tuple(sorted(found, key=lambda s: s.labels))

    async def _range(self, promql: str) -> tuple[Series, ...]:
        period = self._period
        found = await self._history.vectors(promql, period.begin, period.end, self._step)
        return () if isinstance(found, Ambiguous) else found


def _with_replica_set(promql: str) -> str:
    """Return an expression of pods with the label of their ReplicaSet, which is in their names."""
    return f'label_replace({promql}, "replicaset", "$1", "pod", "(.+)-[^-]+")'


def _name_of(series: Series) -> str:
    return dict(series.labels).get("replicaset", "")
