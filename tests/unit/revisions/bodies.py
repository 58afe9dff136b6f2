"""Pod templates and components, as people write them."""

from typing import Any

from model_rollout.api.component import Component
from model_rollout.api.revision import ComponentValue
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content
from model_rollout.revisions.places import Unrestorable
from model_rollout.revisions.restore import restore_operations


def component(name: str, **place: Any) -> Component:
    """One component, for example `component("model", image={"container": "server"})`."""
    return Component.model_validate({"name": name, **place})


IMAGE = component("model", image={"container": "server"})
ENV = component("weights", env={"container": "server", "name": "MODEL_URI"})
ARG = component("revision", arg={"container": "server", "flag": "--revision"})
WHOLE = component("template", podTemplate={})
PARTS = (IMAGE, ENV, ARG)


def template(
    image: str = "m:1",
    uri: str | None = "s3://m/1",
    args: tuple[str, ...] = ("--revision=r1", "--verbose"),
    rest: str = "info",
    **metadata: Any,
) -> Json:
    """A pod template with an init container, a sidecar and the server in between."""
    weights = {"name": "MODEL_URI"} | ({} if uri is None else {"value": uri})
    server = {
        "name": "server",
        "image": image,
        "command": ["serve"],
        "args": list(args),
        "env": [{"name": "LOG_LEVEL", "value": rest}, weights],
    }
    return {
        "metadata": {"labels": {"app": "m"}} | metadata,
        "spec": {
            "initContainers": [{"name": "fetch", "image": "fetch:1"}],
            "containers": [{"name": "proxy", "image": "proxy:1"}, server],
            "terminationGracePeriodSeconds": 30,
        },
    }


def workload(body: Json | None = None, *, replicas: int = 3) -> Json:
    """A Deployment around a pod template."""
    return {
        "metadata": {"name": "m", "namespace": "ml", "uid": "u1"},
        "spec": {"replicas": replicas, "template": template() if body is None else body},
    }


def content(body: Json, components: tuple[Component, ...] = PARTS) -> Content:
    """The readable content of a template."""
    found = read_content(body, components)
    assert isinstance(found, Content), found
    return found


def why_not_restorable(
    workload: Json, components: tuple[Component, ...], target: tuple[ComponentValue, ...]
) -> str:
    """Return why `restore_operations` cannot restore `target`, as a sentence; empty when it can."""
    try:
        restore_operations(workload, components, target, "")
    except Unrestorable as error:
        return str(error)
    return ""
