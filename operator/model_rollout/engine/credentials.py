"""From what a ModelRollout names to the server that is asked, with what its Secrets hold."""

import base64
import time
from collections.abc import Callable

from model_rollout.api.http_component import HttpComponent
from model_rollout.api.prometheus import CaBundleRef, Prometheus, SecretRef, TokenRef
from model_rollout.engine.documents import Contents, Documents, Unusable
from model_rollout.engine.hosts import ALLOWED_HOSTS_ANNOTATION, allows, target_of
from model_rollout.ports.http import HttpEndpoint
from model_rollout.ports.kubernetes import Cluster, Key
from model_rollout.ports.prometheus import Endpoint


class Credentials:
    """Reads Secrets and ConfigMaps where a ModelRollout names them. Belongs to one event loop.

    Nothing that it returns as a problem holds a value that it read.
    """

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic, in seconds."""
        self._documents = Documents(cluster, clock)

    async def resolve(self, namespace: str, prometheus: Prometheus, url: str) -> Endpoint | str:
        """Return the endpoint, or one sentence that says what is missing and what to create.

        Args:
            namespace: Of the ModelRollout; Secrets and ConfigMaps are read there only.
            prometheus: `spec.prometheus`.
            url: The server's base URL: that of `prometheus`, or the operator's default.
        """
        try:
            return await self._endpoint(namespace, prometheus, url.rstrip("/"))
        except Unusable as problem:
            self.refused(namespace, prometheus)
            return problem.sentence

    async def resolve_http(self, namespace: str, component: HttpComponent) -> HttpEndpoint | str:
        """Return where the value of a component is, or one sentence as above."""
        try:
            return HttpEndpoint(
                component.url,
                component.check_url,
                authorization=await self._bearer(
                    namespace, component.auth_secret_ref, component.url, component.check_url
                ),
                ca_bundle=await self._ca_bundle(namespace, component.ca_bundle_ref, component.url),
            )
        except Unusable as problem:
            self.refused(namespace, component)
            return problem.sentence

    def refused(self, namespace: str, server: Prometheus | HttpComponent) -> None:
        """Read everything again soon: what it holds cannot be used, or the server refuses it."""
        refs: list[tuple[str, TokenRef | SecretRef | CaBundleRef | None]] = [
            ("Secret", server.auth_secret_ref),
            ("ConfigMap", server.ca_bundle_ref),
        ]
        if isinstance(server, Prometheus):
            refs += [
                ("Secret", server.basic_auth_secret_ref),
                ("Secret", server.client_cert_secret_ref),
            ]
        for kind, ref in refs:
            if ref is not None:
                self._documents.read_again_soon(kind, Key(namespace, ref.name))

    async def _endpoint(self, namespace: str, prometheus: Prometheus, url: str) -> Endpoint:
        ca_bundle = await self._ca_bundle(namespace, prometheus.ca_bundle_ref, url)
        certificate, key = await self._client_certificate(namespace, prometheus, url)
        return Endpoint(
            url,
            tenant=prometheus.tenant or "",
            authorization=await self._authorization(namespace, prometheus, url),
            ca_bundle=ca_bundle,
            client_certificate=certificate,
            client_key=key,
        )

    async def _authorization(self, namespace: str, prometheus: Prometheus, url: str) -> str:
        if basic := prometheus.basic_auth_secret_ref:
            secret = await self._secret(Key(namespace, basic.name), url)
            user = secret.line("username")
            if ":" in user:
                raise Unusable(f"the username in {secret} must not hold a colon")
            pair = f"{user}:{secret.line('password')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return await self._bearer(namespace, prometheus.auth_secret_ref, url)

    async def _bearer(self, namespace: str, ref: TokenRef | None, *urls: str) -> str:
        if ref is None:
            return ""
        secret = await self._secret(Key(namespace, ref.name), *urls)
        token = secret.line(ref.key)
        if not token.isascii() or " " in token:
            raise Unusable(
                f"the key {ref.key} of {secret} is no token: write the token alone, without "
                "the word Bearer"
            )
        return f"Bearer {token}"

    async def _client_certificate(
        self, namespace: str, prometheus: Prometheus, url: str
    ) -> tuple[str, str]:
        ref = prometheus.client_cert_secret_ref
        if ref is None:
            return "", ""
        _needs_https("clientCertSecretRef", url)
        secret = await self._secret(Key(namespace, ref.name), url)
        return secret.text("tls.crt"), secret.text("tls.key")

    async def _ca_bundle(self, namespace: str, ref: CaBundleRef | None, url: str) -> str:
        if ref is None:
            return ""
        _needs_https("caBundleRef", url)
        found = await self._documents.read("ConfigMap", Key(namespace, ref.name))
        return found.text(ref.key)

    async def _secret(self, key: Key, *urls: str) -> Contents:
        """Return a Secret whose owner allows it to be sent to the hosts of all `urls`."""
        targets = [target_of(url) for url in urls]
        if None in targets:
            raise Unusable("nothing secret is sent to such a URL: write it as https://host:port")
        found = await self._documents.read("Secret", key)
        for target in filter(None, targets):
            if not allows(found.allowed_hosts, target):
                raise Unusable(
                    f"{found} may not be sent to {target}: add {target.entry} to its annotation "
                    f"{ALLOWED_HOSTS_ANNOTATION}"
                )
        return found


def _needs_https(field_name: str, url: str) -> None:
    if not url.lower().startswith("https://"):
        raise Unusable(f"{field_name} needs a URL that begins with https://")
