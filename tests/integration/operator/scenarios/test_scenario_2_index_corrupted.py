"""Scenario 2: the index is corrupted. One switch of an alias, read back, and nothing else."""

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from localcluster.waiting import wait_until
from support.qdrant_standin import Qdrant
from support.scenario import BAD, COMPONENTS, GOOD, Json, Scenario
from support.shims import serving, shim

FIRST, SECOND, OLD, ALIAS = "kb-2026-01", "kb-2026-02", "kb-2025-12", "kb"
TOKEN = "shim-token"
GROUP = "rbac.authorization.k8s.io"


@dataclass
class Index:
    """The alias, its shim, and answers that are as good as the collection that is served."""

    case: Scenario
    qdrant: Qdrant
    url: str

    def switch(self, collection: str) -> None:
        """As the pipeline does that built a new collection, or whoever builds one again."""
        self.qdrant.aliases = self.qdrant.aliases | {ALIAS: collection}
        self.publish()

    def publish(self) -> None:
        good = self.qdrant.aliases[ALIAS] != SECOND
        self.case.site.source.publish(self.case.namespace, GOOD if good else BAD)

    def component(self) -> Json:
        http = {"url": self.url, "authSecretRef": {"name": "kb", "key": "token"}}
        return {"name": "index", "http": http}


@contextlib.contextmanager
def index(case: Scenario) -> Iterator[Index]:
    qdrant = Qdrant({FIRST, SECOND, OLD}, {ALIAS: FIRST}, "qdrant-key")
    token = case.site.workspace.folder / f"{case.namespace}.token"
    token.write_text(f"{TOKEN}\n")
    setting = {"QDRANT_API_KEY": "qdrant-key", "ALIAS": ALIAS}
    with (
        serving(qdrant.app()) as server,
        shim("qdrant_alias.py", token, QDRANT_URL=server, **setting) as url,
    ):
        allow_the_token(case, url.removesuffix("/alias"))
        found = Index(case, qdrant, url)
        yield found


def allow_the_token(case: Scenario, server: str) -> None:
    """A Secret that may be sent to the shim, and a Role that lets the operator read it."""
    meta = {"name": "kb", "annotations": {"modelrollout.dev/allowed-hosts": server}}
    data = {"token": base64.b64encode(TOKEN.encode()).decode()}
    role = {"name": "kb"}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["kb"], "verbs": ["get"]}
    ref = {"apiGroup": GROUP, "kind": "Role", "name": "kb"}
    account = {
        "kind": "ServiceAccount",
        "name": "model-rollout-operator",
        "namespace": "model-rollout-system",
    }
    bodies: list[Json] = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data},
        {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": role, "rules": [rule]},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": role,
            "roleRef": ref,
            "subjects": [account],
        },
    ]
    for body in bodies:
        case.site.kube.create(body, case.namespace)


def breach(case: Scenario, kb: Index, **spec: object) -> None:
    """Bring the second collection to its breach."""
    case.stable("v1", components=[*COMPONENTS, kb.component()], **spec)
    kb.switch(SECOND)


def test_alias_is_switched_once_and_the_deployment_is_left_alone(case: Scenario) -> None:
    with index(case) as kb:
        breach(case, kb)
        wait_until(lambda: kb.qdrant.aliases[ALIAS] == FIRST, 30, "the alias is switched back")
        kb.publish()
        last = case.wait_for_outcome("Succeeded")
        assert len(kb.qdrant.changes) == 1
        assert case.patches(committed=False) == []
        assert case.quarantined() == [2]
        assert "Rolled back revision 2 to 1" in last["message"]
        assert TOKEN not in str(case.rollout())


def test_collection_that_is_gone_fails_the_preflight_and_the_fallback_is_next(
    case: Scenario,
) -> None:
    with index(case) as kb:
        fallback = {"name": "archive", "alternative": {"index": OLD}}
        breach(case, kb, fallbacks=[fallback], analysis={"settle": "2s"})
        kb.qdrant.drop(FIRST)
        kb.qdrant.aliases = {ALIAS: SECOND}
        wait_until(lambda: kb.qdrant.aliases[ALIAS] == OLD, 30, "the fallback is applied")
        kb.publish()
        case.wait_for_outcome("Succeeded")
        [actions] = kb.qdrant.changes
        assert OLD in str(actions)
        assert case.patches(committed=False) == []
        status = case.status()
        assert len(status["rollbacks"]) == 1, "a chain counts once"
        assert case.wait_for_event("TargetRefused", f"Qdrant has no collection {FIRST}")


def test_nothing_is_written_where_no_collection_is_left(case: Scenario) -> None:
    with index(case) as kb:
        breach(case, kb, analysis={"settle": "2s"}, rollback={"cooldown": "1h"})
        kb.qdrant.drop(FIRST)
        kb.qdrant.aliases = {ALIAS: SECOND}
        last = case.wait_for_outcome("Refused")
        assert f"Qdrant has no collection {FIRST}" in last["message"]
        case.operator.wait_for_checks(3)
        assert kb.qdrant.changes == []
        assert case.patches(committed=False) == []
        assert case.quarantined() == []
