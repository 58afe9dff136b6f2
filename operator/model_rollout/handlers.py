"""kopf: login, and the watches that feed the store. No logic.

Only `on.event`: it writes nothing to the objects and keeps nothing in memory. kopf's timers,
daemons, indexes and change handlers cost several times as much (docs/architecture.md has figures).
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import kopf

from model_rollout.adapters.kubernetes.login import Login
from model_rollout.adapters.kubernetes.watch_session import open_watch_session
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.api import GROUP, VERSION
from model_rollout.engine.store import Store, key_of
from model_rollout.ports.kubernetes import Json, Key
from model_rollout.revisions.objects import ref_of

Put = Callable[[Json], None]

_QUIET = ("kopf.objects", "kopf.activities")


def watches(store: Store, log_in: Login, telemetry: Telemetry) -> kopf.OperatorRegistry:
    """Return the registry with all handlers."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in_to_watch(**_: Any) -> kopf.AiohttpSession:
        server, session = await open_watch_session(log_in)
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    def watch(resource: tuple[str, str, str], put: Put, drop: Put) -> None:
        @kopf.on.event(*resource, registry=registry)
        async def seen(event: kopf.RawEvent, **_: Any) -> None:
            telemetry.watch_event(time.time())
            body = dict(event["object"])
            if event["type"] == "DELETED":
                drop(body)
            else:
                put(body)
            telemetry.guards(len(store))

    def by_key(drop: Callable[[Key], None]) -> Put:
        return lambda body: drop(key_of(body))

    watch((GROUP, VERSION, "modelrollouts"), store.put_rollout, by_key(store.drop_rollout))
    watch((GROUP, VERSION, "metrictemplates"), store.put_template, by_key(store.drop_template))

    def watch_workloads(kind: str, plural: str) -> None:
        def typed(body: Json) -> Json:
            """Items of a list do not say what they are."""
            return body | {"apiVersion": "apps/v1", "kind": kind}

        watch(
            ("apps", "v1", plural),
            lambda body: store.put_workload(typed(body)),
            lambda body: store.drop_workload(ref_of(typed(body))),
        )

    watch_workloads("Deployment", "deployments")
    watch_workloads("StatefulSet", "statefulsets")
    return registry


def watch_settings() -> kopf.OperatorSettings:
    """Return kopf's settings; the reasons are in docs/architecture.md."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.watching.client_timeout = 600
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    # Never written, as no handler asks for it; never the framework's own names if it were.
    settings.persistence.finalizer = f"{GROUP}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    for name in _QUIET:
        # One line per watch event says nothing; failures of handlers are logged as errors.
        logging.getLogger(name).setLevel(logging.WARNING)
    return settings
