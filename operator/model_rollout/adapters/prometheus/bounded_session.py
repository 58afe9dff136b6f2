"""A session for prometheus-api-client that adds what the library leaves out."""

import io
import ssl
import time
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from model_rollout.adapters.prometheus.parse import refusal
from model_rollout.analysis.measurement import ErrorKind, QueryError
from model_rollout.ports.prometheus import Endpoint

_CHUNK = 64 * 1024
_CONNECT_TIMEOUT = 5.0


class RefusedError(Exception):
    """Takes a typed error through the library, whose own exceptions hold the body of the answer."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(error.kind)
        self.error = error


class BoundedSession(requests.Session):
    """Of one question: a deadline, a size limit, form bodies, no redirects, the endpoint's identity."""

    def __init__(
        self, endpoint: Endpoint, context: ssl.SSLContext, deadline: float, max_bytes: int
    ) -> None:
        """`deadline`: on the monotonic clock; `max_bytes`: of one answer."""
        super().__init__()
        self.trust_env = False  # else credentials of a .netrc go to any host that is named there
        self.headers["Accept-Encoding"] = "identity"
        # As bytes: text would be sent as Latin-1, or not at all.
        self.headers.update({name: text.encode() for name, text in endpoint.headers.items()})
        self._url = endpoint.url.rstrip("/")
        self._context = context
        self._deadline = deadline
        self._max_bytes = max_bytes

    def client(self) -> PrometheusConnect:
        """Return the library's client on top of this session."""
        retry = Retry(0, connect=1)
        client = PrometheusConnect(url=self._url, session=self, method="POST", retry=retry)
        self.mount(self._url, _TlsAdapter(self._context, retry))  # in place of the library's own
        return client

    def request(self, method: Any, url: Any, *_: Any, **kwargs: Any) -> requests.Response:
        """Send what PrometheusConnect asks for. It puts the query into the URL even for POST."""
        left = self._left()
        response = super().request(
            method,
            url,
            data=kwargs.get("params"),
            timeout=(min(_CONNECT_TIMEOUT, left), left),
            allow_redirects=False,
            stream=True,
        )
        try:
            body = self._read(response)
        finally:
            response.close()
        if response.status_code != 200:
            raise RefusedError(refusal(response.status_code, body))
        response.raw = io.BytesIO(body)
        return response

    def _read(self, response: requests.Response) -> bytes:
        """`read1`, because `read` waits for a whole chunk: one byte a minute would never end."""
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                error = QueryError(ErrorKind.TOO_LARGE, f"more than {self._max_bytes} bytes")
                raise RefusedError(error)
            self._left()
        return bytes(body)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise RefusedError(QueryError(ErrorKind.TIMEOUT, "the answer came too slowly"))
        return left


class _TlsAdapter(HTTPAdapter):
    """Trusts what the context trusts, and nothing else: requests would add authorities of its own."""

    def __init__(self, context: ssl.SSLContext, retry: Retry) -> None:
        self._context = context
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, *_: Any) -> None:
        """Verification is the context's."""
