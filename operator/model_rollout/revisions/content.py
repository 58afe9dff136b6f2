"""The content of a workload: the values of the components, and the observed rest of its template."""

import copy
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model_rollout.api.component import Component
from model_rollout.api.revision import ComponentKind, ComponentValue, ValueType
from model_rollout.revisions.canonical import (
    Json,
    canonical_json,
    digest,
    normalised_template,
)
from model_rollout.revisions.locate import locate
from model_rollout.revisions.places import ComponentProblem, Place, Value, applied, apply

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
    return digest({component.name: _identifying(component) for component in components})


def identity(components: tuple[ComponentValue, ...], observed_digest: str) -> str:
    """Return the identity of the revision that these components and this rest make up."""
    values = {component.name: _identifying(component) for component in components}
    return digest({"components": values, "observed": observed_digest})


def _identifying(component: ComponentValue) -> Any:
    """A text stands for itself; "1", 1 and nothing at all are three values."""
    if component.type is ValueType.STRING:
        return component.value
    return {component.type.value: component.value}


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
        left = locate(rest, component)
        if isinstance(left, ComponentProblem) or left.value != place.value:
            return _overlap(clean, component, components)
        values.append(_value(component.name, place))
        apply(rest, left.blank)
    return Content(tuple(values), digest(rest), _parts(rest), digest(clean))


def _overlap(
    clean: Json, component: Component, components: tuple[Component, ...]
) -> ComponentProblem:
    """Another component stands at the same place: without its value, this one's is another."""
    value = _read(clean, component)
    others = [
        other.name
        for other in components
        if other is not component
        and isinstance(place := locate(clean, other), Place)
        and _read(applied(clean, place.blank), component) != value
    ]
    return ComponentProblem(
        "SamePlace",
        f"component {component.name}: its value stands within that of component "
        f"{', '.join(others)}; write each place once",
    )


def _read(template: Json, component: Component) -> Value | None:
    place = locate(template, component)
    return place.value if isinstance(place, Place) else None


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
            texts.append(_short(component))
    return _shorten(", ".join(texts), 256)


def _short(component: ComponentValue) -> str:
    if component.type is not ValueType.ABSENT:
        return component.value
    return f"without {component.source.rpartition('/')[2]}"


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
        value=place.value.text,
        type=place.value.type,
        pinned=_pinned(place),
    )


def _pinned(place: Place) -> bool:
    if place.kind is ComponentKind.IMAGE or place.source.endswith(".image.reference"):
        return "@sha256:" in place.value.text
    return _MUTABLE.search(place.value.text) is None


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
