"""Secrets and ConfigMaps that ModelRollouts name, read at most once a minute."""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from model_rollout.engine.hosts import ALLOWED_HOSTS_ANNOTATION
from model_rollout.ports.kubernetes import ApiError, Cluster, Forbidden, Json, Key, Unavailable

_KEPT = 60.0
"""Seconds for which a Secret or ConfigMap is not read again."""
_AGAIN = 10.0
"""The same for one that could not be used: whoever repairs it should not have to wait."""
_DROPPED = 600.0


class Unusable(Exception):
    """A document is missing, or does not hold what is needed; the sentence says what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Contents:
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
            raise Unusable(f"{self} has no key {key}: add it")
        try:
            text = value if self.kind == "ConfigMap" else base64.b64decode(value).decode()
        except ValueError:  # also what is no base64 and what is no UTF-8
            raise Unusable(f"the key {key} of {self} is no text") from None
        if not text.strip():
            raise Unusable(f"the key {key} of {self} is empty")
        return str(text)

    def line(self, key: str) -> str:
        """Return the text under a key without the newline that editors add; it must be one line."""
        line = self.text(key).rstrip("\r\n")
        if not line.isprintable():
            raise Unusable(
                f"the key {key} of {self} holds a line break or another control character: write "
                "it in one line"
            )
        return line


class Documents:
    """Reads and keeps Secrets and ConfigMaps. Belongs to one event loop."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic, in seconds."""
        self._readers = {"Secret": cluster.secret, "ConfigMap": cluster.config_map}
        self._clock = clock
        self._documents: dict[tuple[str, Key], _Document] = {}

    async def read(self, kind: str, key: Key) -> Contents:
        """Return what a Secret or ConfigMap holds; raises `Unusable`."""
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
            raise Unusable(document.found)
        return Contents(kind, key, document.found or {})

    def read_again_soon(self, kind: str, key: Key) -> None:
        """What it holds cannot be used, or is not accepted: somebody may repair it."""
        document = self._documents.get((kind, key))
        if document:
            document.lifetime = _AGAIN  # not at once, or every check of every guard reads it

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
