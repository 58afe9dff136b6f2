"""The content of a workload: the values of the components, and the observed rest of its template."""

import copy
import json
import re
from dataclasses import dataclass
from functools import cached_property

from model_rollout.api.revision import ComponentKind, ComponentValue
from model_rollout.api.rollout import Component
from model_rollout.revisions.canonical import (
    Json,
    canonical_json,
    digest,
    normalised_template,
)
from model_rollout.revisions.places import ComponentProblem, Path, Place, locate

_BLANK = "\0component"
_MUTABLE = re.compile(r"(^|[:/@=#])(latest|main|master|dev|nightly|stable)$")
_MAX_PARTS = 256


@dataclass(frozen=True)
class Content:
    """What is deployed."""

    components: tuple[ComponentValue, ...]
    observed_digest: str
    observed: dict[str, str]
    """Short digests of the parts of the observed rest, by place."""
    template_digest: str = ""
    """Digest of the whole template, whatever the components are; empty where there is none."""

    @cached_property
    def components_digest(self) -> str:
        """SHA-256 of the values of the components alone: what a rollback restores."""
        return components_digest(self.components)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything: the identity of the revision."""
        return identity(self.components, self.observed_digest)


def components_digest(components: tuple[ComponentValue, ...]) -> str:
    """Return the digest of `{component: value}`, without the places where the values stand."""
    return digest({component.name: component.value for component in components})


def identity(components: tuple[ComponentValue, ...], observed_digest: str) -> str:
    """Return the identity of the revision that these components and this rest make up."""
    values = {component.name: component.value for component in components}
    return digest({"components": values, "observed": observed_digest})


def read_content(template: Json, components: tuple[Component, ...]) -> Content | ComponentProblem:
    """Return what a pod template holds, or the first component that cannot be read."""
    clean = normalised_template(template)
    values: list[ComponentValue] = []
    rest = copy.deepcopy(clean)
    for component in components:
        if component.pod_template is not None:
            values.append(_whole(component.name, clean))
            rest = {}
            continue
        place = locate(clean, component)
        if isinstance(place, ComponentProblem):
            return place
        values.append(_value(component.name, place))
        _blank(rest, place.path)
    return Content(tuple(values), digest(rest), _parts(rest), digest(clean))


def shape(components: tuple[ComponentValue, ...]) -> frozenset[tuple[str, str, str]]:
    """Return which components there are and where: two revisions with one shape can be swapped."""
    return frozenset((c.name, c.kind.value, c.source) for c in components)


def summary(components: tuple[ComponentValue, ...]) -> str:
    """Return the values in short: what a person calls the version."""
    texts = []
    for component in components:
        if component.kind is ComponentKind.POD_TEMPLATE:
            spec = json.loads(component.value).get("spec", {})
            texts += [str(c.get("image", "")) for c in spec.get("containers", ())]
        else:
            texts.append(component.value)
    return _shorten(", ".join(texts), 256)


def _whole(name: str, template: Json) -> ComponentValue:
    images = [str(c.get("image", "")) for c in template["spec"].get("containers", ())]
    return ComponentValue(
        name=name,
        kind=ComponentKind.POD_TEMPLATE,
        value=canonical_json(template),
        pinned=all("@sha256:" in image for image in images),
    )


def _value(name: str, place: Place) -> ComponentValue:
    return ComponentValue(
        name=name,
        kind=place.kind,
        source=place.source,
        value=place.value,
        pinned=_pinned(place),
    )


def _pinned(place: Place) -> bool:
    if place.kind is ComponentKind.IMAGE:
        return "@sha256:" in place.value
    return _MUTABLE.search(place.value) is None


def _blank(rest: Json, path: Path) -> None:
    holder = rest
    for part in path[:-1]:
        holder = holder[part]  # type: ignore[index]
    holder[path[-1]] = _BLANK  # type: ignore[index]


def _parts(rest: Json) -> dict[str, str]:
    parts: dict[str, str] = {}
    for field, value in rest.get("metadata", {}).items():
        parts[f"metadata.{field}"] = digest(value)[:12]
    for field, value in rest.get("spec", {}).items():
        if field in ("containers", "initContainers"):
            for container in value:
                for key, part in container.items():
                    parts[f"{field}[{container.get('name')}].{key}"] = digest(part)[:12]
        else:
            parts[f"spec.{field}"] = digest(value)[:12]
    return dict(sorted(parts.items())[:_MAX_PARTS])


def changed_parts(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """Return the places of the observed rest that differ between two revisions."""
    places = sorted(before.keys() | after.keys())
    return tuple(place for place in places if before.get(place) != after.get(place))


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
