"""Applying manifests to a real API server, to see what it makes of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane, KubectlError

METRIC = {"name": "accuracy", "query": 'max(accuracy{app="sentiment"})', "min": 0.9}

Manifest = dict[str, Any]


class Admission:
    """kubectl in a namespace of our own."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self._namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._control_plane.kubectl("--namespace", self._namespace, *arguments, stdin=stdin)

    def apply(self, manifest: Manifest) -> Manifest:
        """Apply, and return what the API server made of it."""
        return json.loads(
            self.kubectl("apply", "--filename", "-", "--output", "json", stdin=json.dumps(manifest))
        )

    def refusal(self, manifest: Manifest) -> str:
        with pytest.raises(KubectlError) as refused:
            self.apply(manifest)
        return str(refused.value)


@contextmanager
def admission(control_plane: ControlPlane, namespace: str) -> Iterator[Admission]:
    """Make a namespace, and remove it afterwards."""
    control_plane.kubectl("create", "namespace", namespace)
    try:
        yield Admission(control_plane, namespace)
    finally:
        control_plane.kubectl("delete", "namespace", namespace, "--wait=false")


def rollout(name: str = "sentiment", **spec: Any) -> Manifest:
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": name},
        "spec": {"targetRef": {"name": "sentiment"}, "metrics": [METRIC], **spec},
    }


def template(name: str = "quality", **spec: Any) -> Manifest:
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "MetricTemplate",
        "metadata": {"name": name},
        "spec": {"metrics": [METRIC], **spec},
    }
