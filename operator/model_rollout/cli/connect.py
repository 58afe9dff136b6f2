"""The connection of a command: with the rights of whoever types it, never with the operator's."""

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.exceptions import ApiException

from model_rollout import __version__
from model_rollout.adapters.kubernetes.client import JSON, KubernetesApi
from model_rollout.adapters.kubernetes.errors import error_of
from model_rollout.adapters.kubernetes.login import login_for
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.api import GROUP
from model_rollout.cli.kubeconfig import Place, place_of
from model_rollout.cli.output import FAILED, INTERRUPTED, REFUSED, CommandError, program, tell
from model_rollout.ports.kubernetes import (
    ApiError,
    Forbidden,
    Json,
    Unauthorized,
    Unavailable,
)

FIELD_MANAGER = "kubectl-modelrollout"
"""What the API server notes as the author of a change; also in logs of audits."""

_LONGEST_WATCH = 240
"""Seconds after which a watch begins anew: a connection that died silently is noticed then."""


class Connection(KubernetesApi):
    """A connection to the API server that can also watch."""

    def __init__(self, configuration: Configuration, place: Place) -> None:
        log_in = login_for(place.kubeconfig, place.context)
        super().__init__(configuration, log_in, Telemetry())
        self.host = str(configuration.host)
        # The API server takes the part before the slash as the field manager.
        self._client.user_agent = f"{FIELD_MANAGER}/{__version__}"

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[Json, None]:
        """Yield the events of one watch until the API server ends it. Raises `ApiError`."""
        everything = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_LONGEST_WATCH),
        }
        prepared = await self._client.param_serialize(
            "GET",
            path,
            query_params=list(everything.items()),
            header_params={"Accept": JSON},
            auth_settings=["BearerToken"],
        )
        limit = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_LONGEST_WATCH + 30)
        try:
            answer = (await self._client.call_api(*prepared, _request_timeout=limit)).response
        except (aiohttp.ClientError, ApiException, OSError, TimeoutError) as error:
            raise Unavailable(f"WATCH {path}: no answer: {type(error).__name__}") from None
        try:
            async for event in _events(answer, f"WATCH {path}"):
                yield event
        finally:
            answer.close()


async def _events(answer: aiohttp.ClientResponse, what: str) -> AsyncIterator[Json]:
    if answer.status != 200:
        raise _refusal(what, answer.status, await answer.read())
    try:
        async for line in answer.content:
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise _refusal(what, int(status.get("code", 500)), json.dumps(status).encode())
            yield event
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
        raise Unavailable(f"{what}: the answer broke off: {type(error).__name__}") from None


def _refusal(what: str, status: int, data: bytes) -> ApiError:
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    answer = body if isinstance(body, dict) else None
    return error_of(what, status, answer, retry_after=None, json_patch=False)


@contextlib.asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Connection]:
    """Log in, and close the connection in the end. Raises CommandError."""
    configuration = Configuration()
    try:
        await login_for(place.kubeconfig, place.context)(configuration)
        connection = Connection(configuration, place)
    except Unauthorized as error:
        what = f"context {place.context} of the kubeconfig" if place.context else "the account"
        raise CommandError(f"{error}: correct {what}, or write --context", REFUSED) from None
    except (ValueError, OSError) as error:  # a certificate or a key that is none, or is not there
        what = f"the certificates of context {place.context}" if place.context else "the account"
        name = type(error).__name__
        raise CommandError(f"cannot log in: {name}: correct {what}", REFUSED) from None
    try:
        yield connection
    finally:
        await connection.close()


def said(
    error: ApiError, verb: str, resource: str, place: Place, namespace: str | None
) -> CommandError:
    """Return what to tell about an error of a request, and what to do about it.

    `namespace`: where it was asked; None: in all namespaces.
    """
    if isinstance(error, Forbidden):
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        role = "Role" if namespace else "ClusterRole"
        can_i = ["auth", "can-i", verb, f"{resource}.{GROUP}", *([] if namespace else ["-A"])]
        return CommandError(
            f"you may not {verb} {resource} {where}: ask for a {role} with the verb {verb} on "
            f"{resource} of the API group {GROUP}; to check: {place.kubectl(*can_i)}"
        )
    if isinstance(error, Unauthorized):
        return CommandError(
            "the API server does not accept your credentials: log in again, or write --context"
        )
    if isinstance(error, Unavailable):
        return CommandError(
            f"the API server cannot be asked ({error}): try again, or correct --context"
        )
    return CommandError(f"the API server refuses this: {error}")


Run = Callable[[Connection, Place, argparse.Namespace], Awaitable[int]]


def in_cluster(run: Run) -> Callable[[argparse.Namespace], int]:
    """Return what executes a command that needs a cluster."""

    def execute(chosen: argparse.Namespace) -> int:
        async def connect_and_run() -> int:
            place = place_of(chosen)
            async with connected(place) as connection:
                return await run(connection, place, chosen)

        return ended(chosen, lambda: asyncio.run(connect_and_run()))

    return execute


def ended(chosen: argparse.Namespace, run: Callable[[], int]) -> int:
    """Run a command; return its exit status, whatever ends it."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without Unicode must not end a command in the middle of a table.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = run()
        sys.stdout.flush()
    except CommandError as error:
        tell(f"{program()} {chosen.command}: {error}")
        return error.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status
