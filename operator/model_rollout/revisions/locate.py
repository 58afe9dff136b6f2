"""Where the value of a component stands in a pod template: exactly one place, or a problem."""

from model_rollout.api.component import Component, EnvComponent
from model_rollout.api.revision import ComponentKind
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.fields import TEMPLATE, locate_field
from model_rollout.revisions.flags import locate_flag
from model_rollout.revisions.matches import locate_match
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


def locate(template: Json, component: Component) -> Place | ComponentProblem:
    """Find the place of a component in a pod template, or in the object that its field refers to.

    Raises:
        ValueError: for a component that is the whole template, which has no single place.
    """
    if component.field is not None:
        ref, where = component.field.ref, component.field.path
        if ref is not None:
            owner = f"{ref.kind} {ref.name}"
            return locate_field(component.name, template, where, root="", owner=owner)
        within = "" if where.split(".")[1] in PARTS else TEMPLATE
        return locate_field(component.name, template, where, root=within)
    if component.config_map is not None:
        return _reference(component.name, template, component.config_map.volume or "")
    wanted = component.image or component.env or component.arg
    if wanted is None:
        raise ValueError(f"component {component.name} has no single place in the template")
    found = _container(template, wanted.container)
    if found is None:
        message = _no_container(template, component.name, wanted.container)
        return ComponentProblem("ContainerMissing", message)
    path, container = found
    guard = Guard((*path, "name"), wanted.container)
    if component.env is not None:
        return _env(component.name, component.env, path, container, guard)
    if component.arg is not None and component.arg.flag is not None:
        return locate_flag(component.name, container, path, guard, component.arg.flag)
    if component.arg is not None:
        return locate_match(component.name, container, path, guard, component.arg.match or "")
    return _at(
        ComponentKind.IMAGE, wanted.container, (*path, "image"), container.get("image"), (guard,)
    )


def _reference(name: str, template: Json, volume: str) -> Place | ComponentProblem:
    """The name of the ConfigMap that a volume mounts."""
    volumes = template.get("spec", {}).get("volumes") or ()
    for index, found in enumerate(volumes):
        if found.get("name") != volume:
            continue
        if not (found.get("configMap") or {}).get("name"):
            break
        spot: Path = ("spec", "volumes", index)
        return _at(
            ComponentKind.CONFIG_MAP,
            f"volume/{volume}",
            (*spot, "configMap", "name"),
            found["configMap"]["name"],
            (Guard((*spot, "name"), volume),),
        )
    fitting = [v["name"] for v in volumes if (v.get("configMap") or {}).get("name")]
    return ComponentProblem(
        "VolumeMissing",
        f"component {name}: the pod template has no volume {volume!r} with a configMap; write one of "
        f"{', '.join(fitting) or 'its volumes (none mounts a ConfigMap)'}",
    )


def _at(
    kind: ComponentKind, source: str, path: Path, observed: str | None, guards: tuple[Guard, ...]
) -> Place:
    """A place that is a whole member of an object, which may be left out where it is empty."""

    def write(value: Value) -> Steps:
        # `replace` wants something to be there; `add` also sets a member that is absent.
        op = Edit("add" if observed is None else "replace", path, value.text)
        return (Guard(path, observed), op)

    return Place(kind, source, Value(observed or ""), guards, (Edit("add", path, BLANK),), write)


def _container(template: Json, name: str) -> tuple[Path, Json] | None:
    spec = template.get("spec", {})
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            if container.get("name") == name:
                return ("spec", group, index), container
    return None


def _no_container(template: Json, name: str, wanted: str) -> str:
    spec = template.get("spec", {})
    names = [c["name"] for g in ("containers", "initContainers") for c in spec.get(g) or ()]
    return (
        f"component {name}: the workload has no container {wanted!r}; "
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
    return _at(
        ComponentKind.ENV,
        f"{wanted.container}/{wanted.name}",
        (*spot, "value"),
        variable.get("value"),
        (guard, Guard((*spot, "name"), wanted.name)),
    )
