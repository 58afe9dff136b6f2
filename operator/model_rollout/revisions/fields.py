"""A value anywhere in an object, by a path that names the items of lists."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

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
from model_rollout.revisions.workloads import PARTS

TEMPLATE = "spec.template"
WORKLOAD = "the workload"
_WHOLE = frozenset(f"spec.{part}" for part in PARTS)
"""Paths of objects that can be restored as a whole."""
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


def locate_field(
    name: str, document: Json, path: str, *, root: str = TEMPLATE, owner: str = WORKLOAD
) -> Place | ComponentProblem:
    """Find the one value at a path, which begins at the root of an object.

    `root` is the part of the path that leads to `document`; `owner` names the object to people.
    """
    where = f"component {name}: "
    if not re.search(FIELD_PATTERN, path) or (root and not path.startswith(f"{root}.")):
        return ComponentProblem(
            "PathRefused",
            f"{where}{path!r} is no path into the pod template; write one such as "
            "spec.template.spec.volumes[name=model].image.reference",
        )
    found = _walk(document, _steps(path, root), owner, root)
    if isinstance(found, ComponentProblem):
        return ComponentProblem(found.reason, where + found.message)
    if path in _WHOLE and owner == WORKLOAD and isinstance(found.value, dict):
        return _whole(path, found)
    if isinstance(found.value, dict | list) or found.value is None:
        return ComponentProblem("NotOneValue", f"{where}{path} {_told(found.value)}")

    def write(value: Value) -> Steps:
        wanted = value.text if value.type is ValueType.STRING else json.loads(value.text)
        return (Guard(found.path, found.value), Edit("replace", found.path, wanted))

    blank = (Edit("replace", found.path, BLANK),)
    return Place(ComponentKind.FIELD, path, _value(found.value), found.guards, blank, write)


def _whole(path: str, found: _Reached) -> Place:
    """A part of an InferenceService, restored member by member: those that scale it are left out."""

    def write(value: Value) -> Steps:
        wanted: Json = json.loads(value.text)
        steps: list[Guard | Edit] = []
        for name in sorted(wanted.keys() | found.value.keys()):
            spot, before = (*found.path, name), found.value.get(name)
            if name not in wanted:
                steps += [Guard(spot, before), Edit("remove", spot)]
            elif before != wanted[name]:
                op: Literal["add", "replace"] = "replace" if name in found.value else "add"
                steps += [Guard(spot, before), Edit(op, spot, wanted[name])]
        return tuple(steps)

    blank = (Edit("replace", found.path, BLANK),)
    return Place(ComponentKind.FIELD, path, _value(found.value), found.guards, blank, write)


def put_field(template: Json, path: str, text: str) -> None:
    """Put a text at a path, with everything that leads there, into a template that is made up."""
    holder: Any = template
    steps = _steps(path, TEMPLATE)
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


def _steps(path: str, root: str) -> list[_Step]:
    rest = path.removeprefix(root) if root else f".{path}"
    return [
        _Step(
            found[1] or found[2] or found[3],
            found[2] is not None,
            (root + rest[: found.end()]).removeprefix("."),
        )
        for found in _STEP.finditer(rest)
    ]


def _walk(document: Json, steps: list[_Step], owner: str, root: str) -> _Reached | ComponentProblem:
    reached = _Reached((), document, ())
    before = root or "it"
    for step in steps:
        take = _item if step.item else _member
        found = take(reached, step, before, owner)
        if isinstance(found, ComponentProblem):
            return found
        reached, before = found, step.written
    return reached


def _member(reached: _Reached, step: _Step, before: str, owner: str) -> _Reached | ComponentProblem:
    if not isinstance(reached.value, dict):
        return ComponentProblem("FieldMissing", f"{before} {_told(reached.value)}")
    if step.name not in reached.value:
        return ComponentProblem(
            "FieldMissing", f"{owner} has no {step.written}; {before} {_told(reached.value)}"
        )
    return _Reached((*reached.path, step.name), reached.value[step.name], reached.guards)


def _item(reached: _Reached, step: _Step, before: str, owner: str) -> _Reached | ComponentProblem:
    if not isinstance(reached.value, list):
        return ComponentProblem("FieldMissing", f"{before} {_told(reached.value)}")
    hits = [i for i, item in enumerate(reached.value) if _name(item) == step.name]
    if not hits:
        return ComponentProblem(
            "FieldMissing", f"{owner} has no {step.written}; {before} {_told(reached.value)}"
        )
    if len(hits) > 1:
        return ComponentProblem(
            "AmbiguousPath",
            f"{owner} has {step.written} {len(hits)} times; keep one of them",
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
