"""The few calls that the local node makes, on aiohttp."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import aiohttp
from kubernetes.aio import client, config

_TIMEOUT = aiohttp.ClientTimeout(total=10)
# Pods may be as large as etcd's limit of 1.5 MiB, and a watch sends each in one line.
_LINE_LIMIT = 4 * 1024 * 1024

STRATEGIC_MERGE = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
# What a call may fail with while the API server is away: wait and try again.
UNREACHABLE = (aiohttp.ClientError, TimeoutError, ConnectionError)


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status

    @property
    def is_transient(self) -> bool:
        return self.status == 429 or self.status >= 500


class KubeApi:
    def __init__(self, server: str, ca: str, certificate: str, key: str) -> None:
        self._certificate, self._key = certificate, key
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(server, connector=connector, read_bufsize=_LINE_LIMIT)

    @classmethod
    async def from_kubeconfig(cls, path: str) -> Self:
        """The kubeconfig must hold a client certificate, as kwokctl's does."""
        loaded = client.Configuration()
        await config.load_kube_config(path, client_configuration=loaded)
        return cls(
            loaded.host, str(loaded.ssl_ca_cert), str(loaded.cert_file), str(loaded.key_file)
        )

    def serving_context(self) -> ssl.SSLContext:
        """For a server that the API server talks to: it does not verify the certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key)
        return context

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str, **parameters: str) -> dict[str, Any]:
        return await self._call("GET", path, params=parameters)

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call("POST", path, json=body)

    async def patch(self, path: str, body: Mapping[str, Any], *, kind: str) -> dict[str, Any]:
        return await self._call(
            "PATCH", path, data=json.dumps(body), headers={"Content-Type": kind}
        )

    async def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call("DELETE", path, json=body)

    async def watch(self, path: str, **parameters: str) -> AsyncIterator[dict[str, Any]]:
        """Events until the server ends the watch. An ERROR event (as 410 Gone) raises."""
        parameters |= {"watch": "true", "allowWatchBookmarks": "true"}
        timeout = aiohttp.ClientTimeout(
            sock_connect=5, sock_read=90
        )  # bookmarks come every minute: longer is a dead line
        async with self._session.get(path, params=parameters, timeout=timeout) as answer:
            await _raise_for_error(answer)
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(
                        event["object"].get("code", 500), event["object"].get("message", "")
                    )
                yield event

    async def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        async with self._session.request(method, path, timeout=_TIMEOUT, **arguments) as answer:
            await _raise_for_error(answer)
            body: dict[str, Any] = await answer.json()
            return body


async def _raise_for_error(answer: aiohttp.ClientResponse) -> None:
    if answer.status >= 400:
        text = await answer.text()
        try:
            message = json.loads(text)["message"]
        except (ValueError, KeyError, TypeError):
            message = text[:200]
        raise ApiError(answer.status, message)
