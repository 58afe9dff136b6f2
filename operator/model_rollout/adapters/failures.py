"""Why there was no answer over HTTP: from what aiohttp raises to a class of errors."""

import ssl

import aiohttp

from model_rollout.analysis.measurement import ErrorKind

# The first class that fits names the error, so subclasses come before their bases.
_KINDS: tuple[tuple[type[BaseException], ErrorKind], ...] = (
    (TimeoutError, ErrorKind.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, ErrorKind.DNS),
    (aiohttp.ClientConnectorCertificateError, ErrorKind.TLS),
    (aiohttp.ClientSSLError, ErrorKind.TLS),
    (ssl.SSLError, ErrorKind.TLS),
    (aiohttp.ClientConnectorError, ErrorKind.REFUSED),
    (aiohttp.InvalidURL, ErrorKind.CLIENT),
    (aiohttp.NonHttpUrlClientError, ErrorKind.CLIENT),
    (aiohttp.ClientPayloadError, ErrorKind.MALFORMED),
    (aiohttp.ClientResponseError, ErrorKind.MALFORMED),
    (aiohttp.ClientError, ErrorKind.SERVER),
    (OSError, ErrorKind.REFUSED),
)


def kind_of(error: Exception) -> ErrorKind:
    """Return the class of a ClientError, OSError or ValueError that a request ended in."""
    if isinstance(error.__cause__, ssl.SSLError):
        error = error.__cause__  # TLS 1.3: a server refuses a certificate after the handshake
    fitting = (kind for cls, kind in _KINDS if isinstance(error, cls))
    return next(fitting, ErrorKind.CLIENT)  # the rest are ValueErrors: the URL is none
