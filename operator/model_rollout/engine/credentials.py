"""From `spec.prometheus` to the endpoint that is asked, with what its Secrets hold."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from model_rollout.api.prometheus import Prometheus
from model_rollout.engine.hosts import ALLOWED_HOSTS_ANNOTATION, allows, target_of
from model_rollout.ports.kubernetes import ApiError, Cluster, Forbidden, Json, Key, Unavailable
from model_rollout.ports.prometheus import Endpoint

_KEPT = 60.0
"""Seconds for which a Secret or ConfigMap is not read again."""
_AGAIN = 10.0
"""The same for one that could not be used: whoever repairs it should not have to wait."""
_DROPPED = 600.0


class Credentials:
    """Reads Secrets and ConfigMaps where a ModelRollout names them. Belongs to one event loop.

    Nothing that it returns as a problem holds a value that it read.
    """

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic, in seconds."""
        self._readers = {"Secret": cluster.secret, "ConfigMap": cluster.config_map}
        self._clock = clock
        self._documents: dict[tuple[str, Key], _Document] = {}

    async def resolve(self, namespace: str, prometheus: Prometheus, url: str) -> Endpoint | str:
        """Return the endpoint, or one sentence that says what is missing and what to create.

        Args:
            namespace: Of the ModelRollout; Secrets and ConfigMaps are read there only.
            prometheus: `spec.prometheus`.
            url: The server's base URL: that of `prometheus`, or the operator's default.
        """
        try:
            return await self._endpoint(namespace, prometheus, url.rstrip("/"))
        except _ProblemError as problem:
            self.refused(namespace, prometheus)
            return problem.sentence

    def refused(self, namespace: str, prometheus: Prometheus) -> None:
        """Read everything again soon: what it holds cannot be used, or the server refuses it."""
        for kind, ref in (
            ("Secret", prometheus.auth_secret_ref),
            ("Secret", prometheus.basic_auth_secret_ref),
            ("Secret", prometheus.client_cert_secret_ref),
            ("ConfigMap", prometheus.ca_bundle_ref),
        ):
            document = ref and self._documents.get((kind, Key(namespace, ref.name)))
            if document:
                document.lifetime = _AGAIN  # not at once, or every check of every guard reads it

    async def _endpoint(self, namespace: str, prometheus: Prometheus, url: str) -> Endpoint:
        ca_bundle = await self._ca_bundle(namespace, prometheus, url)
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
        if ref := prometheus.auth_secret_ref:
            secret = await self._secret(Key(namespace, ref.name), url)
            token = secret.line(ref.key)
            if not token.isascii() or " " in token:
                raise _ProblemError(
                    f"the key {ref.key} of {secret} is no token: write the token alone, without "
                    "the word Bearer"
                )
            return f"Bearer {token}"
        if basic := prometheus.basic_auth_secret_ref:
            secret = await self._secret(Key(namespace, basic.name), url)
            user = secret.line("username")
            if ":" in user:
                raise _ProblemError(f"the username in {secret} must not hold a colon")
            pair = f"{user}:{secret.line('password')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return ""

    async def _client_certificate(
        self, namespace: str, prometheus: Prometheus, url: str
    ) -> tuple[str, str]:
        ref = prometheus.client_cert_secret_ref
        if ref is None:
            return "", ""
        _needs_https("clientCertSecretRef", url)
        secret = await self._secret(Key(namespace, ref.name), url)
        return secret.text("tls.crt"), secret.text("tls.key")

    async def _ca_bundle(self, namespace: str, prometheus: Prometheus, url: str) -> str:
        ref = prometheus.ca_bundle_ref
        if ref is None:
            return ""
        _needs_https("caBundleRef", url)
        found = await self._read("ConfigMap", Key(namespace, ref.name))
        return found.text(ref.key)

    async def _secret(self, key: Key, url: str) -> "_Contents":
        """Return a Secret whose owner allows it to be sent to the host of `url`."""
        target = target_of(url)
        if target is None:
            raise _ProblemError(
                "nothing secret is sent to such a URL: write it as https://host:port"
            )
        found = await self._read("Secret", key)
        if not allows(found.allowed_hosts, target):
            raise _ProblemError(
                f"{found} may not be sent to {target}: add {target.entry} to its annotation "
                f"{ALLOWED_HOSTS_ANNOTATION}"
            )
        return found

    async def _read(self, kind: str, key: Key) -> "_Contents":
        now = self._clock()
        document = self._documents.get((kind, key))
        if document is None:
            self._forget(now)
            document = self._documents[kind, key] = _Document()
        if document.reading is None and now - document.read >= document.lifetime:
            document.reading = asyncio.create_task(self._refresh(document, kind, key))
        if document.reading is not None:
            # Shielded: one check that is cancelled must not take the answer from the others.
            await asyncio.shield(document.reading)
        if isinstance(document.found, str):
            raise _ProblemError(document.found)
        return _Contents(kind, key, document.found or {})

    async def _refresh(self, document: "_Document", kind: str, key: Key) -> None:
        named = f"the {kind} {key.name} in namespace {key.namespace}"
        try:
            found = await self._readers[kind](key)
            document.found = f"there is no {named[4:]}: create it" if found is None else found
        except Forbidden:
            document.found = (
                f"the operator may not read {named}: create a Role there with the verb get on "
                f"{kind.lower()}s, resourceNames [{key.name}], and a RoleBinding of it to the "
                "operator's ServiceAccount"
            )
        except Unavailable:
            # What was read before is still the best that is known.
            if not isinstance(document.found, dict):
                document.found = f"{named} could not be read: the API server gave no answer"
        except ApiError:
            document.found = f"{named} could not be read: the API server refused to"
        finally:
            document.reading = None
            document.read = self._clock()
            document.lifetime = _KEPT if isinstance(document.found, dict) else _AGAIN

    def _forget(self, now: float) -> None:
        """Keep nothing of what is not used any more."""
        for name, document in list(self._documents.items()):
            if document.reading is None and now - document.read >= _DROPPED:
                del self._documents[name]


