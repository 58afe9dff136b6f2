"""Stands in for KServe's controller: writes the status of InferenceServices, and starts no pods."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.kube import Kube

Json = dict[str, Any]

MANAGER = "kserve-controller-manager"
MISSING = "missing"
"""A storageUri with this word in it cannot be loaded."""
_PAUSE = 0.2


@contextmanager
def inference_controller(kube: Kube, namespace: str) -> Iterator[None]:
    """Look after the InferenceServices of a namespace."""
    ended = threading.Event()
    controller = _Controller(kube, namespace)
    thread = threading.Thread(target=controller.run, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Controller:
    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._seen: dict[str, int] = {}
        self._children: dict[str, int] = {}

    def run(self, ended: threading.Event) -> None:
        while not ended.wait(_PAUSE):
            for body in self._kube.items("InferenceService", self._namespace):
                name, generation = body["metadata"]["name"], body["metadata"]["generation"]
                if self._seen.get(name) == generation:
                    self._finish(name, body)
                else:
                    self._seen[name] = generation
                    self._begin(name)

    def _begin(self, name: str) -> None:
        # As KServe does: the generation of what it made, not of the InferenceService.
        self._children[name] = self._children.get(name, 7) + 1
        self._write(name, {"transitionStatus": "InProgress"}, ready=False)

    def _finish(self, name: str, body: Json) -> None:
        if body.get("status", {}).get("modelStatus", {}).get("transitionStatus") != "InProgress":
            return
        uri = body["spec"]["predictor"]["model"].get("storageUri", "")
        if MISSING in uri:
            failure = {"reason": "ModelLoadFailed", "message": f"{uri} does not exist"}
            model = {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": failure}
            self._write(name, model, ready=False)
        else:
            self._write(name, {"transitionStatus": "UpToDate", "lastFailureInfo": None}, ready=True)

    def _write(self, name: str, model: Json, *, ready: bool) -> None:
        status = {
            "observedGeneration": self._children[name],
            "modelStatus": model,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        }
        self._kube.merge_status("InferenceService", self._namespace, name, status, manager=MANAGER)
