"""Where the value of a component stands in a pod template: exactly one place, or a problem."""

from dataclasses import dataclass
from typing import Any

from model_rollout.api.revision import ComponentKind
from model_rollout.api.rollout import ArgComponent, Component, EnvComponent, ImageComponent
from model_rollout.revisions.canonical import Json

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ComponentProblem:
    """A component that cannot be read, with what to write instead."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Guard:
    """A value that must still stand at `path` when a patch is applied."""

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a pod template.

    `prefix` is what precedes the value inside the same string, such as `--model=`.
    """

    kind: ComponentKind
    source: str
    path: Path
    value: str
    guards: tuple[Guard, ...]
    prefix: str = ""
    present: bool = True


def pointer(path: Path) -> str:
    """Return a path as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def locate(template: Json, component: Component) -> Place | ComponentProblem:
    """Find the place of an image, env or arg component in a pod template."""
    wanted = component.image or component.env or component.arg
    if wanted is None:
        raise ValueError(f"component {component.name} has no single place in the template")
    found = _container(template, wanted.container)
    if found is None:
        return ComponentProblem("ContainerMissing", _no_container(template, component.name, wanted))
    path, container = found
    guard = Guard((*path, "name"), wanted.container)
    if isinstance(wanted, ImageComponent):
        image = str(container.get("image", ""))
        return Place(ComponentKind.IMAGE, wanted.container, (*path, "image"), image, (guard,))
    if isinstance(wanted, EnvComponent):
        return _env(component.name, wanted, path, container, guard)
    return _arg(component.name, wanted, path, container, guard)


def _container(template: Json, name: str) -> tuple[Path, Json] | None:
    spec = template.get("spec", {})
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            if container.get("name") == name:
                return ("spec", group, index), container
    return None


def _no_container(
    template: Json, name: str, wanted: ImageComponent | EnvComponent | ArgComponent
) -> str:
    spec = template.get("spec", {})
    names = [c["name"] for g in ("containers", "initContainers") for c in spec.get(g) or ()]
    return (
        f"component {name}: the workload has no container {wanted.container!r}; "
        f"write one of {', '.join(names) or 'its containers'}"
    )


def _env(
    name: str, wanted: EnvComponent, path: Path, container: Json, guard: Guard
) -> Place | ComponentProblem:
    variables = container.get("env") or []
    hits = [i for i, variable in enumerate(variables) if variable.get("name") == wanted.name]
    where = f"container {wanted.container!r}"
    if not hits:
        return ComponentProblem(
            "VariableMissing",
            f"component {name}: {where} sets no variable {wanted.name!r}; add it with a literal "
            "value to the workload, or name one that is there",
        )
    if len(hits) > 1:
        return ComponentProblem(
            "AmbiguousPath",
            f"component {name}: {where} sets {wanted.name!r} {len(hits)} times; keep one of them",
        )
    variable = variables[hits[0]]
    if variable.get("valueFrom") is not None:
        return ComponentProblem(
            "ValueFromRefused",
            f"component {name}: {wanted.name!r} in {where} comes from valueFrom, which says nothing "
            "about the version; write a literal value",
        )
    spot = (*path, "env", hits[0])
    return Place(
        ComponentKind.ENV,
        f"{wanted.container}/{wanted.name}",
        (*spot, "value"),
        str(variable.get("value", "")),
        (guard, Guard((*spot, "name"), wanted.name)),
        present="value" in variable,
    )


def _arg(
    name: str, wanted: ArgComponent, path: Path, container: Json, guard: Guard
) -> Place | ComponentProblem:
    places: list[Place] = []
    source = f"{wanted.container}/{wanted.flag}"
    joined = wanted.flag + "="
    for field in ("command", "args"):
        words = container.get(field) or []
        for index, word in enumerate(words):
            spot = (*path, field, index)
            if word.startswith(joined):
                value = word[len(joined) :]
                places.append(Place(ComponentKind.ARG, source, spot, value, (guard,), joined))
            elif word == wanted.flag and index + 1 < len(words):
                guards = (guard, Guard(spot, wanted.flag))
                following = (*path, field, index + 1)
                places.append(Place(ComponentKind.ARG, source, following, words[index + 1], guards))
    if len(places) == 1:
        return places[0]
    if not places:
        return ComponentProblem(
            "FlagMissing",
            f"component {name}: container {wanted.container!r} has no flag {wanted.flag!r} in its "
            f"command or args; write it there as {joined}VALUE or as two words",
        )
    return ComponentProblem(
        "AmbiguousPath",
        f"component {name}: container {wanted.container!r} has the flag {wanted.flag!r} "
        f"{len(places)} times; keep one of them",
    )
