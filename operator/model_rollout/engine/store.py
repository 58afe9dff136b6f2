"""What the watches said last: a cache that may be lost at any time. No decision rests on it alone."""

from collections.abc import Callable, Iterator

from model_rollout.ports.kubernetes import Json, Key


class Store:
    """ModelRollouts, and the Deployments that they target.

    An older version of an object never replaces a newer one: watch events arrive late, also after
    our own writes, whose answers are put here too.
    """

    def __init__(self) -> None:
        """Start empty; `changed` is called with the key of a ModelRollout that may need a check."""
        self.changed: Callable[[Key], None] = lambda key: None
        self.removed: Callable[[Key], None] = lambda key: None
        self._rollouts: dict[Key, Json] = {}
        self._deployments: dict[Key, Json] = {}
        self._by_target: dict[Key, set[Key]] = {}
        self._templates: dict[Key, Json] = {}
        self.templates_version = 0
        """Counts up with every change of a MetricTemplate: what was resolved before is out of date."""

    def __len__(self) -> int:
        """Return the number of ModelRollouts."""
        return len(self._rollouts)

    def rollout(self, key: Key) -> Json | None:
        """Return a ModelRollout as it was last seen."""
        return self._rollouts.get(key)

    def deployment(self, key: Key) -> Json | None:
        """Return a targeted Deployment as it was last seen."""
        return self._deployments.get(key)

    def rollouts(self) -> Iterator[tuple[Key, Json]]:
        """Iterate over all ModelRollouts."""
        return iter(list(self._rollouts.items()))

    def rivals(self, target: Key) -> list[Json]:
        """Return the ModelRollouts with this target."""
        return [self._rollouts[key] for key in self._by_target.get(target, ())]

    def put_rollout(self, body: Json) -> None:
        """Take in a ModelRollout from a watch, a list or an answer to a write."""
        key = key_of(body)
        old = self._rollouts.get(key)
        if old is not None and not _newer(body, old):
            return
        if old is not None and target_of(old) != target_of(body):
            # Deleted and created again, and the deletion was not seen.
            self.drop_rollout(key)
        self._rollouts[key] = body
        self._by_target.setdefault(target_of(body), set()).add(key)
        self.changed(key)

    def drop_rollout(self, key: Key) -> None:
        """Forget a ModelRollout that was deleted; its rivals may guard the target now."""
        body = self._rollouts.pop(key, None)
        if body is None:
            return
        target = target_of(body)
        self._by_target.get(target, set()).discard(key)
        self.removed(key)
        self._wake(target)
        if not self._by_target.get(target):
            self._by_target.pop(target, None)
            self._deployments.pop(target, None)

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

    def put_deployment(self, body: Json) -> None:
        """Take in a Deployment, if a ModelRollout targets it."""
        key = key_of(body)
        if key not in self._by_target:
            return
        old = self._deployments.get(key)
        if old is not None and not _newer(body, old):
            return
        self._deployments[key] = body
        self._wake(key)

    def drop_deployment(self, key: Key) -> None:
        """Forget a Deployment that was deleted."""
        if self._deployments.pop(key, None) is not None:
            self._wake(key)

    def _wake(self, target: Key) -> None:
        for key in self._by_target.get(target, ()):
            self.changed(key)


def key_of(body: Json) -> Key:
    """Return namespace and name of an object."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def target_of(rollout: Json) -> Key:
    """Return the key of the Deployment that a ModelRollout targets."""
    return Key(rollout["metadata"]["namespace"], rollout["spec"]["targetRef"]["name"])


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
