"""Checks manifests with the code that reads them: schema, rules, templates, components."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from model_rollout.analysis.placeholders import Refused, Values, expanded, filled, used
from model_rollout.api import API_VERSION, GROUP
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.template import MetricTemplateSpec, TemplateMetric
from model_rollout.backtest.manifests import (
    InputError,
    Manifest,
    field_name,
    manifests_in,
    object_faults,
    template_faults,
)
from model_rollout.backtest.policy import policy_faults
from model_rollout.backtest.schema import Fault, Path
from model_rollout.cli.view import NO_SWITCH
from model_rollout.revisions.content import read_content
from model_rollout.revisions.places import ComponentProblem

_ROLLOUT, _TEMPLATE, _DEPLOYMENT = "ModelRollout", "MetricTemplate", "Deployment"
_STANDARD_INPUT = "/dev/stdin"
_NAMELESS = "default"
"""The namespace of a manifest that names none: they are compared among themselves only."""


class Severity(StrEnum):
    """Whether something is refused, or only worth a word."""

    PROBLEM = "Problem"
    NOTE = "Note"


@dataclass(frozen=True, slots=True)
class Told:
    """One thing about one place."""

    file: str
    line: int | None
    field: str
    message: str
    severity: Severity = Severity.PROBLEM


@dataclass(frozen=True, slots=True)
class Report:
    """All that is to be said about some files."""

    told: tuple[Told, ...]
    kinds: tuple[str, ...]
    """The kind of each object of ours."""

    @property
    def problems(self) -> tuple[Told, ...]:
        """What is refused."""
        return tuple(told for told in self.told if told.severity is Severity.PROBLEM)

    @property
    def notes(self) -> tuple[Told, ...]:
        """What is only worth a word."""
        return tuple(told for told in self.told if told.severity is Severity.NOTE)


def check(files: Sequence[str]) -> Report:
    """Check all objects of ours in the files; what is told is in the order of files and lines."""
    told: list[Told] = []
    found: list[Manifest] = []
    paths = [_STANDARD_INPUT if file == "-" else file for file in files]
    for path in paths:
        try:
            found += manifests_in(path)
        except InputError as error:
            told.append(_unreadable(path, error))
    ours = [m for m in found if str(m.body.get("apiVersion", "")).startswith(f"{GROUP}/")]
    if not ours and not told:
        message = f"there is no ModelRollout or MetricTemplate ({API_VERSION}): name another file"
        told.append(Told(paths[0], None, "", message))
    told += _Objects(found, ours).told()
    told.sort(key=lambda one: (paths.index(one.file), one.line or 0))
    return Report(tuple(told), tuple(m.body["kind"] for m in ours))


def _unreadable(file: str, error: InputError) -> Told:
    """The error says file and line itself."""
    found = re.fullmatch(rf"{re.escape(file)}(?:, line (\d+))?:? (.*)", str(error), re.DOTALL)
    if found is None:
        return Told(file, None, "", str(error))
    return Told(file, int(found[1]) if found[1] else None, "", found[2])


class _Objects:
    """Everything in the files: objects speak of each other."""

    def __init__(self, found: list[Manifest], ours: list[Manifest]) -> None:
        self._ours = ours
        self._faults = {id(m): list(_faults(m)) for m in ours}
        self._templates = {
            m.name: MetricTemplateSpec.model_validate(m.body["spec"])
            for m in ours
            if m.body["kind"] == _TEMPLATE and not self._faults[id(m)]
        }
        self._deployments = {
            _key(m): m for m in found if m.body.get("kind") == _DEPLOYMENT and _is_named(m)
        }
        self._guarded: dict[tuple[str, str, str], Manifest] = {}
        self._seen: dict[tuple[str, str, str], Manifest] = {}

    def told(self) -> Iterator[Told]:
        for manifest in self._ours:
            faults = self._faults[id(manifest)]
            yield from (_told(manifest, fault) for fault in faults)
            if not faults:
                yield from self._sound(manifest)

    def _sound(self, manifest: Manifest) -> Iterator[Told]:
        """Check an object whose schema is right."""
        kind = manifest.body["kind"]
        before = self._seen.setdefault((kind, *_key(manifest)), manifest)
        if before is not manifest:
            message = f"{before.file} has a {kind} of this name in this namespace: give it another"
            yield _told(manifest, Fault(("metadata", "name"), message))
        if kind == _TEMPLATE:
            yield from (_told(manifest, fault) for fault in _in_template(manifest))
        elif kind == _ROLLOUT:
            yield from self._rollout(manifest)

    def _rollout(self, manifest: Manifest) -> Iterator[Told]:
        try:
            spec = ModelRolloutSpec.model_validate(manifest.body["spec"])
        except ValidationError as error:
            first = error.errors()[0]
            yield _told(manifest, Fault(("spec", *first["loc"]), first["msg"]))
            return
        namespace = _key(manifest)[0]
        elsewhere = {path[2] for path in self._elsewhere(manifest)}
        for fault in policy_faults(manifest.name, namespace, spec, self._templates):
            # Metrics of a template that is in no file cannot be judged here.
            if not (fault.path[:2] == ("spec", "metrics") and fault.path[2] in elsewhere):
                yield _told(manifest, fault)
        yield from (_told(manifest, fault) for fault in self._components(manifest, spec))
        yield from (_told(manifest, fault) for fault in self._taken(manifest, spec))
        yield from (_note(manifest, fault) for fault in self._notes(manifest))

    def _elsewhere(self, manifest: Manifest) -> Iterator[Path]:
        """Yield the places of metrics whose template is in none of the files, or is wrong itself."""
        for index, metric in enumerate(manifest.body["spec"]["metrics"]):
            name = (metric.get("templateRef") or {}).get("name")
            if name is not None and name not in self._templates:
                yield ("spec", "metrics", index, "templateRef", "name")

    def _components(self, manifest: Manifest, spec: ModelRolloutSpec) -> Iterator[Fault]:
        deployment = self._deployments.get((_key(manifest)[0], spec.target_ref.name))
        if deployment is None or spec.target_ref.kind != _DEPLOYMENT:
            return
        if any(template_faults(deployment)):
            return  # not ours to tell
        for index, component in enumerate(spec.components):
            if not component.stands_in_template:
                continue  # what they hold is in none of these files
            content = read_content(deployment.body["spec"]["template"], (component,))
            if isinstance(content, ComponentProblem):
                told = content.message.removeprefix(f"component {component.name}: ")
                yield Fault(("spec", "components", index), told)

    def _taken(self, manifest: Manifest, spec: ModelRolloutSpec) -> Iterator[Fault]:
        target = (_key(manifest)[0], spec.target_ref.kind, spec.target_ref.name)
        before = self._guarded.setdefault(target, manifest)
        if before is not manifest and before.name != manifest.name:
            yield Fault(
                ("spec", "targetRef", "name"),
                f"ModelRollout {before.name} guards this {spec.target_ref.kind} already: list all "
                "metrics in one of the two and delete the other",
            )

    def _notes(self, manifest: Manifest) -> Iterator[Fault]:
        for path in self._elsewhere(manifest):
            name = manifest.body["spec"]["metrics"][path[2]]["templateRef"]["name"]
            yield Fault(
                path,
                f"MetricTemplate {name} is in none of the files or is wrong itself, so this metric "
                "is not checked further: name its file with one more -f",
            )
        spec = manifest.body["spec"]
        if spec.get("killSwitch", NO_SWITCH) != NO_SWITCH:
            yield Fault(
                ("spec", "killSwitch"),
                "a switch in a manifest is flipped back by whatever applies the manifest: leave it "
                "out, and use pause, rollback and resume",
            )


def _faults(manifest: Manifest) -> Iterator[Fault]:
    version = manifest.body["apiVersion"]
    if version != API_VERSION:
        yield Fault(("apiVersion",), f"there is no {version}: write {API_VERSION}")
    yield from object_faults(manifest)


def _is_named(manifest: Manifest) -> bool:
    metadata = manifest.body.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


def _key(manifest: Manifest) -> tuple[str, str]:
    return str(manifest.body["metadata"].get("namespace") or _NAMELESS), manifest.name


def _told(manifest: Manifest, fault: Fault, severity: Severity = Severity.PROBLEM) -> Told:
    line, field = manifest.line(fault.path), field_name(fault.path)
    return Told(manifest.file, line, field, fault.message, severity)


def _note(manifest: Manifest, fault: Fault) -> Told:
    return _told(manifest, fault, Severity.NOTE)


def _in_template(manifest: Manifest) -> Iterator[Fault]:
    """Yield the placeholders of a MetricTemplate that cannot be filled in, whoever uses it."""
    spec = MetricTemplateSpec.model_validate(manifest.body["spec"])
    args = {parameter.name: "x" for parameter in spec.parameters}
    for index, metric in enumerate(spec.metrics):
        for path, text, read in _texts(metric):
            try:
                read(text, _values(text, args))
            except Refused as refused:
                yield Fault(("spec", "metrics", index, *path), refused.problem.message)


_Text = tuple[Path, str, Callable[[str, Values], str]]


def _texts(metric: TemplateMetric) -> Iterator[_Text]:
    """Yield every text that may hold placeholders, and what reads it."""
    for name, text in (("query", metric.query), ("sampleTime", metric.sample_time)):
        if text is not None:
            yield (name,), text, expanded
    if metric.counts is not None:
        for outcome in ("good", "bad", "total"):
            selector = getattr(metric.counts, outcome)
            if selector is not None:
                yield ("counts", outcome), selector, expanded
    if metric.histogram is not None:
        yield ("histogram", "metric"), metric.histogram.metric, expanded
    for label, text in metric.group_by.items():
        yield ("groupBy", label), text, filled


def _values(text: str, args: Mapping[str, str]) -> Values:
    """Stand-ins; components are those that the text names, since every user has others."""
    components = {
        name.split(".")[1]: "image:tag" for name in used(text) if name.startswith("component.")
    }
    return Values("default", "name", "workload", "6d4f5b7c9", 1, components, args)
