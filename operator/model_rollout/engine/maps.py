"""Reads the ConfigMaps that components are, and the snapshots that keep what they were."""

from collections.abc import Iterable

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import Stage, Transaction
from model_rollout.engine.guard import Guard
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Cluster, Json, Key
from model_rollout.revisions.configmaps import Contents, contents_of
from model_rollout.revisions.content import config_map_names
from model_rollout.revisions.history import Revision
from model_rollout.revisions.objects import config_map_ref


class ConfigMaps:
    """Nothing is watched: most clusters hold more ConfigMaps than guards, and larger ones."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        """`store` knows who else names a ConfigMap."""
        self._cluster = cluster
        self._store = store

    async def read(
        self, namespace: str, spec: ModelRolloutSpec, template: Json, revisions: Iterable[Revision]
    ) -> dict[str, Json | None]:
        """Return the ConfigMaps that are components now, and those that `revisions` name."""
        names = set(config_map_names(template, spec.components))
        for revision in revisions:
            names |= {value.config_map for value in revision.spec.components if value.config_map}
        return {
            name: await self._cluster.read(config_map_ref(namespace, name))
            for name in sorted(names)
        }

    async def snapshots(self, namespace: str, revisions: Iterable[Revision]) -> dict[str, Contents]:
        """Return what ConfigMaps held in these revisions, by digest, as far as it is still there."""
        wanted = {
            value.value: value.snapshot_ref
            for revision in revisions
            for value in revision.spec.components
            if value.snapshot_ref
        }
        found = {}
        for digest, name in wanted.items():
            body = await self._cluster.read(config_map_ref(namespace, name))
            contents = contents_of(body) if body is not None else None
            # One that was deleted and made again by hand is not what was kept.
            if contents is not None and contents.digest == digest:
                found[digest] = contents
        return found

    def shared(self, guard: Guard) -> dict[str, str]:
        """Return the components that another ModelRollout names too, unless both say `shared`."""
        conflicts = {}
        for component in guard.spec.components:
            wanted = component.config_map
            if wanted is None or wanted.name is None:
                continue
            for other in self._store.users(Key(guard.namespace, wanted.name)):
                if other["metadata"]["uid"] == guard.body["metadata"]["uid"]:
                    continue
                if wanted.shared and _says_shared(other, wanted.name):
                    continue
                conflicts[component.name] = (
                    f"ConfigMap {wanted.name} is a component of ModelRollout "
                    f"{other['metadata']['name']} too; write shared: true in both if a rollback of "
                    "one may move the other, else give each a ConfigMap of its own"
                )
        return conflicts


def involved(transaction: Transaction | None, revisions: Iterable[Revision]) -> list[Revision]:
    """Return the revisions that a transaction which still writes leads from and to."""
    if transaction is None or transaction.stage is Stage.VERIFYING:
        return []
    return [r for r in revisions if r.number in (transaction.from_, transaction.result)]


def _says_shared(rollout: Json, name: str) -> bool:
    maps = [c.get("configMap") or {} for c in rollout["spec"].get("components") or ()]
    return any(found.get("name") == name and found.get("shared") for found in maps)
