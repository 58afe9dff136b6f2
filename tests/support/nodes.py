"""Nodes on which pods do not come up as soon as they are wanted."""

import contextlib
from collections.abc import Iterator

from localcluster.controlplane import FAKE_NODE_ANNOTATION
from localcluster.node_process import LocalNode
from support.scenario import Json, Scenario

GPU = "nvidia.com/gpu"
_OWNER = "modelrollout.dev/test"
_SERVE = ("tail", "-f", "/dev/null")


class Registry:
    """The images that the pods of one test can pull; pods are processes."""

    def __init__(self, case: Scenario, node: LocalNode) -> None:
        self._case = case
        self._node = node

    def hold(self, *versions: str) -> None:
        """From now on these versions can be pulled, and no others."""
        self._node.set_images({f"model:{version}": _SERVE for version in versions})

    @property
    def template(self) -> Json:
        """What the pod spec says to run here."""
        return reserved(self._case)


def reserved(case: Scenario) -> Json:
    """The part of a pod spec that leads to the nodes of this test, and no other pod leads there."""
    toleration = {"key": _OWNER, "operator": "Equal", "value": case.namespace}
    return {"nodeSelector": {_OWNER: case.namespace}, "tolerations": [toleration]}


@contextlib.contextmanager
def registry(case: Scenario, *versions: str) -> Iterator[Registry]:
    """A node that runs the pods of this test, as far as their images are there."""
    name = f"{case.namespace}-node"
    # Until it is reserved, pods of other tests may come here: they find these images.
    images = {f"model:{version}": _SERVE for version in versions}
    with LocalNode(case.site.control_plane, images, name=name) as node:
        kubectl = case.site.control_plane.kubectl
        kubectl("taint", "node", name, f"{_OWNER}={case.namespace}:NoSchedule")
        kubectl("label", "node", name, f"{_OWNER}={case.namespace}")
        try:
            yield Registry(case, node)
        finally:
            case.site.kube.delete("Node", "", name)


@contextlib.contextmanager
def gpus(case: Scenario, count: int) -> Iterator[Json]:
    """A fake node with so many GPUs; yields the part of a pod spec that leads there."""
    name = f"{case.namespace}-gpu"
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "110", GPU: str(count)}
    annotation, _, value = FAKE_NODE_ANNOTATION.partition("=")
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {_OWNER: case.namespace, "type": "kwok"},
            "annotations": {annotation: value},
        },
        "spec": {
            "taints": [{"key": _OWNER, "value": case.namespace, "effect": "NoSchedule"}],
        },
        "status": {"capacity": capacity, "allocatable": capacity},
    }
    case.site.kube.create(node)
    try:
        yield reserved(case)
    finally:
        case.site.kube.delete("Node", "", name)
