"""Reads and writes the values that servers hold: components of kind http."""

from model_rollout.api.component import Component
from model_rollout.api.http_component import HttpComponent
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.guard import Guard
from model_rollout.engine.memory import Memory
from model_rollout.ports.http import (
    ConcurrentChange,
    HttpEndpoint,
    HttpError,
    HttpReading,
    HttpValues,
    Unauthorized,
    Unreachable,
)
from model_rollout.ports.kubernetes import Conflict, Rejected, Unavailable
from model_rollout.revisions.objects import HttpWrite
from model_rollout.revisions.places import ComponentProblem


class Servers:
    """The servers of all guards."""

    def __init__(self, values: HttpValues, credentials: Credentials) -> None:
        """`credentials` finds tokens and certificates."""
        self._values = values
        self._credentials = credentials

    async def read(self, guard: Guard, memory: Memory) -> dict[str, str | ComponentProblem]:
        """Return the values by the names of their components, or why there is none."""
        found: dict[str, str | ComponentProblem] = {}
        memory.readings.clear()
        for component in guard.spec.components:
            if component.http is None:
                continue
            reading = await self._reading(guard.namespace, component, component.http)
            if isinstance(reading, HttpReading):
                memory.readings[component.name] = reading
                found[component.name] = reading.value
            else:
                found[component.name] = reading
        return found

    async def write(
        self, guard: Guard, memory: Memory, write: HttpWrite, transaction: str, *, dry_run: bool
    ) -> None:
        """Set a value, or ask whether it could be set; raises as the `Cluster` does.

        There is no dry run over HTTP: the server is asked whether it would take the value.
        """
        reading = memory.readings[write.component]
        wanted = next(c.http for c in guard.spec.components if c.name == write.component)
        assert wanted is not None
        endpoint = await self._endpoint(guard.namespace, wanted)
        try:
            if dry_run:
                await self._values.check(endpoint, write.value)
            else:
                await self._values.write(endpoint, write.value, reading, transaction)
        except Unreachable as error:
            raise Unavailable(f"{wanted.url}: {error}") from None
        except ConcurrentChange as error:
            raise Conflict(f"{wanted.url}: {error}") from None
        except HttpError as error:
            self._forget(guard.namespace, wanted, error)
            raise Rejected(f"{wanted.url}: {error}") from None

    async def _reading(
        self, namespace: str, component: Component, http: HttpComponent
    ) -> HttpReading | ComponentProblem:
        where = f"component {component.name}: {http.url}: "
        try:
            return await self._values.read(await self._endpoint(namespace, http))
        except (Unreachable, Rejected) as error:
            return ComponentProblem("HttpUnreachable", f"{where}{error}", temporary=True)
        except HttpError as error:
            self._forget(namespace, http, error)
            temporary = isinstance(error, Unauthorized)
            return ComponentProblem("HttpBadAnswer", f"{where}{error}", temporary=temporary)

    async def _endpoint(self, namespace: str, http: HttpComponent) -> HttpEndpoint:
        found = await self._credentials.resolve_http(namespace, http)
        if isinstance(found, str):
            raise Rejected(found)
        return found

    def _forget(self, namespace: str, http: HttpComponent, error: HttpError) -> None:
        if isinstance(error, Unauthorized):
            self._credentials.refused(namespace, http)
