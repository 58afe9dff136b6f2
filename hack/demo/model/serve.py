"""Serves one digits classifier over HTTP: the program that runs in the demo's pods.

The model is what MODEL_URI names (a folder as `train.py` writes it), the port is $PORT. It also
plays its own users: clients send the labelled held-out digits over HTTP at a steady rate and count
the answers that were right. In production the traffic comes through a Service and the labels from
wherever people correct the model; the counters look the same.
"""

import argparse
import itertools
import json
import os
import signal
import sys
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# Before numpy is imported: the layers are tiny, and threads of BLAS would only fight for the CPU.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

PIXELS = 64
_CLIENTS = 4
_MAX_BODY = 4096

predictions = Counter("digits_predictions", "Answers given.")
labeled = Counter("digits_predictions_labeled", "Answers whose right answer is known.")
correct = Counter("digits_predictions_correct", "Answers that were right.")
request_seconds = Histogram(
    "digits_request_seconds",
    "Time until an answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5),
)


class Classifier:
    """The layers of a trained network."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        count = sum(name.startswith("weights_") for name in arrays)
        self._classes = arrays["classes"]
        self._layers = [(arrays[f"weights_{n}"], arrays[f"bias_{n}"]) for n in range(count)]

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            return cls(dict(arrays))

    def answers(self, pixels: Any) -> Any:
        """One digit per row of pixels (0 to 16)."""
        values = np.asarray(pixels, dtype=np.float64)
        for weights, bias in self._layers[:-1]:
            values = np.maximum(values @ weights + bias, 0.0)
        weights, bias = self._layers[-1]
        return self._classes[np.argmax(values @ weights + bias, axis=-1)]


def model_folder(uri: str, mounted: Path | None) -> Path:
    """The folder that `uri` names: a path, or a `file://` URI.

    `mounted` stands for /models where no volume can be mounted.
    """
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme not in ("", "file") or parts.netloc:
        raise ValueError(
            f"MODEL_URI {uri!r}: write a path or a URI such as file:///models/digits-v1"
        )
    path = Path(urllib.parse.unquote(parts.path))
    if mounted is not None and path.is_relative_to("/models"):
        return mounted / path.relative_to("/models")
    return path


@dataclass
class State:
    """What the requests share."""

    slow: float
    classifier: Classifier | None = None


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; clients keep theirs open."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes: with Nagle's algorithm each answer would take 40 ms.
    disable_nagle_algorithm = True
    state: State

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        elif self.path == "/healthz":
            ready = self.state.classifier is not None
            self._answer(200 if ready else 503, b"ok\n" if ready else b"no weights yet\n")
        else:
            self._answer(404, b"there are /predict, /metrics and /healthz\n")

    def do_POST(self) -> None:
        started = time.perf_counter()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, _MAX_BODY))
        if self.path != "/predict" or self.state.classifier is None:
            self._answer(404 if self.path != "/predict" else 503, b"")
            return
        try:
            pixels = _parse(body)
        except ValueError as error:
            self._answer(400, f"{error}\n".encode())
            return
        digit = int(self.state.classifier.answers(pixels))
        time.sleep(self.state.slow)
        self._answer(200, json.dumps({"digit": digit}).encode(), "application/json")
        predictions.inc()
        request_seconds.observe(time.perf_counter() - started)

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: forty lines a second help nobody."""


def _parse(body: bytes) -> Any:
    try:
        pixels = np.array(json.loads(body)["pixels"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError('send {"pixels": [64 numbers from 0 to 16]}') from error
    if pixels.shape != (PIXELS,):
        raise ValueError(f"send {PIXELS} pixels")
    return pixels


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle of an answer is no error of the server."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Traffic:
    """Clients that send the labelled digits over and over and count the right answers."""

    def __init__(self, port: int, folder: Path, rate: float) -> None:
        with np.load(folder / "holdout.npz", allow_pickle=False) as data:
            rows = zip(data["pixels"].tolist(), data["labels"].tolist(), strict=True)
            digits = [(json.dumps({"pixels": p}).encode(), label) for p, label in rows]
        # Each pod begins somewhere else; else all would send the same few digits after a deploy.
        start = os.getpid() * 101 % len(digits)
        self._digits = digits[start:] + digits[:start]
        self._port = port
        self._pause = _CLIENTS / rate

    def start(self) -> None:
        for number in range(_CLIENTS):
            threading.Thread(target=self._run, args=(number,), daemon=True).start()

    def _run(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        due = time.monotonic() + self._pause * number / _CLIENTS
        for body, label in itertools.islice(itertools.cycle(self._digits), number, None, _CLIENTS):
            now = time.monotonic()
            # A client waits for its answer. Behind its time it goes on at its pace, without a burst.
            due = max(due + self._pause, now)
            time.sleep(due - now)
            try:
                self._ask(connection, body, label)
            except (OSError, HTTPException):
                connection.close()

    def _ask(self, connection: HTTPConnection, body: bytes, label: int) -> None:
        connection.request("POST", "/predict", body)
        with connection.getresponse() as answer:
            content = answer.read()
            if answer.status == 200:
                labeled.inc()
                correct.inc(json.loads(content)["digit"] == label)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves a digits classifier; MODEL_URI names it.")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--slow", type=float, default=0.0, metavar="SECONDS", help="delay answers")
    parser.add_argument("--rate", type=float, default=20.0, help="own requests a second; 0: none")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="stands for /models in URIs")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse_arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Handler.state = State(slow=options.slow)
    # Listens before the weights are there, as a big model would: readiness tells the difference.
    server = Server((options.host, int(os.environ.get("PORT", "8080"))), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        folder = model_folder(os.environ.get("MODEL_URI", ""), options.models)
        Handler.state.classifier = Classifier.load(folder)
        if options.rate > 0:
            Traffic(server.server_port, folder, options.rate).start()
    except (OSError, ValueError, KeyError) as error:
        print(f"the model cannot be loaded: {error}", file=sys.stderr)
        return 1
    print(f"serving {folder.name} on port {server.server_port}", flush=True)
    stop.wait()
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
