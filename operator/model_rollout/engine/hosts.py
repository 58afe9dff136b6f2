"""Where a Secret may be sent: only to hosts that its owner names in an annotation of it."""

import re
from dataclasses import dataclass

ALLOWED_HOSTS_ANNOTATION = "modelrollout.dev/allowed-hosts"
"""On a Secret: hosts, comma separated, each as `HOST` (any port), `HOST:PORT`, or with a scheme.

Only an entry that begins with `http://` allows a connection without TLS.
"""

# Narrower than what a URL may be: where two programs could read different hosts out of one text,
# nothing secret is sent.
_HOST = r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
_URL = re.compile(rf"(?P<scheme>https?)://{_HOST}(?:/[!-~]*)?", re.ASCII)
_ENTRY = re.compile(rf"(?:(?P<scheme>https?)://)?{_HOST}/?", re.ASCII)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL connects to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def entry(self) -> str:
        """Return the narrowest entry that allows it."""
        return f"http://{self}" if self.scheme == "http" else str(self)


def target_of(url: str) -> Target | None:
    """Return what a URL connects to; None when that is not beyond doubt."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    port = int(found["port"] or _PORTS[found["scheme"]])
    return Target(found["scheme"], _normal(found["host"]), port)


def allows(annotation: str, target: Target) -> bool:
    """Tell whether one of the entries names this target. Entries that are none allow nothing."""
    return any(_names(entry.strip(), target) for entry in annotation.split(","))


def _names(entry: str, target: Target) -> bool:
    found = _ENTRY.fullmatch(entry)
    if found is None or _normal(found["host"]) != target.host:
        return False
    scheme, port = found["scheme"], found["port"]
    if (scheme or "https") != target.scheme:
        return False
    if port is None:
        return scheme is None or target.port == _PORTS[scheme]
    return int(port) == target.port


def _normal(host: str) -> str:
    return host.lower().removesuffix(".")
