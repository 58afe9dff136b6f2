"""TLS contexts from PEM texts, each built once and kept while it is in use."""

import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from model_rollout.analysis.measurement import ErrorKind, QueryError

_Identity = tuple[str, str, str]
_Context = ssl.SSLContext | QueryError

_BAD_BUNDLE = QueryError(ErrorKind.TLS, "the CA bundle holds no certificates in PEM")
_BAD_CLIENT = QueryError(
    ErrorKind.TLS,
    "the client certificate and its key are not PEM, not a pair, or the key has a passphrase",
)


class TlsContexts:
    """Of all endpoints; those with the same certificates share one.

    Connection pools are keyed by the context, so different identities never share a connection.
    Not for several threads at once.
    """

    KEPT = 64
    UNUSED_AFTER = 600.0

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic, in seconds."""
        self._clock = clock
        self._contexts: OrderedDict[_Identity, tuple[float, _Context]] = OrderedDict()

    def of(
        self, ca_bundle: str = "", client_certificate: str = "", client_key: str = ""
    ) -> _Context:
        """Return the context, or why there is none. Building one takes milliseconds."""
        identity = (ca_bundle, client_certificate, client_key)
        found = self._contexts.pop(identity, None)
        now = self._clock()
        if found is None:
            self._forget(now)
            context = _build(*identity)
        else:
            context = found[1]
        self._contexts[identity] = (now, context)  # the last one is the one used last
        return context

    def _forget(self, now: float) -> None:
        """Users write the identities, and rotate them: keep no more than needed."""
        while self._contexts:
            identity, (used, _) = next(iter(self._contexts.items()))
            if len(self._contexts) < self.KEPT and now - used < self.UNUSED_AFTER:
                return
            del self._contexts[identity]


def _build(ca_bundle: str, certificate: str, key: str) -> _Context:
    try:
        # An empty bundle means the authorities of the system; with one they are not trusted. Names
        # between the certificates need not be ASCII, what the ssl module takes has to be.
        readable = ca_bundle.encode("ascii", "replace").decode()
        context = ssl.create_default_context(cadata=readable or None)
    except (OSError, ValueError):  # an SSLError is an OSError
        return _BAD_BUNDLE
    context.set_alpn_protocols(["http/1.1"])
    if not certificate and not key:
        return context
    try:
        with _private_file(f"{certificate}\n{key}\n") as path:
            context.load_cert_chain(path, password=_no_passphrase)
    except (OSError, ValueError):
        return _BAD_CLIENT
    return context


def _no_passphrase() -> str:
    """Without this, OpenSSL would ask for the passphrase of a key at the terminal, and wait."""
    raise ValueError("the key has a passphrase")


@contextmanager
def _private_file(text: str) -> Iterator[str]:
    """The ssl module reads keys from files only: one in memory, or one that nobody else can read."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(text.encode())
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(text.encode())
            file.flush()
            yield file.name
