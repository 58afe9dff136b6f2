"""Reads the files of a backtest: one ModelRollout, MetricTemplates, and the Deployment if it is there.

What is wrong is said with file, line and field, and with what to write instead.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import yaml

from model_rollout.api import API_VERSION
from model_rollout.api.crd import custom_resource_definitions
from model_rollout.backtest.schema import Fault, Path, Schema, faults
from model_rollout.ports.kubernetes import Json

_DEFAULT_NAMESPACE = "default"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,198}[a-z0-9])?")


class InputError(Exception):
    """What was written cannot be meant; the message is one sentence that says what to write."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object, and where its parts stand."""

    body: Json
    file: str
    lines: dict[Path, int]

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(self.body["metadata"]["name"])

    def line(self, path: Path) -> int:
        """Return the line where a part stands; of what is missing, that of what it belongs to."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def error(self, path: Path, message: str) -> InputError:
        """Return the error about one part: with file and line, and the field as people write it."""
        field = f"{field_name(path)}: " if path else ""
        return InputError(f"{self.file}, line {self.line(path)}: {field}{message}")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is replayed."""

    rollout: Manifest
    deployment: Manifest | None
    templates: tuple[Manifest, ...]
    namespace: str


def read_inputs(files: Iterable[str], namespace: str | None) -> Inputs:
    """Return what the files hold; `namespace` wins over what they say. Raises InputError."""
    found = [manifest for file in files for manifest in manifests_in(file)]
    ours = [m for m in found if m.body.get("apiVersion") == API_VERSION]
    rollout = _only_rollout([m for m in ours if m.body["kind"] == "ModelRollout"])
    templates = tuple(m for m in ours if m.body["kind"] == "MetricTemplate")
    for manifest in (rollout, *templates):
        _check(manifest)
    _check_templates(rollout, templates)
    home = _home(rollout, namespace)
    return Inputs(rollout, _deployment(found, rollout), templates, home)


def _home(rollout: Manifest, chosen: str | None) -> str:
    written = rollout.body["metadata"].get("namespace")
    home = chosen or written or _DEFAULT_NAMESPACE
    if isinstance(home, str) and _NAME.fullmatch(home):
        return home
    if chosen:
        raise InputError(f"--namespace {chosen} is no name of a namespace: write for example ml")
    raise rollout.error(("metadata", "namespace"), "write the name of a namespace, such as ml")


def _only_rollout(rollouts: list[Manifest]) -> Manifest:
    if not rollouts:
        raise InputError(
            f"the files hold no ModelRollout: write -f with a file that has one ({API_VERSION})"
        )
    if len(rollouts) > 1:
        names = ", ".join(str(m.body.get("metadata", {}).get("name")) for m in rollouts)
        raise rollouts[1].error((), f"one ModelRollout at a time is replayed, these are {names}")
    return rollouts[0]


def _check(manifest: Manifest) -> None:
    """Raise the first fault that the API server would find."""
    for fault in object_faults(manifest):
        raise manifest.error(fault.path, fault.message)


def object_faults(manifest: Manifest) -> Iterator[Fault]:
    """Yield what the API server would refuse; metadata is checked for what we use."""
    body = manifest.body
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        where: Path = ("metadata",) if name is None else ("metadata", "name")
        yield Fault(where, f"write the name of the {body['kind']}, such as sentiment")
    schema = _schemas().get(body["kind"])
    if schema is None:
        return
    if "spec" not in body:
        yield Fault((), f"write spec: a {body['kind']} without one says nothing")
        return
    yield from faults(schema["properties"]["spec"], body["spec"], ("spec",))


def _schemas() -> dict[str, Schema]:
    return {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in custom_resource_definitions()
    }


def _check_templates(rollout: Manifest, templates: tuple[Manifest, ...]) -> None:
    known = {manifest.name for manifest in templates}
    for index, metric in enumerate(rollout.body["spec"]["metrics"]):
        name = metric.get("templateRef", {}).get("name")
        if name is not None and name not in known:
            raise rollout.error(
                ("spec", "metrics", index, "templateRef", "name"),
                f"no file holds the MetricTemplate {name}: name its file with one more -f",
            )


def _deployment(found: list[Manifest], rollout: Manifest) -> Manifest | None:
    ref = rollout.body["spec"]["targetRef"]
    if ref.get("kind", "Deployment") != "Deployment":
        raise rollout.error(
            ("spec", "targetRef", "kind"),
            f"the past of a {ref['kind']} cannot be replayed: only Deployments can",
        )
    target = ref["name"]
    for manifest in found:
        body = manifest.body
        if body.get("kind") != "Deployment":
            continue
        if (body.get("metadata") or {}).get("name") == target:
            for fault in template_faults(manifest):
                raise manifest.error(fault.path, fault.message)
            return manifest
    return None


def template_faults(deployment: Manifest) -> Iterator[Fault]:
    """Yield why the pod template cannot be one; the API server checks the rest of it."""
    found: Any = deployment.body
    path: Path = ()
    for part in ("spec", "template", "spec", "containers"):
        path = (*path, part)
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, list) or not found:
        yield Fault((), "the Deployment has no containers: write its pod template")
        return
    for index, container in enumerate(found):
        if not isinstance(container, dict) or not isinstance(container.get("name"), str):
            yield Fault((*path, index), "write the name of the container")


class _Loader(yaml.SafeLoader):
    """As Kubernetes reads YAML: a date is a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name is PyYAML's
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def manifests_in(file: str) -> Iterator[Manifest]:
    """Yield the objects of a file, those of a `List` one by one. Raises InputError."""
    try:
        text = File(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{file} cannot be read: {why}") from None
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None  # `check_node` said so
            body = loader.construct_document(node)
            yield from _unpacked(body, file, _lines(node, file))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{file}{line}: this is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: this is not YAML: {error}") from None
    finally:
        loader.dispose()


def _unpacked(body: Any, file: str, lines: dict[Path, int]) -> Iterator[Manifest]:
    """Yield one object, or the items of a `List` as `kubectl get -o yaml` prints it."""
    if body is None:
        return
    if not isinstance(body, dict) or not isinstance(body.get("kind"), str):
        raise InputError(f"{file}, line {lines[()]}: this is no Kubernetes object: write its kind")
    if not body["kind"].endswith("List") or not isinstance(body.get("items"), list):
        yield Manifest(body, file, lines)
        return
    for index, item in enumerate(body["items"]):
        prefix: Path = ("items", index)
        inner = {path[2:]: line for path, line in lines.items() if path[:2] == prefix}
        yield from _unpacked(item, file, inner)


def _lines(node: yaml.Node, file: str, path: Path = ()) -> dict[Path, int]:
    """Return the line of every part of a document, counted from 1."""
    lines = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            lines |= _lines(child, file, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            inner = (*path, str(key.value))
            if inner in lines:
                line = key.start_mark.line + 1
                raise InputError(f"{file}, line {line}: {field_name(inner)} is there twice")
            # Where the name stands, not where a nested value begins.
            lines |= _lines(child, file, inner) | {inner: key.start_mark.line + 1}
    return lines


def field_name(path: Path) -> str:
    """Return a field as people write it: `spec.metrics[0].min`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
