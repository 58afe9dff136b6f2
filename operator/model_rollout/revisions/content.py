"""The content of a workload: the values of the components, and the observed rest of its template."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
from model_rollout.revisions.configmaps import Contents, contents_of
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
    contents: tuple[Contents, ...] = field(default=(), compare=False, repr=False)
    """What the ConfigMaps hold of which the components know the digests."""

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


def same_value(one: ComponentValue, other: ComponentValue) -> bool:
    """Tell whether two components hold the same, wherever it stands."""
    return bool(_identifying(one) == _identifying(other))


def _identifying(component: ComponentValue) -> Any:
    """A text stands for itself; "1", 1 and nothing at all are three values."""
    if component.type is ValueType.STRING:
        return component.value
    return {component.type.value: component.value}


def read_content(
    template: Json,
    components: tuple[Component, ...],
    config_maps: Mapping[str, Json | None] | None = None,
    http: Mapping[str, str | ComponentProblem] | None = None,
    objects: Mapping[str, Json | ComponentProblem] | None = None,
) -> Content | ComponentProblem:
    """Return what a workload holds, or the first component that cannot be read.

    `config_maps`: the ConfigMaps that `config_map_names` gives, by name; None: not there. `http`:
    the values that servers hold, by the names of their components. `objects`: other objects that
    fields refer to, by the names of the components.
    """
    clean = normalised_template(template)
    values: list[ComponentValue] = []
    contents: list[Contents] = []
    rest = copy.deepcopy(clean)
    for component in components:
        outside = _outside(component, clean, config_maps or {}, http or {}, objects or {})
        if isinstance(outside, ComponentProblem):
            return outside
        if outside is not None:
            values.append(outside[0])
            contents += outside[1]
        if component.pod_template is not None:
            values.append(_whole(component.name, clean))
            rest = {}
        if not _in_template(component):
            continue
        place = locate(clean, component)
        if isinstance(place, ComponentProblem):
            return place
        left = locate(rest, component)
        if isinstance(left, ComponentProblem) or left.value != place.value:
            return _overlap(clean, component, components)
        if outside is None:
            values.append(_value(component.name, place))
        apply(rest, left.blank)
    return Content(tuple(values), digest(rest), _parts(rest), digest(clean), tuple(contents))


def _in_template(component: Component) -> bool:
    """Tell whether a place of the pod template belongs to the component, and no other part of it."""
    if component.config_map is not None:
        return component.config_map.volume is not None
    elsewhere = component.field is not None and component.field.ref is not None
    return component.http is None and component.pod_template is None and not elsewhere


def _outside(
    component: Component,
    template: Json,
    config_maps: Mapping[str, Json | None],
    http: Mapping[str, str | ComponentProblem],
    objects: Mapping[str, Json | ComponentProblem],
) -> tuple[ComponentValue, tuple[Contents, ...]] | ComponentProblem | None:
    """Return the value of a component that stands beside the pod template; None: it stands in it."""
    if component.http is not None:
        return _http(component, http)
    if component.config_map is not None:
        return _config_map(component, template, config_maps)
    if component.field is not None and component.field.ref is not None:
        return _referenced(component, objects)
    return None


def _referenced(
    component: Component, objects: Mapping[str, Json | ComponentProblem]
) -> tuple[ComponentValue, tuple[Contents, ...]] | ComponentProblem:
    assert component.field is not None
    assert component.field.ref is not None
    ref, unread = component.field.ref, f"component {component.name} was not read"
    body = objects.get(component.name, ComponentProblem("Unread", unread))
    if isinstance(body, ComponentProblem):
        return body
    place = locate(body, component)
    if isinstance(place, ComponentProblem):
        return place
    value = _value(component.name, place)
    source = f"{ref.kind}/{ref.name}/{component.field.path}"[:400]
    return value.model_copy(update={"source": source}), ()


def _http(
    component: Component, http: Mapping[str, str | ComponentProblem]
) -> tuple[ComponentValue, tuple[Contents, ...]] | ComponentProblem:
    assert component.http is not None
    value = http.get(component.name, ComponentProblem("Unread", f"{component.name} was not read"))
    if isinstance(value, ComponentProblem):
        return value
    read = ComponentValue(
        name=component.name,
        kind=ComponentKind.HTTP,
        source=component.http.url[:400],
        value=value,
        pinned=_MUTABLE.search(value) is None,
    )
    return read, ()


def config_map_names(template: Json, components: tuple[Component, ...]) -> tuple[str, ...]:
    """Return the names of the ConfigMaps whose contents are components."""
    clean = normalised_template(template)
    names = (_config_map_name(clean, component) for component in components)
    return tuple(name for name in names if isinstance(name, str))


def _config_map_name(template: Json, component: Component) -> str | ComponentProblem | None:
    wanted = component.config_map
    if wanted is None:
        return None
    if wanted.name is not None:
        return wanted.name
    place = locate(template, component)
    return place if isinstance(place, ComponentProblem) else place.value.text


def _config_map(
    component: Component, template: Json, config_maps: Mapping[str, Json | None]
) -> tuple[ComponentValue, tuple[Contents, ...]] | ComponentProblem:
    wanted, name = component.config_map, _config_map_name(template, component)
    assert wanted is not None
    if not isinstance(name, str):
        assert name is not None
        return name
    body = config_maps.get(name)
    if body is None:
        return ComponentProblem(
            "ConfigMapMissing",
            f"component {component.name}: there is no ConfigMap {name}; create it, or correct the "
            "component",
        )
    contents = contents_of(body, wanted.keys)
    value = ComponentValue(
        name=component.name,
        kind=ComponentKind.CONFIG_MAP,
        source=f"volume/{wanted.volume}" if wanted.volume else _source(name, wanted.keys),
        value=contents.digest,
        type=ValueType.SNAPSHOT,
        config_map=name,
    )
    return value, (contents,)


def _source(name: str, keys: tuple[str, ...]) -> str:
    """Two revisions can be swapped when they hold the same keys of the same map."""
    listed = ",".join(sorted(keys))
    if len(listed) > 100:
        listed = digest(listed)[:12]
    return f"{name}/{listed}" if listed else name


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
    if component.type is ValueType.SNAPSHOT:
        return f"{component.name} {component.value[:8]}"
    if component.type is not ValueType.ABSENT:
        if component.type is ValueType.JSON and component.value.startswith("{"):
            return f"{component.name} {_uri(json.loads(component.value))}"
        return component.value
    return f"without {component.source.rpartition('/')[2]}"


def _uri(part: Json) -> str:
    """Return where the model of a part of an InferenceService comes from, else a digest of it."""
    uri = (part.get("model") or {}).get("storageUri")
    return str(uri or digest(part)[:8])


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
    if place.value.text.startswith("{") and place.value.type is ValueType.JSON:
        return not any(_MUTABLE.search(text) for text in _texts(json.loads(place.value.text)))
    return _MUTABLE.search(place.value.text) is None


def _texts(part: Any) -> Iterator[str]:
    """Yield all texts in a part of an InferenceService."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _texts(inner)


def _parts(rest: Json) -> dict[str, str]:
    parts: dict[str, str] = {}
    for name, value in rest.get("metadata", {}).items():
        parts[f"metadata.{name}"] = digest(value)[:12]
    for name, value in rest.get("spec", {}).items():
        if name in ("containers", "initContainers"):
            for container in value:
                for key, part in container.items():
                    parts[f"{name}[{container.get('name')}].{key}"] = digest(part)[:12]
        else:
            parts[f"spec.{name}"] = digest(value)[:12]
    return dict(sorted(parts.items())[:_MAX_PARTS])


def changed_parts(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """Return the places of the observed rest that differ between two revisions."""
    places = sorted(before.keys() | after.keys())
    return tuple(place for place in places if before.get(place) != after.get(place))


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
