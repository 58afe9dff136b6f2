"""What the watches said last: a cache that may be lost at any time. No decision rests on it alone."""

from collections.abc import Callable, Iterator

from model_rollout.ports.kubernetes import Json, Key
from model_rollout.revisions.objects import ObjectRef, ref_of


class Store:
    """ModelRollouts, and the workloads that they target.

    An older version of an object never replaces a newer one: watch events arrive late, also after
    our own writes, whose answers are put here too.
    """

    def __init__(self) -> None:
        """Start empty; `changed` is called with the key of a ModelRollout that may need a check."""
        self.changed: Callable[[Key], None] = lambda key: None
        self.removed: Callable[[Key], None] = lambda key: None
        self._rollouts: dict[Key, Json] = {}
        self._workloads: dict[ObjectRef, Json] = {}
        self._by_target: dict[ObjectRef, set[Key]] = {}
        self._by_config_map: dict[Key, set[Key]] = {}
        self._templates: dict[Key, Json] = {}
        self.templates_version = 0
        """Counts up with every change of a MetricTemplate: what was resolved before is out of date."""

    def __len__(self) -> int:
        """Return the number of ModelRollouts."""
        return len(self._rollouts)

    def rollout(self, key: Key) -> Json | None:
        """Return a ModelRollout as it was last seen."""
        return self._rollouts.get(key)

    def workload(self, ref: ObjectRef) -> Json | None:
        """Return a targeted workload as it was last seen."""
        return self._workloads.get(ref)

    def rollouts(self) -> Iterator[tuple[Key, Json]]:
        """Iterate over all ModelRollouts."""
        return iter(list(self._rollouts.items()))

    def rivals(self, target: ObjectRef) -> list[Json]:
        """Return the ModelRollouts with this target."""
        return [self._rollouts[key] for key in self._by_target.get(target, ())]

    def users(self, config_map: Key) -> list[Json]:
        """Return the ModelRollouts that name this ConfigMap as a component."""
        return [self._rollouts[key] for key in sorted(self._by_config_map.get(config_map, ()))]

    def put_rollout(self, body: Json) -> None:
        """Take in a ModelRollout from a watch, a list or an answer to a write."""
        key = key_of(body)
        old = self._rollouts.get(key)
        if old is not None and not _newer(body, old):
            return
        if old is not None and target_of(old) != target_of(body):
            # Deleted and created again, and the deletion was not seen.
            self.drop_rollout(key)
        before = config_maps_of(old) if old is not None else set()
        self._rollouts[key] = body
        self._by_target.setdefault(target_of(body), set()).add(key)
        self._index_config_maps(key, before, config_maps_of(body))
        self.changed(key)

    def _index_config_maps(self, key: Key, before: set[Key], after: set[Key]) -> None:
        """Whoever shares a ConfigMap with this guard has to know of it, and of its end."""
        for gone in before - after:
            self._by_config_map[gone].discard(key)
            if not self._by_config_map[gone]:
                del self._by_config_map[gone]
        for new in after - before:
            self._by_config_map.setdefault(new, set()).add(key)

    def drop_rollout(self, key: Key) -> None:
        """Forget a ModelRollout that was deleted; its rivals may guard the target now."""
        body = self._rollouts.pop(key, None)
        if body is None:
            return
        target = target_of(body)
        self._by_target.get(target, set()).discard(key)
        self._index_config_maps(key, config_maps_of(body), set())
        self.removed(key)
        self._wake(target)
        if not self._by_target.get(target):
            self._by_target.pop(target, None)
            self._workloads.pop(target, None)

    def template(self, key: Key) -> Json | None:
        """Return a MetricTemplate as it was last seen."""
        return self._templates.get(key)

    def template_keys(self) -> set[Key]:
        """Return the keys of all MetricTemplates."""
        return set(self._templates)

    def put_template(self, body: Json) -> None:
        """Take in a MetricTemplate; those who may use it are checked again."""
        key = key_of(body)
        old = self._templates.get(key)
        if old is not None and not _newer(body, old):
            return
        self._templates[key] = body
        if old is None or old["spec"] != body["spec"]:
            self._template_changed(key)

    def drop_template(self, key: Key) -> None:
        """Forget a MetricTemplate that was deleted."""
        if self._templates.pop(key, None) is not None:
            self._template_changed(key)

    def _template_changed(self, key: Key) -> None:
        self.templates_version += 1
        for rollout, body in self._rollouts.items():
            if key.name in _template_names(body):
                self.changed(rollout)

    def put_workload(self, body: Json) -> None:
        """Take in a workload, if a ModelRollout targets it."""
        ref = ref_of(body)
        if ref not in self._by_target:
            return
        old = self._workloads.get(ref)
        if old is not None and not _newer(body, old):
            return
        self._workloads[ref] = body
        self._wake(ref)

    def drop_workload(self, ref: ObjectRef) -> None:
        """Forget a workload that was deleted."""
        if self._workloads.pop(ref, None) is not None:
            self._wake(ref)

    def _wake(self, target: ObjectRef) -> None:
        for key in self._by_target.get(target, ()):
            self.changed(key)


def key_of(body: Json) -> Key:
    """Return namespace and name of an object."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def target_of(rollout: Json) -> ObjectRef:
    """Return the reference of the workload that a ModelRollout targets."""
    target = rollout["spec"]["targetRef"]
    namespace = rollout["metadata"]["namespace"]
    api_version, kind = target.get("apiVersion", "apps/v1"), target.get("kind", "Deployment")
    return ObjectRef(api_version, kind, namespace, target["name"])


def config_maps_of(rollout: Json) -> set[Key]:
    """Return the ConfigMaps that a ModelRollout names as components."""
    namespace = rollout["metadata"]["namespace"]
    maps = [c.get("configMap") or {} for c in rollout["spec"].get("components") or ()]
    return {Key(namespace, found["name"]) for found in maps if "name" in found}


def _template_names(rollout: Json) -> set[str]:
    metrics = rollout["spec"].get("metrics") or ()
    return {metric["templateRef"]["name"] for metric in metrics if "templateRef" in metric}


def _newer(body: Json, old: Json) -> bool:
    if body["metadata"]["uid"] != old["metadata"]["uid"]:
        # Created within the same second: the versions of the two are comparable, too.
        return (_created(body), _version(body)) > (_created(old), _version(old))
    return _version(body) > _version(old)


def _created(body: Json) -> str:
    return str(body["metadata"].get("creationTimestamp", ""))


def _version(body: Json) -> int:
    # Comparable as numbers since Kubernetes 1.35 by contract, and with etcd always.
    return int(body["metadata"]["resourceVersion"])
