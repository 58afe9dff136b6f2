"""A reverse proxy in front of the real Prometheus whose faults are switched while tests run.

Every body that it makes up holds `CANARY`: a text that must never show up where people, or other
tenants, read what the operator says.
"""

import contextlib
import functools
import json
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Json = dict[str, Any]

CANARY = "canary-of-a-faulty-prometheus"
OVERSIZE = 2 * 1024 * 1024
BOMB_SIZE = 256 * 1024 * 1024
_DRIP_PAUSE = 0.2


class Fault(StrEnum):
    """What becomes of a request instead of being passed on."""

    REFUSED = "refused"  # the port is closed
    UNAVAILABLE = "503"  # as Prometheus answers while it starts
    BAD_GATEWAY = "502"  # HTML of a load balancer in front of nothing
    UNKNOWN_ERROR = "500"  # an error type that Prometheus does not have
    FORBIDDEN = "403"
    UNAUTHORIZED = "401"
    ERROR_STATUS = "status:error"  # with code 200
    HANGS = "hangs"  # accepts, never answers
    DRIPS = "drips"  # a valid answer, one byte at a time, for ever
    TRUNCATED = "truncated"  # JSON that ends in the middle
    CUT_OFF = "cut off"  # the connection ends before the announced length
    OVERSIZED = "oversized"
    BOMB = "bomb"  # small on the wire, `BOMB_SIZE` unpacked
    REDIRECT = "redirect"
    HTML = "html"  # with code 200, as a login page
    STRING = "string"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it arrived, whatever became of it."""

    time: float
    """In seconds since the epoch, to be compared with what the operator writes down."""
    path: str
    headers: dict[str, str]
    promql: str = ""


class PrometheusProxy:
    """`with PrometheusProxy(url) as proxy:` listens on a free port of 127.0.0.1."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._fault: Fault | None = None
        self._only = ""
        self._accepted = ""
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._questions: list[Question] = []
        # Bound for as long as the proxy lives and never listening: nobody else can take the port
        # while it is closed.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._changed.set()
        self._close()
        self._reserved.close()

    @property
    def url(self) -> str:
        host, port = self._reserved.getsockname()
        return f"http://{host}:{port}"

    def inject(self, fault: Fault, *, only: str = "") -> None:
        """From now on until the next fault or `clear`; requests that hang already end unanswered.

        `only`: for paths that end like this.
        """
        self._switch(fault, only)

    def clear(self) -> None:
        """Pass everything on again."""
        self._switch(None, "")

    def require(self, authorization: str) -> None:
        """From now on answer 401 to whoever does not send this `Authorization`."""
        with self._lock:
            self._accepted = authorization

    def questions(self, path: str = "") -> list[Question]:
        """Return the requests so far, oldest first; those that a closed port refused are not known."""
        with self._lock:
            return [question for question in self._questions if question.path.endswith(path)]

    def _switch(self, fault: Fault | None, only: str) -> None:
        with self._lock:
            self._fault, self._only, changed = fault, only, self._changed
            self._changed = threading.Event()
        changed.set()
        if fault is Fault.REFUSED:
            self._close()
        elif self._server is None:
            self._open()

    def _open(self) -> None:
        self._server = _Server(self._reserved.getsockname(), self._handler())
        self._server.start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                # A client that loses patience goes away in the middle: that is what is tested.
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.serve(self, body)

            def do_GET(self) -> None:
                proxy.serve(self, None)

            def log_message(self, *_: Any) -> None:
                """The requests are recorded."""

        return Handler

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        path = handler.path.partition("?")[0]
        question = Question(time.time(), path, dict(handler.headers), _promql(handler, body))
        with self._lock:
            self._questions.append(question)
            fault = self._fault if path.endswith(self._only) else None
            changed = self._changed
            if self._accepted and handler.headers.get("Authorization") != self._accepted:
                fault = Fault.UNAUTHORIZED
        if fault is None:
            _send(handler, *self._pass_on(handler, body))
        elif fault is Fault.HANGS:
            changed.wait()
        elif fault is Fault.DRIPS:
            _drip(handler, changed)
        else:
            _send(handler, *_ANSWERS[fault]())

    def _pass_on(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> "_Answer":
        address = self._upstream + handler.path
        kind = handler.headers.get("Content-Type", "application/x-www-form-urlencoded")
        request = urllib.request.Request(address, data=body, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, dict(_JSON), answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, dict(_JSON), refusal.read()


class _Server(ThreadingHTTPServer):
    """Of one period in which the port is open."""

    daemon_threads = True
    allow_reuse_address = True

    def start(self) -> None:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


def _promql(handler: BaseHTTPRequestHandler, body: bytes | None) -> str:
    sent = handler.path.partition("?")[2] if body is None else body.decode(errors="replace")
    return urllib.parse.parse_qs(sent).get("query", [""])[0]


_Answer = tuple[int, dict[str, str], bytes]
_JSON = {"Content-Type": "application/json"}
_PAGE = f"<html><body><h1>Log in to {CANARY}</h1></body></html>".encode()


def _send(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _drip(handler: BaseHTTPRequestHandler, changed: threading.Event) -> None:
    """Spaces are valid JSON: nothing but a deadline for the whole answer ends this."""
    handler.send_response(200)
    for name, value in (_JSON | {"Content-Length": "1000000"}).items():
        handler.send_header(name, value)
    handler.end_headers()
    while not changed.wait(_DRIP_PAUSE):
        handler.wfile.write(b" ")


def _json(status: int, body: bytes, **headers: str) -> _Answer:
    return status, _JSON | {name.replace("_", "-"): text for name, text in headers.items()}, body


def _page(status: int) -> _Answer:
    return status, {"Content-Type": "text/html"}, _PAGE


def _error(kind: str) -> bytes:
    text = {"status": "error", "errorType": kind, "error": CANARY, "data": CANARY}
    return json.dumps(text).encode()


def _value() -> bytes:
    return _success("vector", [{"metric": {"canary": CANARY}, "value": [time.time(), "0.95"]}])


def _histogram() -> Json:
    buckets = [[0, "0.5", "1", "1"]]
    histogram = {"count": "1", "sum": "0.95", "buckets": buckets}
    return {"metric": {"canary": CANARY}, "histogram": [time.time(), histogram]}


def _success(kind: str, result: object) -> bytes:
    text = {"status": "success", "data": {"resultType": kind, "result": result}}
    return json.dumps(text).encode()


@functools.cache
def _bomb() -> bytes:
    """Spaces, so that a reader without a limit would even find a valid value at the end."""
    return b"".join(_packed())


def _packed() -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    for _ in range(BOMB_SIZE // (1024 * 1024)):
        yield packer.compress(b" " * 1024 * 1024)
    yield packer.compress(_value())
    yield packer.flush()


_ANSWERS: dict[Fault, Callable[[], _Answer]] = {
    Fault.UNAVAILABLE: lambda: _json(503, _error("unavailable")),
    Fault.BAD_GATEWAY: lambda: _page(502),
    Fault.UNKNOWN_ERROR: lambda: _json(500, _error(CANARY)),
    Fault.UNAUTHORIZED: lambda: _json(401, CANARY.encode(), WWW_Authenticate=CANARY),
    Fault.FORBIDDEN: lambda: _json(403, CANARY.encode(), WWW_Authenticate=CANARY),
    Fault.ERROR_STATUS: lambda: _json(200, _error("internal")),
    Fault.TRUNCATED: lambda: _json(200, _value()[:-20]),
    Fault.CUT_OFF: lambda: _json(200, _value(), Content_Length="1000"),
    # A valid answer but for its size.
    Fault.OVERSIZED: lambda: _json(200, b" " * OVERSIZE + _value()),
    Fault.BOMB: lambda: _json(200, _bomb(), Content_Encoding="gzip"),
    Fault.REDIRECT: lambda: _json(302, CANARY.encode(), Location=f"/redirected/{CANARY}"),
    Fault.HTML: lambda: _page(200),
    Fault.STRING: lambda: _json(200, _success("string", [time.time(), CANARY])),
    Fault.HISTOGRAM: lambda: _json(200, _success("vector", [_histogram()])),
}
