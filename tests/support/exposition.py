"""Serves what Prometheus scrapes."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any


def handler_of(exposition: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    """The handler of an HTTP server that answers every GET with this text."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """One line a scrape says nothing."""

    return Handler