class _Document:
    """A Secret or ConfigMap as it was read last, or why it could not be."""

    def __init__(self) -> None:
        self.found: Json | str | None = None
        self.read = 0.0
        self.lifetime = 0.0
        self.reading: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Contents:
    """What is in a Secret or ConfigMap."""

    kind: str
    key: Key
    body: Json = field(repr=False)

    def __str__(self) -> str:
        return f"the {self.kind} {self.key.name} in namespace {self.key.namespace}"

    @property
    def allowed_hosts(self) -> str:
        """The annotation of that name."""
        annotations = self.body.get("metadata", {}).get("annotations") or {}
        return str(annotations.get(ALLOWED_HOSTS_ANNOTATION, ""))

    def text(self, key: str) -> str:
        """Return the text under a key, of which there must be some."""
        value = (self.body.get("data") or {}).get(key)
        if value is None:
            raise _ProblemError(f"{self} has no key {key}: add it")
        try:
            text = value if self.kind == "ConfigMap" else base64.b64decode(value).decode()
        except ValueError:  # also what is no base64 and what is no UTF-8
            raise _ProblemError(f"the key {key} of {self} is no text") from None
        if not text.strip():
            raise _ProblemError(f"the key {key} of {self} is empty")
        return str(text)

    def line(self, key: str) -> str:
        """Return the text under a key without the newline that editors add; it must be one line."""
        line = self.text(key).rstrip("\r\n")
        if not line.isprintable():
            raise _ProblemError(
                f"the key {key} of {self} holds a line break or another control character: write "
                "it in one line"
            )
        return line


class _ProblemError(Exception):
    """Why there is no endpoint."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def _needs_https(field_name: str, url: str) -> None:
    if not url.lower().startswith("https://"):
        raise _ProblemError(f"{field_name} needs a URL of Prometheus that begins with https://")
