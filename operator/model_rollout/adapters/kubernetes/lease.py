"""Leader election by a Lease (`coordination.k8s.io/v1`): one operator process acts at a time."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from typing import NoReturn

from model_rollout.adapters.kubernetes.client import KubernetesApi
from model_rollout.ports.kubernetes import ApiError, Conflict, Json, NotFound, Unavailable


class LeaseLost(Exception):
    """The Lease is not ours any more, or nobody could tell us in time that it still is."""


def _time_awake_or_not() -> float:
    """Seconds that also pass while the machine is suspended, where the system can say so."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Elector:
    """Takes, keeps and gives back one Lease.

    `identity` must be unique to the process (a pod's name and something random): a restarted
    container with the same one would take over from a predecessor that may still run.

    No wall clocks are compared. A holder counts its time from before it *sent* its last successful
    renewal; another candidate counts from after it *received* the record, and waits longer
    (`duration` instead of `renew_deadline`). So the old holder has stopped before a new one begins.

    `api` should be its own: renewals must not queue behind the operator's other requests.
    """

    def __init__(
        self,
        api: KubernetesApi,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        clock: Callable[[], float] = _time_awake_or_not,
    ) -> None:
        if not retry < renew_deadline < duration:
            raise ValueError("a Lease needs retry < renew_deadline < duration")
        self._api = api
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._duration = duration
        self._renew_deadline = renew_deadline
        self._retry = retry
        self._clock = clock
        self._lease: Json | None = None
        self._valid_until = float("-inf")
        self._seen_version = ""
        self._seen_since = 0.0
        self._asked = 0.0

    def holds(self) -> bool:
        """Say whether writes are still allowed. Cheap; ask directly before each write.

        Turns False by itself when the time is over, also in a process that was stopped meanwhile
        and had no chance to notice.
        """
        return self._clock() < self._valid_until

    async def acquire(self) -> None:
        """Wait until the Lease is ours.

        Raises `ApiError` for what waiting does not cure: a missing role, namespace or token.
        """
        while True:
            if await self._try_to_acquire():
                return
            await asyncio.sleep(self._retry)

    async def keep(self) -> NoReturn:
        """Renew until the Lease is lost; raise `LeaseLost` at the deadline at the latest."""
        reason = "it was never ours"
        while self._lease is not None and self.holds():
            await asyncio.sleep(min(self._retry, self._valid_until - self._clock()))
            if not self.holds():
                break
            try:
                await self._renew(self._lease)
            except ApiError as error:
                reason = str(error)
        self._stop()
        raise LeaseLost(f"the Lease {self._name} was not renewed in time: {reason}")

    async def release(self) -> None:
        """Give the Lease back, so that another process need not wait for it to expire."""
        was_held = self._lease is not None
        self._stop()  # first: nothing may be written once the other one can begin
        if not was_held:
            return
        # Read again: a renewal that was interrupted on the way may have changed the version.
        lease = await self._read()
        if lease is None or lease.get("spec", {}).get("holderIdentity") != self._identity:
            return
        spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._replace(lease, {**spec, "renewTime": _now()})
        except (NotFound, Conflict):
            return  # somebody else took or deleted it meanwhile: nothing left to give back

    async def _try_to_acquire(self) -> bool:
        try:
            lease = await self._read()
            if lease is None:
                await self._create()
            elif self._is_free(lease):
                await self._take(lease)
            else:
                return False
        except (Conflict, Unavailable):
            return False  # lost the race, or the API server is away: the next round tells
        return self.holds()

    def _is_free(self, lease: Json) -> bool:
        """Say whether nobody holds `lease`, just read: no holder, or no sign of life for long."""
        holder = lease.get("spec", {}).get("holderIdentity") or ""
        if holder in ("", self._identity):
            return True
        version = lease["metadata"]["resourceVersion"]
        if version != self._seen_version:
            self._seen_version, self._seen_since = version, self._clock()
            return False
        # The holder may run with a longer duration than ours: its promise counts.
        promised = lease["spec"].get("leaseDurationSeconds") or 0
        return self._asked - self._seen_since >= max(self._duration, promised)

    async def _still_ours(self) -> Json:
        """After a conflict: return the Lease as it is now, or give up at once if it is not ours."""
        lease = await self._read()
        if lease is None or lease.get("spec", {}).get("holderIdentity") != self._identity:
            self._stop()
            raise LeaseLost(f"the Lease {self._name} was taken by another process or deleted")
        return lease

    async def _read(self) -> Json | None:
        self._asked = self._clock()
        try:
            return await self._api.request("GET", self._path, timeout=self._timeout)
        except NotFound:
            return None

    async def _create(self) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**self._claim(), "acquireTime": _now(), "leaseTransitions": 0},
        }
        sent = self._clock()
        lease = await self._api.request("POST", self._collection, body=body, timeout=self._timeout)
        self._confirm(lease, sent)

    async def _take(self, lease: Json) -> None:
        old = lease.get("spec", {})
        transitions = int(old.get("leaseTransitions") or 0) + 1
        spec = {**old, **self._claim(), "acquireTime": _now(), "leaseTransitions": transitions}
        sent = self._clock()
        self._confirm(await self._replace(lease, spec), sent)

    async def _renew(self, lease: Json) -> None:
        try:
            await self._renew_version(lease)
        except (NotFound, Conflict):
            # At once: somebody who edits labels all the time must not cost us the Lease.
            await self._renew_version(await self._still_ours())

    async def _renew_version(self, lease: Json) -> None:
        sent = self._clock()
        spec = {**lease["spec"], **self._claim()}
        self._confirm(await self._replace(lease, spec), sent)

    async def _replace(self, lease: Json, spec: Json) -> Json:
        """PUT with the resourceVersion that was read: of two at once, one gets `Conflict`."""
        return await self._api.request(
            "PUT", self._path, body={**lease, "spec": spec}, timeout=self._timeout
        )

    def _claim(self) -> Json:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": ceil(self._duration),
            "renewTime": _now(),
        }

    def _confirm(self, lease: Json, sent: float) -> None:
        self._lease = lease
        self._valid_until = sent + self._renew_deadline

    def _stop(self) -> None:
        self._lease = None
        self._valid_until = float("-inf")

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"

    @property
    def _timeout(self) -> float:
        """Shorter than the retry period: a hanging request must not use up the whole deadline."""
        return self._retry * 0.75


def _now() -> str:
    """For people who read the Lease; nothing here compares it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
