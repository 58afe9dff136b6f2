"""What is known about the place of a component in a pod template, and how another value gets there."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from model_rollout.api.revision import ComponentKind, ValueType
from model_rollout.revisions.canonical import Json

Path = tuple[str | int, ...]

BLANK = "\0component"
"""Stands in the observed rest of a template where the value of a component stood."""


@dataclass(frozen=True, slots=True)
class ComponentProblem:
    """A component that cannot be read, with what to write instead."""

    reason: str
    message: str
    temporary: bool = False
    """It says nothing about what is there: a server did not answer."""


class Unrestorable(ValueError):
    """A value cannot be written into this workload without guessing; the text says why."""


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a component; `text` is empty where it is absent."""

    text: str
    type: ValueType = ValueType.STRING

    @property
    def absent(self) -> bool:
        """Whether there is no value at all, which is a value of its own."""
        return self.type is ValueType.ABSENT


ABSENT = Value("", ValueType.ABSENT)


@dataclass(frozen=True, slots=True)
class Guard:
    """A value that must still stand at `path` when a patch is applied; None: nothing."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a template, as the operation of a JSON Patch (RFC 6902) of the same name."""

    op: Literal["add", "replace", "remove"]
    path: Path
    value: Any = None


Steps = tuple[Guard | Edit, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a component stands in a pod template."""

    kind: ComponentKind
    source: str
    """The place as people name it; does not depend on the template."""
    value: Value
    guards: tuple[Guard, ...]
    """The names that lead to the place."""
    blank: tuple[Edit, ...]
    """Takes the value out of a template: what is left is the same whatever the value is."""
    write: Callable[[Value], Steps]
    """Gives the steps that put another value there; raises `Unrestorable`."""


def pointer(path: Path) -> str:
    """Return a path as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def apply(template: Json, edits: Iterable[Edit]) -> None:
    """Change a template in place; every path but the last member of an `add` must exist."""
    for edit in edits:
        holder: Any = template
        for part in edit.path[:-1]:
            holder = holder[part]
        last = edit.path[-1]
        if edit.op == "remove":
            del holder[last]
        elif edit.op == "add" and isinstance(holder, list):
            holder.insert(int(last), edit.value)
        else:
            holder[last] = edit.value


def applied(template: Json, edits: Iterable[Edit]) -> Json:
    """Return a changed copy of a template."""
    changed = copy.deepcopy(template)
    apply(changed, edits)
    return changed
