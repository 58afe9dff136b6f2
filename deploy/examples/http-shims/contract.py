"""The server's side of docs/http-components.md, over anything that can read and set one value."""

import hmac
import json
import os
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

VALUE, CHECK = "/alias", "/alias/check"

_MAX_REQUEST = 64 * 1024
_MAX_ANSWER = 16 * 1024 * 1024


class Fault(Exception):
    """Is answered with an HTTP code and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Store(Protocol):
    """Where the value is. Every method may raise `Fault`."""

    def read(self) -> str:
        """Return the value that there is."""
        ...

    def check(self, value: str) -> None:
        """Raise `Fault` with 422 when the value cannot be set."""
        ...

    def write(self, value: str) -> None:
        """Set a value that was checked."""
        ...


class Backend:
    """Requests to the API that is wrapped: JSON, no redirects, no proxies of the environment."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        """`headers`: sent with every request, but for those without a value."""
        self._url = urlsplit(url.rstrip("/"))
        self._headers = {name: value for name, value in headers.items() if value}

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return the code and the JSON object; raises `Fault` when there is none."""
        connect = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = connect(self._url.netloc, timeout=5)
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            data = json.dumps(body) if body else None
            connection.request(method, self._url.path + path, data, headers)
            answer = connection.getresponse()
            found = json.loads(answer.read(_MAX_ANSWER))
        except (OSError, HTTPException, ValueError) as error:
            raise Fault(503, f"no answer that can be used: {type(error).__name__}") from None
        finally:
            connection.close()
        if not isinstance(found, dict):
            raise Fault(502, "an answer that is no JSON object")
        return answer.status, found


class ContractServer(ThreadingHTTPServer):
    """Gives and takes the value of a store."""

    def __init__(self, host: str, port: int, store: Store, token: str) -> None:
        super().__init__((host, port), _Handler)
        self.store = store
        self.expected = f"Bearer {token}".encode()
        # What is wrapped compares nothing before it writes, so it is done here, one by one.
        self.one_at_a_time = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: ContractServer
    timeout = 10  # seconds for which a client may say nothing

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, {"status": "ok"})
        else:
            self._handle(VALUE, self._get)

    def do_POST(self) -> None:
        self._handle(CHECK, self._check)

    def do_PUT(self) -> None:
        self._handle(VALUE, self._put)

    def _get(self, _: bytes) -> dict[str, str]:
        return {"value": self.server.store.read()}

    def _check(self, body: bytes) -> dict[str, str]:
        self.server.store.check(_texts(body, "value")["value"])
        return {}

    def _put(self, body: bytes) -> dict[str, str]:
        wanted = _texts(body, "value", "previous", "transaction")
        value, store = wanted["value"], self.server.store
        with self.server.one_at_a_time:
            there = store.read()
            if there == value:
                return {"value": value}  # the same request again
            if there != wanted["previous"]:
                raise Fault(409, "the value is not the previous one any more")
            store.check(value)
            store.write(value)
        self.log_message("%r: %r -> %r", wanted["transaction"], there, value)
        return {"value": value}

    def _handle(self, path: str, work: Callable[[bytes], dict[str, str]]) -> None:
        try:
            body = self._body()  # before anything else: an answer beside an unread body gets lost
            given = self.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(given, self.server.expected):
                raise Fault(401, "send the token")
            if self.path != path:
                raise Fault(404, f"write {VALUE} or {CHECK}")
            self._answer(200, work(body))
        except Fault as fault:
            self._answer(fault.status, {"message": str(fault)})
        except (LookupError, TypeError) as error:
            self._answer(502, {"message": f"an answer of another shape: {type(error).__name__}"})

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _MAX_REQUEST:
            raise Fault(413, f"send a body of at most {_MAX_REQUEST} bytes with its length")
        return self.rfile.read(int(length))

    def _answer(self, status: int, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _texts(body: bytes, *names: str) -> dict[str, str]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Fault(400, "send JSON") from None
    if isinstance(found, dict) and all(isinstance(found.get(name), str) for name in names):
        return found
    raise Fault(400, f"send an object with the texts {', '.join(names)}")


def serve(store: Store) -> None:
    """Answer at $LISTEN (default: 0.0.0.0:8080) who knows the token in the file $TOKEN_FILE."""
    host, _, port = os.environ.get("LISTEN", "0.0.0.0:8080").rpartition(":")
    token = Path(os.environ["TOKEN_FILE"]).read_text().strip()
    if not token:
        raise SystemExit("the file $TOKEN_FILE holds no token")
    server = ContractServer(host, int(port), store, token)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
