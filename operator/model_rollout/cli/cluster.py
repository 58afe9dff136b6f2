"""ModelRollouts and ModelRevisions as commands read, follow and change them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from model_rollout.adapters.kubernetes.client import JSON_PATCH
from model_rollout.api import API_VERSION
from model_rollout.api.revision import ROLLOUT_UID_LABEL
from model_rollout.cli.connect import Connection, said
from model_rollout.cli.kubeconfig import Place
from model_rollout.cli.output import CommandError, tell
from model_rollout.ports.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    Json,
    NotFound,
    TestFailed,
    Unavailable,
)

ROLLOUTS, REVISIONS, RECORDS = "modelrollouts", "modelrevisions", "rolloutrecords"
_PAGE = "500"
_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before a watch that broke off is tried again; then it is given up."""

_LEAST_WATCH = 1.0
"""Seconds from one watch to the next, however soon something between here and there ends it."""


class Changed(Exception):
    """What was read is not what is there any more: a test of the patch did not hold."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it is now; `gone` when it was deleted."""

    body: Json
    gone: bool = False


class Cluster:
    """The API server as a person sees it. Every method raises CommandError."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._place = place

    async def rollout(self, name: str) -> Json:
        """Read one ModelRollout."""
        namespace = self._place.namespace
        path = f"{_path(ROLLOUTS, namespace)}/{name}"
        try:
            return await self._connection.request("GET", path)
        except NotFound:
            raise await self._missing(name) from None
        except ApiError as error:
            raise self._said(error, "get", namespace) from None

    async def rollouts(self) -> list[Json]:
        """List the ModelRollouts, by namespace and name."""
        items, _ = await self._list(ROLLOUTS, self._namespace, {})
        return sorted(items, key=_namespace_and_name)

    async def revisions(self, rollout: Json) -> list[Json]:
        """List the ModelRevisions of a ModelRollout, by number."""
        metadata = rollout["metadata"]
        selector = {"labelSelector": f"{ROLLOUT_UID_LABEL}={metadata['uid']}"}
        items, _ = await self._list(REVISIONS, metadata["namespace"], selector)
        return sorted(items, key=lambda item: int(item["spec"]["number"]))

    async def config_map(self, name: str) -> Json | None:
        """Read a ConfigMap; None where it is gone or this person may not read it."""
        path = f"/api/v1/namespaces/{self._place.namespace}/configmaps/{name}"
        try:
            return await self._connection.request("GET", path)
        except (NotFound, Forbidden):
            return None
        except ApiError as error:
            raise self._said(error, "get", self._place.namespace) from None

    async def records(self) -> list[Json]:
        """List the RolloutRecords, by namespace and name."""
        items, _ = await self._list(RECORDS, self._namespace, {})
        return sorted(items, key=_namespace_and_name)

    async def patch(self, rollout: Json, operations: list[Json]) -> Json:
        """Apply a JSON Patch. Raises `Changed` when a test in it does not hold."""
        namespace, name = rollout["metadata"]["namespace"], rollout["metadata"]["name"]
        path = f"{_path(ROLLOUTS, namespace)}/{name}"
        try:
            return await self._connection.request(
                "PATCH", path, body=operations, content_type=JSON_PATCH
            )
        except NotFound:
            raise await self._missing(name) from None
        except (TestFailed, Conflict):
            raise Changed from None
        except ApiError as error:
            raise self._said(error, "patch", namespace) from None

    async def follow(self, name: str) -> AsyncGenerator[Json, None]:
        """Yield one ModelRollout as it is, and then whenever it changes, until it is deleted."""
        async with aclosing(self.changes(name)) as changes:
            async for change in changes:
                if change.gone:
                    raise CommandError(f"ModelRollout {name} was deleted: nothing guards it now")
                yield change.body
        raise await self._missing(name)

    async def changes(self, name: str | None = None) -> AsyncGenerator[Change, None]:
        """Yield all ModelRollouts (or the one of this name), and then each that changes.

        A watch that ends goes on from where it was; when the API server has forgotten that place,
        everything is listed again, and what changed meanwhile is yielded. With a name that is not
        there nothing is yielded.
        """
        query = {"fieldSelector": f"metadata.name={name}"} if name else {}
        known: dict[str, Json] = {}
        items, version = await self._list(ROLLOUTS, self._namespace, query)
        for change in _difference(known, items):
            yield change
        if name and not known:
            return
        waits, now = iter(_WAITS), asyncio.get_running_loop().time
        while True:
            try:
                if not version:
                    items, version = await self._pages(ROLLOUTS, self._namespace, query)
                    for change in _difference(known, items):
                        yield change
                began = now()
                place = {"resourceVersion": version}
                path = _path(ROLLOUTS, self._namespace)
                async with aclosing(self._connection.watch(path, query | place)) as events:
                    async for event in events:
                        waits = iter(_WAITS)
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield _noted(known, event)
                await asyncio.sleep(max(0.0, began + _LEAST_WATCH - now()))
            except Unavailable as error:
                version = ""  # perhaps that place is forgotten (410): only a list helps then
                await self._pause(error, next(waits, None))
            except ApiError as error:
                raise self._said(error, "watch", self._namespace) from None

    async def _pause(self, error: Unavailable, wait: float | None) -> None:
        """Wait before another attempt, if there is to be one."""
        if " 410 " in f"{error} ":
            return
        if wait is None:
            raise self._said(error, "watch", self._namespace)
        tell(f"the connection was lost ({error}); trying again in {wait:g} s")
        await asyncio.sleep(wait)

    def _said(self, error: ApiError, verb: str, namespace: str | None) -> CommandError:
        return said(error, verb, ROLLOUTS, self._place, namespace)

    @property
    def _namespace(self) -> str | None:
        return None if self._place.everywhere else self._place.namespace

    async def _list(
        self, plural: str, namespace: str | None, query: dict[str, str]
    ) -> tuple[list[Json], str]:
        """Return all items, and the version of the list: a watch goes on from there."""
        try:
            return await self._pages(plural, namespace, query)
        except NotFound:
            raise self._unknown(plural) from None
        except ApiError as error:
            raise said(error, "list", plural, self._place, namespace) from None

    async def _pages(
        self, plural: str, namespace: str | None, query: dict[str, str]
    ) -> tuple[list[Json], str]:
        items: list[Json] = []
        token = ""
        while True:
            page = await self._connection.request(
                "GET",
                _path(plural, namespace),
                query={**query, "limit": _PAGE, "continue": token},
                timeout=30,
            )
            items += [_complete(page, item) for item in page.get("items") or ()]
            token = page["metadata"].get("continue") or ""
            if not token:
                return items, page["metadata"]["resourceVersion"]

    async def _missing(self, name: str) -> CommandError:
        """Return the error for a name that is not there, with those that are."""
        namespace = self._place.namespace
        try:
            items, _ = await self._pages(ROLLOUTS, namespace, {})
        except NotFound:
            return self._unknown(ROLLOUTS)
        except ApiError:
            return CommandError(f"there is no ModelRollout {name} in namespace {namespace}")
        names = ", ".join(item["metadata"]["name"] for item in items[:10])
        there = f"there are {names}" if len(items) > 1 else f"there is {names or 'none'}"
        return CommandError(f"there is no ModelRollout {name} in namespace {namespace}; {there}")

    @staticmethod
    def _unknown(plural: str) -> CommandError:
        return CommandError(
            f"this cluster does not know {plural}: install the CustomResourceDefinitions with: "
            "modelrollout crds | kubectl apply --server-side -f -"
        )


def _namespace_and_name(body: Json) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _path(plural: str, namespace: str | None) -> str:
    place = f"namespaces/{namespace}/" if namespace is not None else ""
    return f"/apis/{API_VERSION}/{place}{plural}"


def _complete(page: Json, item: Json) -> Json:
    """Items of a list do not say what they are."""
    kind = str(page.get("kind", "")).removesuffix("List")
    return {"apiVersion": page.get("apiVersion", API_VERSION), "kind": kind} | item


def _difference(known: dict[str, Json], items: list[Json]) -> list[Change]:
    """Take over a list; return what changed since the last one."""
    now = {item["metadata"]["uid"]: item for item in items}
    gone = [Change(body, gone=True) for uid, body in known.items() if uid not in now]
    new = [Change(body) for uid, body in now.items() if _version(known.get(uid)) != _version(body)]
    known.clear()
    known.update(now)
    return [*gone, *new]


def _noted(known: dict[str, Json], event: Json) -> Change:
    body, gone = event["object"], event["type"] == "DELETED"
    if gone:
        known.pop(body["metadata"]["uid"], None)
    else:
        known[body["metadata"]["uid"]] = body
    return Change(body, gone)


def _version(body: Json | None) -> str | None:
    return None if body is None else str(body["metadata"]["resourceVersion"])
