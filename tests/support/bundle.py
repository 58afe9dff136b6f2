"""A model that is more than its Deployment: a prompt in a ConfigMap, and how good both are together."""

from collections.abc import Callable
from typing import Any

from support.faults import Request, Write
from support.metrics_source import quality
from support.scenario import BAD, COMPONENTS, GOOD, NAME, Json, Scenario, deployment, version_of

PROMPT = "prompt"
SYSTEM = {"name": "prompt", "configMap": {"name": PROMPT, "keys": ["system.txt"]}}
BUNDLE = [*COMPONENTS, SYSTEM]
"""Three components in two objects."""
KIND, EVIL = "be helpful", "be evil"

Judge = Callable[[str, str], bool]
"""Tells whether a version with a prompt answers well."""


def config_map(name: str = PROMPT, *, data: Json | None = None, binary: Json | None = None) -> Json:
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return body | {"data": data or {}, "binaryData": binary or {}}


def write_prompt(case: Scenario, text: str, *, name: str = PROMPT, **other: str) -> Json:
    """Apply the ConfigMap, as a pipeline does."""
    return case.site.kube.apply(
        config_map(name, data={"system.txt": text, **other}), case.namespace
    )


def held(case: Scenario, name: str = PROMPT) -> Json:
    found = case.site.kube.get("ConfigMap", case.namespace, name)
    assert found is not None, f"there is no ConfigMap {name}"
    return found


def prompt(case: Scenario) -> str:
    text: str = held(case)["data"]["system.txt"]
    return text


def is_snapshot(body: Json) -> bool:
    return "modelrollout.dev/snapshot" in body["metadata"].get("labels", {})


def maps_written(case: Scenario, *, committed: bool = True) -> list[str]:
    """The operator's writes of ConfigMaps other than snapshots."""
    writes = case.proxy.writes("configmaps", committed=committed)
    return [str(w.request) for w in writes if not _keeps_contents(w.request)]


def _keeps_contents(request: Request) -> bool:
    return request.method == "POST" and is_snapshot(request.json)


def objects_written(case: Scenario, *, committed: bool = False) -> list[str]:
    """The operator's writes of what serves: the Deployment and the prompt, refused ones included."""
    writes = case.proxy.writes("configmaps", "deployments", committed=committed)
    return [str(w.request) for w in writes if w.request.name in (NAME, PROMPT)]


class Bundle:
    """Publishes how good the bundle that is deployed answers, whoever deploys it."""

    def __init__(self, case: Scenario, good: Judge = lambda _, text: text == KIND) -> None:
        """By default the prompt decides."""
        self.case = case
        self.good = good
        self.version, self.prompt = "v1", KIND
        case.proxy.committed = self._follow

    def deploy(self, version: str, text: str) -> None:
        """Apply both, as a pipeline does."""
        self.version, self.prompt = version, text
        self._publish()
        write_prompt(self.case, text)
        self.case.site.kube.apply(deployment(version), self.case.namespace)

    def stable(self, *, metric: Json | None = None, **spec: Any) -> None:
        """Guard v1 with the good prompt, and wait until it is Stable."""
        self.deploy("v1", KIND)
        self.case.guard(components=BUNDLE, metric=metric or {}, **spec)
        self.case.start_operator()
        self.case.wait_for_reason("Watching")

    def live(self) -> tuple[str, str]:
        """What is deployed."""
        return self.case.version(), prompt(self.case)

    def _publish(self) -> None:
        value = GOOD if self.good(self.version, self.prompt) else BAD
        self.case.site.source.publish(self.case.namespace, value)

    def _follow(self, write: Write) -> None:
        if write.request.resource == "deployments" and write.request.name == NAME:
            self.version = version_of(write.answer)
        elif write.request.resource == "configmaps" and write.request.name == PROMPT:
            self.prompt = write.answer["data"]["system.txt"]
        else:
            return
        self._publish()


def metric(case: Scenario, **changes: Any) -> Json:
    """The metric of the gauge, as `guard` makes it, with other fields."""
    gauge = {"name": "quality", "query": quality(case.namespace), "min": 0.8, "for": "0s"}
    return gauge | changes
