"""The demo's models are as good and as bad as it claims, and the server counts what happens."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from demo.model import serve, train
from localcluster.processes import free_port
from localcluster.waiting import wait_until

Start = Callable[..., "Server"]


class Server:
    """One model server, as a pod runs it."""

    def __init__(self, models: Path, model: str, *arguments: str) -> None:
        self._port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, serve.__file__, "--host=127.0.0.1", f"--models={models}", *arguments],
            env=os.environ | {"PORT": str(self._port), "MODEL_URI": f"file:///models/{model}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._connection = HTTPConnection("127.0.0.1", self._port, timeout=10)

    def wait_ready(self) -> None:
        wait_until(lambda: self.request("GET", "/healthz")[0] == 200, 10, "the model is ready")

    def request(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, sent)
            with self._connection.getresponse() as answer:
                return answer.status, answer.read().decode()
        except OSError:
            self._connection.close()
            raise

    def predict(self, pixels: list[int]) -> int:
        status, answer = self.request("POST", "/predict", {"pixels": pixels})
        assert status == 200, answer
        return int(json.loads(answer)["digit"])

    def metric(self, name: str) -> float:
        _, text = self.request("GET", "/metrics")
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found, f"no {name} in {text}"
        return float(found[1])

    def close(self) -> None:
        self._connection.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train.ensure_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def start(models: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(model: str, *arguments: str) -> Server:
            server = Server(models, model, *arguments)
            stack.callback(server.close)
            server.wait_ready()
            return server

        yield started


def test_models_are_trained_once(models: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*.npz")}
    assert train.ensure_models(models.parent) == models
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*.npz")} == before
    assert {path.name for path in models.iterdir()} == set(train.RECIPES)


@pytest.mark.parametrize(
    ("model", "least", "most"),
    [
        ("digits-v1", 0.95, 1.0),
        ("digits-v2-spoiled", 0.5, 0.7),
        ("digits-small", 0.9, 0.94),
        ("digits-v5", 0.95, 1.0),
        ("digits-v6-spoiled", 0.5, 0.7),
    ],
)
def test_accuracy_over_http(
    start: Start, models: Path, model: str, least: float, most: float
) -> None:
    server = start(model, "--rate=0")
    with np.load(models / model / "holdout.npz") as held_out:
        pixels, labels = held_out["pixels"].tolist(), held_out["labels"].tolist()
    right = sum(server.predict(p) == label for p, label in zip(pixels, labels, strict=True))
    accuracy = right / len(labels)
    assert least <= accuracy <= most
    claimed = json.loads((models / model / "model.json").read_text())["heldOutAccuracy"]
    assert accuracy == pytest.approx(claimed)


def test_own_traffic_is_counted(start: Start) -> None:
    server = start("digits-v2-spoiled", "--rate=400")
    labeled = wait_until(
        lambda: server.metric("digits_predictions_labeled_total"),
        30,
        "600 labelled answers",
        until=lambda count: count >= 600,
    )
    correct = server.metric("digits_predictions_correct_total")
    # Read one after the other, while the traffic goes on.
    assert 0.45 <= correct / labeled <= 0.75
    assert server.metric("digits_predictions_total") >= labeled
    assert server.metric("digits_request_seconds_count") >= labeled


def test_rate_is_kept(start: Start) -> None:
    server = start("digits-v1", "--rate=20")
    first, began = server.metric("digits_predictions_total"), time.monotonic()
    made = wait_until(
        lambda: server.metric("digits_predictions_total") - first,
        20,
        "forty answers",
        until=lambda count: count >= 40,
    )
    assert made / (time.monotonic() - began) == pytest.approx(20, rel=0.3)


def test_slow_is_slow(start: Start) -> None:
    server = start("digits-v1", "--rate=0", "--slow=0.3")
    began = time.monotonic()
    server.predict([0] * serve.PIXELS)
    assert time.monotonic() - began >= 0.3
    assert server.metric('digits_request_seconds_bucket{le="0.2"}') == 0
    assert server.metric('digits_request_seconds_bucket{le="+Inf"}') == 1


@pytest.mark.parametrize(
    "body", [None, "text", {}, {"pixels": [1, 2]}, {"pixels": ["a"] * 64}, {"pixels": None}]
)
def test_wrong_requests_are_refused(start: Start, body: object) -> None:
    server = start("digits-v1", "--rate=0")
    status, answer = server.request("POST", "/predict", body)
    assert (status, answer.startswith("send ")) == (400, True)
    assert server.metric("digits_predictions_total") == 0


def test_sigterm_ends_it_cleanly_and_soon(start: Start) -> None:
    server = start("digits-v1")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=3) == 0


@pytest.mark.parametrize("model", ["digits-v99", "digits-v1/weights.npz"])
def test_missing_weights_end_it_with_a_message(models: Path, model: str) -> None:
    server = Server(models, model)
    try:
        _, said = server.process.communicate(timeout=10)
        assert server.process.returncode == 1
        assert "the model cannot be loaded" in said
    finally:
        server.close()


@pytest.mark.parametrize(
    ("uri", "mounted", "folder"),
    [
        ("/models/a", None, "/models/a"),
        ("file:///models/a", None, "/models/a"),
        ("file:///models/a", "/elsewhere", "/elsewhere/a"),
        ("file:///data/a%20b", "/elsewhere", "/data/a b"),
    ],
)
def test_model_uri(uri: str, mounted: str | None, folder: str) -> None:
    found = serve.model_folder(uri, Path(mounted) if mounted else None)
    assert found == Path(folder)


@pytest.mark.parametrize("uri", ["s3://bucket/a", "file://host/a"])
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="write a path"):
        serve.model_folder(uri, None)
