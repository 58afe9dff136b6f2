"""Makes the objects that the engine would have read of the Deployment, as far as they are known."""

import contextlib
import copy
from collections.abc import Mapping
from dataclasses import dataclass

from model_rollout.api.component import Component
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.backtest.replicasets import ReplicaSet, Rollouts
from model_rollout.backtest.states import State
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.fields import put_field
from model_rollout.revisions.locate import locate
from model_rollout.revisions.patterns import example
from model_rollout.revisions.places import Edit, Place, Unrestorable, Value, apply

UNKNOWN = "not in Prometheus"
_UID = "backtest-workload"
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
# Named so that it reads well where the operator names what changed beside the components.
_REST = f"(rest of the template, {UNKNOWN})"


@dataclass(frozen=True, slots=True)
class Objects:
    """The Deployment, its ReplicaSets and its pods from one time on."""

    time: float
    replica_set: str
    """Name of the ReplicaSet of the newest template."""
    deployment: Json
    replica_sets: tuple[Json, ...]
    pods: tuple[Json, ...]


class Workload:
    """One Deployment over a period."""

    def __init__(
        self, spec: ModelRolloutSpec, namespace: str, manifest: Json | None, rollouts: Rollouts
    ) -> None:
        """`manifest`: the Deployment as it is written now, where it is known."""
        self._spec = spec
        self._namespace = namespace
        self._manifest = manifest
        self._rollouts = rollouts
        self._templates: dict[str, Json] = {}

    def objects(self, begin: float) -> tuple[Objects, ...]:
        """Return the states of the Deployment, the first of them at `begin`, oldest first."""
        states = self._rollouts.states
        if not states:
            alone = f"{self._spec.target_ref.name}-unknown"
            count = (self._manifest or {}).get("spec", {}).get("replicas", 1) or 1
            states = (State(begin, alone, count, {alone: count}, {alone: count}),)
        numbers = _numbers(states, self._replica_sets(states))
        return tuple(
            # The first one that is known has served since the beginning, for all that is known.
            self._made(state, max(begin, state.time) if index else begin, index + 1, numbers)
            for index, state in enumerate(states)
        )

    def template(self, name: str) -> Json:
        """Return the pod template of a ReplicaSet, with what is not known marked as such."""
        if name not in self._templates:
            self._templates[name] = self._new_template(name)
        return self._templates[name]

    def _new_template(self, name: str) -> Json:
        found = self._rollouts.replica_sets.get(name) or ReplicaSet(name)
        if self._is_current(found):
            assert self._manifest is not None
            written: Json = self._manifest["spec"]["template"]
            return written
        template = self._base(found)
        for component in self._spec.components:
            _mark(template, component, f"{UNKNOWN} (ReplicaSet {name})")
        template["spec"][_REST] = name
        return template

    def _replica_sets(self, states: tuple[State, ...]) -> dict[str, ReplicaSet]:
        names = {name for state in states for name in state.existing}
        return {name: ReplicaSet(name) for name in names} | dict(self._rollouts.replica_sets)

    def _is_current(self, replica_set: ReplicaSet) -> bool:
        """Tell whether the manifest says what this ReplicaSet holds: the last one, by its images."""
        states = self._rollouts.states
        if self._manifest is None:
            return False
        if not states:
            return True
        written = _images(self._manifest["spec"]["template"])
        known = {name: replica_set.images.get(name) for name in written}
        return replica_set.name == states[-1].newest and known == written

    def _base(self, replica_set: ReplicaSet) -> Json:
        if self._manifest is None:
            names = sorted({*replica_set.images, *_containers(self._spec.components)})
            containers = [{"name": name} for name in names] or [{"name": "server"}]
            template: Json = {
                "metadata": {"labels": {"app": self._spec.target_ref.name}},
                "spec": {"containers": containers},
            }
        else:
            template = copy.deepcopy(self._manifest["spec"]["template"])
        for container in _all(template):
            unknown = f"{UNKNOWN} (ReplicaSet {replica_set.name})"
            container["image"] = replica_set.images.get(container.get("name", ""), unknown)
        return template

    def _made(self, state: State, time: float, version: int, numbers: Mapping[str, int]) -> Objects:
        selector = {"matchLabels": {"app": self._spec.target_ref.name}}
        number = numbers[state.newest]
        metadata = {
            "name": self._spec.target_ref.name,
            "namespace": self._namespace,
            "uid": _UID,
            "resourceVersion": str(version),
            "generation": number,
            "annotations": {_REVISION: str(number)},
        }
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": state.desired,
                "selector": selector,
                "template": self.template(state.newest),
            },
            "status": {
                "observedGeneration": number,
                "replicas": sum(state.pods.values()),
                "updatedReplicas": state.pods.get(state.newest, 0),
                "availableReplicas": state.available,
            },
        }
        existing = state.existing
        there = [name for name in numbers if numbers[name] <= number or name in existing]
        sets = tuple(self._replica_set(name, numbers[name]) for name in there)
        pods = tuple(pod for name in existing for pod in [_pod(name)] * existing[name])
        return Objects(time, state.newest, deployment, sets, pods)

    def _replica_set(self, name: str, number: int) -> Json:
        template = self.template(name)
        return {
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {_HASH: name.rpartition("-")[2]},
                "annotations": {_REVISION: str(number)},
                "ownerReferences": [{"uid": _UID, "controller": True}],
            },
            "spec": {"template": template},
        }


