"""From numbers of pods over time to the states of a Deployment. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from model_rollout.analysis.measurement import Sample

Steps = tuple[tuple[float, int], ...]
"""Times from which on a number holds, oldest first."""


@dataclass(frozen=True, slots=True)
class State:
    """A Deployment from one time on."""

    time: float
    newest: str
    """Name of the ReplicaSet of the newest template."""
    desired: int
    pods: Mapping[str, int]
    """How many pods each ReplicaSet wants; those that want none are left out."""
    ready: Mapping[str, int]

    @property
    def available(self) -> int:
        """How many ready pods there are that are wanted: those that terminate may still be ready."""
        return sum(min(ready, self.pods.get(name, 0)) for name, ready in self.ready.items())

    @property
    def existing(self) -> dict[str, int]:
        """How many pods each ReplicaSet has, also those that it no longer wants."""
        names = sorted({*self.pods, *self.ready})
        return {name: max(self.pods.get(name, 0), self.ready.get(name, 0)) for name in names}

    @property
    def rolled_out(self) -> bool:
        """All pods that are wanted are ready, and there are none but of the newest template."""
        complete = self.pods.get(self.newest, 0) == self.desired == self.available
        return complete and all(name == self.newest for name in self.existing)


def steps(samples: tuple[Sample, ...], spacing: float, *, end: float | None = None) -> Steps:
    """Return when a number changes, from its samples at most `spacing` seconds apart.

    With `end`, a number that is missing is 0, also up to `end`; without, it stays what it was.
    """
    found: list[tuple[float, int]] = []
    last = None
    for sample in samples:
        if last is not None and end is not None and sample.time - last > 1.5 * spacing:
            found.append((last + spacing, 0))
        if not found or found[-1][1] != sample.value:
            found.append((sample.time, int(sample.value)))
        last = sample.time
    if last is not None and end is not None and end - last > 0.5 * spacing:
        found.append((last + spacing, 0))
    return tuple(found)


def states(
    pods: Mapping[str, Steps],
    ready: Mapping[str, Steps],
    desired: Steps,
    created: Mapping[str, float],
) -> Iterator[State]:
    """Yield the states of a Deployment, oldest first, each when it differs from the one before.

    Args:
        pods: How many pods each ReplicaSet wanted.
        ready: How many of its pods were ready.
        desired: How many pods the Deployment wanted; empty where that is not known.
        created: When ReplicaSets were created: decides where the pods do not.
    """
    known: State | None = None
    times = sorted(
        {time for found in (*pods.values(), *ready.values(), desired) for time, _ in found}
    )
    walk_pods, walk_ready, walk_desired = _Walk(pods), _Walk(ready), _Walk({"": desired})
    for time in times:
        wanted, answering = walk_pods.at(time), walk_ready.at(time)
        replicas = walk_desired.at(time, zeros=True).get("")
        if not wanted and (replicas != 0 or known is None):
            continue  # kube-state-metrics was not scraped: nothing is known to have changed
        newest = _newest(known, wanted, created)
        count = wanted.get(newest, 0) if replicas is None else replicas
        state = State(time, newest, count, wanted, answering)
        if known is None or _shown(state) != _shown(known):
            known = state
            yield state


def _newest(known: State | None, wanted: Mapping[str, int], created: Mapping[str, float]) -> str:
    """Return the ReplicaSet that the Deployment moves to: the one that began to want pods last."""

    def age(name: str) -> tuple[float, str]:
        return created.get(name, 0.0), name

    if known is None:
        return max(wanted, key=lambda name: (wanted[name], age(name)))
    begun = [name for name in wanted if name not in known.pods and name != known.newest]
    if begun:
        return max(begun, key=age)
    if known.newest in wanted or not wanted:
        return known.newest
    return max(wanted, key=lambda name: (wanted[name], age(name)))


def _shown(state: State) -> tuple[object, ...]:
    return state.newest, state.desired, state.pods, state.ready


class _Walk:
    """Several numbers over time, asked in order."""

    def __init__(self, numbers: Mapping[str, Steps]) -> None:
        self._numbers = {name: list(reversed(found)) for name, found in numbers.items()}
        self._now: dict[str, int] = {}

    def at(self, time: float, *, zeros: bool = False) -> dict[str, int]:
        """Return the numbers at a time not before the last one; without those that are 0."""
        for name, left in self._numbers.items():
            while left and left[-1][0] <= time:
                self._now[name] = left.pop()[1]
        return {name: number for name, number in self._now.items() if number or zeros}
