"""A model server as small as can be: a metric, and a readiness that a file can take away."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

UNREADY = Path(os.environ.get("UNREADY_FILE", "/nonexistent"))
METRIC = f'answers_total{{prompt="{os.environ.get("PROMPT", "")}"}} 7\n'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        unready = self.path == "/ready" and UNREADY.exists()
        body = METRIC.encode()
        self.send_response(503 if unready else 200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent: the log holds what the tests look for."""


print("arguments", sys.argv[1:], "process", os.getpid(), flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