def _numbers(states: tuple[State, ...], replica_sets: Mapping[str, ReplicaSet]) -> dict[str, int]:
    """Number the ReplicaSets by age: those from before the period first, by when they were created."""
    first: dict[str, float] = {}
    for state in states:
        first.setdefault(state.newest, state.time)

    def age(name: str) -> tuple[bool, float, str]:
        began = first.get(name)
        created = replica_sets[name].created or 0.0
        return began is not None, created if began is None else began, name

    return {name: index + 1 for index, name in enumerate(sorted(replica_sets, key=age))}


def _pod(replica_set: str) -> Json:
    return {"metadata": {"labels": {_HASH: replica_set.rpartition("-")[2]}}}


def _images(template: Json) -> dict[str, str]:
    return {c["name"]: str(c.get("image", "")) for c in template["spec"]["containers"]}


def _all(template: Json) -> list[Json]:
    spec = template["spec"]
    return [*spec["containers"], *(spec.get("initContainers") or ())]


def _containers(components: tuple[Component, ...]) -> set[str]:
    places = ((c.image or c.env or c.arg) for c in components)
    return {place.container for place in places if place is not None}


def _mark(template: Json, component: Component, unknown: str) -> None:
    """Put a value that stands for an unknown one where a component is read, but for images."""
    if component.pod_template is not None or component.image is not None:
        return
    match = component.arg.match if component.arg is not None else None
    text, value = example(match, unknown) if match is not None else (unknown, unknown)
    place = locate(template, component)
    if isinstance(place, Place):
        with contextlib.suppress(Unrestorable):
            apply(template, [e for e in place.write(Value(value)) if isinstance(e, Edit)])
            return
    if component.field is not None:
        put_field(template, component.field.path, value)
        return
    wanted = component.env or component.arg
    for container in _all(template):
        if wanted is not None and container.get("name") == wanted.container:
            _add(container, component, text)


def _add(container: Json, component: Component, text: str) -> None:
    if component.env is not None:
        kept = [v for v in container.get("env") or [] if v.get("name") != component.env.name]
        container["env"] = [*kept, {"name": component.env.name, "value": text}]
    elif component.arg is not None:
        flag = component.arg.flag
        for field in ("command", "args"):
            words = container.get(field) or []
            container[field] = words if flag is None else _without_flag(words, flag)
        container["args"].append(text if flag is None else f"{flag}={text}")


def _without_flag(words: list[str], flag: str) -> list[str]:
    kept, skip = [], False
    for word in words:
        if skip or word.startswith(f"{flag}="):
            skip = False
        elif word == flag:
            skip = True
        else:
            kept.append(word)
    return kept
