"""A value anywhere in the pod template, by a path that names the items of lists."""

import json
import re
from dataclasses import dataclass
from typing import Any

from model_rollout.api.component import FIELD_PATTERN
from model_rollout.api.revision import ComponentKind, ValueType
from model_rollout.revisions.canonical import Json, canonical_json
from model_rollout.revisions.places import (
    BLANK,
    ComponentProblem,
    Edit,
    Guard,
    Path,
    Place,
    Steps,
    Value,
)

_ROOT = "spec.template"
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[name=([^\[\]']+)\]|\['([^\[\]']+)'\]")


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a path: a member, or the item of a list with this name."""

    name: str
    item: bool
    written: str
    """The path up to here, as people write it."""


@dataclass(frozen=True, slots=True)
class _Reached:
    path: Path
    value: Any
    guards: tuple[Guard, ...]


def locate_field(name: str, template: Json, path: str) -> Place | ComponentProblem:
    """Find the one value at a path, which begins at the root of the workload."""
    where = f"component {name}: "
    if not re.search(FIELD_PATTERN, path):
        return ComponentProblem(
            "PathRefused",
            f"{where}{path!r} is no path into the pod template; write one such as "
            "spec.template.spec.volumes[name=model].image.reference",
        )
    found = _walk(template, _steps(path))
    if isinstance(found, ComponentProblem):
        return ComponentProblem(found.reason, where + found.message)
    if isinstance(found.value, dict | list) or found.value is None:
        return ComponentProblem("NotOneValue", f"{where}{path} {_told(found.value)}")

    def write(value: Value) -> Steps:
        wanted = value.text if value.type is ValueType.STRING else json.loads(value.text)
        return (Guard(found.path, found.value), Edit("replace", found.path, wanted))

    blank = (Edit("replace", found.path, BLANK),)
    return Place(ComponentKind.FIELD, path, _value(found.value), found.guards, blank, write)


def put_field(template: Json, path: str, text: str) -> None:
    """Put a text at a path, with everything that leads there, into a template that is made up."""
    holder: Any = template
    steps = _steps(path)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if following is None and not step.item:
            holder[step.name] = text
        elif step.item:
            named = [item for item in holder if _name(item) == step.name]
            if not named:
                holder.append({"name": step.name})
            holder = named[0] if named else holder[-1]
        else:
            holder = holder.setdefault(step.name, [] if following and following.item else {})


def _value(found: Any) -> Value:
    if isinstance(found, str):
        return Value(found)
    return Value(canonical_json(found), ValueType.JSON)


def _steps(path: str) -> list[_Step]:
    rest = path.removeprefix(_ROOT)
    return [
        _Step(found[1] or found[2] or found[3], found[2] is not None, _ROOT + rest[: found.end()])
        for found in _STEP.finditer(rest)
    ]


def _walk(template: Json, steps: list[_Step]) -> _Reached | ComponentProblem:
    reached = _Reached((), template, ())
    before = _ROOT
    for step in steps:
        found = _item(reached, step, before) if step.item else _member(reached, step, before)
        if isinstance(found, ComponentProblem):
            return found
        reached, before = found, step.written
    return reached


def _member(reached: _Reached, step: _Step, before: str) -> _Reached | ComponentProblem:
    if not isinstance(reached.value, dict):
        return ComponentProblem("FieldMissing", f"{before} {_told(reached.value)}")
    if step.name not in reached.value:
        return ComponentProblem(
            "FieldMissing", f"the workload has no {step.written}; {before} {_told(reached.value)}"
        )
    return _Reached((*reached.path, step.name), reached.value[step.name], reached.guards)


def _item(reached: _Reached, step: _Step, before: str) -> _Reached | ComponentProblem:
    if not isinstance(reached.value, list):
        return ComponentProblem("FieldMissing", f"{before} {_told(reached.value)}")
    hits = [i for i, item in enumerate(reached.value) if _name(item) == step.name]
    if not hits:
        return ComponentProblem(
            "FieldMissing", f"the workload has no {step.written}; {before} {_told(reached.value)}"
        )
    if len(hits) > 1:
        return ComponentProblem(
            "AmbiguousPath",
            f"the workload has {step.written} {len(hits)} times; keep one of them",
        )
    path = (*reached.path, hits[0])
    guard = Guard((*path, "name"), step.name)
    return _Reached(path, reached.value[hits[0]], (*reached.guards, guard))


def _name(item: Any) -> str | None:
    return item.get("name") if isinstance(item, dict) else None


def _told(value: Any) -> str:
    """Say what is there, and what to write."""
    if isinstance(value, dict):
        return f"holds {_listed(sorted(value))}; write the path of one value"
    if isinstance(value, list):
        names = [f"[name={_name(item)}]" for item in value if _name(item)]
        if names:
            return f"is a list; go on with {_listed(names)}"
        return "is a list whose items have no names; choose another component"
    if value is None:
        return "is null; write a value there"
    return f"is {canonical_json(value)[:60]} already; leave out what follows it"


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= 8 else [*names[:8], "…"]
    return ", ".join(shown) or "nothing"
