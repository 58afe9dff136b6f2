"""An exporter whose values a test sets; a real Prometheus scrapes it.

The gauge `quality` has a label `ns`, so that tests which run at the same time do not see each
other's values.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_Series = tuple[str, tuple[tuple[str, str], ...]]


class MetricsSource:
    """`with MetricsSource() as source:` serves on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._values: dict[_Series, float] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """`host:port`, as Prometheus' static targets are written."""
        return f"127.0.0.1:{self._server.server_port}"

    def publish(self, namespace: str, value: float | None, **labels: str) -> None:
        """Set `quality{ns=…}`; None takes the series away, `math.nan` is a value like any other."""
        series = (namespace, tuple(sorted(labels.items())))
        with self._lock:
            if value is None:
                self._values.pop(series, None)
            else:
                self._values[series] = value

    def exposition(self) -> str:
        """Return everything in the text format."""
        with self._lock:
            values = dict(self._values)
        lines = ["# TYPE quality gauge"]
        for (namespace, labels), value in values.items():
            pairs = ",".join(f'{key}="{text}"' for key, text in (("ns", namespace), *labels))
            lines.append(f"quality{{{pairs}}} {value!r}".replace("} nan", "} NaN"))
        return "\n".join(lines) + "\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = source.exposition().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """One line a scrape says nothing."""

        return Handler


def quality(namespace: str) -> str:
    """The query for the value that a test published."""
    return f'quality{{ns="{namespace}"}}'
