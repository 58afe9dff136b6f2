"""The JSON Patch that puts the components of a revision back."""

import json
from typing import Any

from model_rollout.api.revision import ComponentValue
from model_rollout.api.rollout import Component
from model_rollout.revisions.canonical import (
    TRANSACTION_ANNOTATION,
    Json,
    canonical_json,
    normalised_template,
)
from model_rollout.revisions.places import ComponentProblem, Path, locate, pointer

_TEMPLATE: Path = ("spec", "template")
_ANNOTATIONS: Path = (*_TEMPLATE, "metadata", "annotations")


def restore_operations(
    workload: Json,
    components: tuple[Component, ...],
    target: tuple[ComponentValue, ...],
    transaction: str,
) -> tuple[Json, ...]:
    """Return one JSON Patch that restores `target`, or an empty one when nothing differs.

    Every change is preceded by a `test` of the workload's UID, of the names that lead to the place
    and of the value that was observed. There is no test of the resourceVersion, so that unrelated
    edits of the same object are kept. `/spec/replicas` and what is beside the template are never
    touched.

    Raises:
        ValueError: when the workload or the target lacks a component: not to be restored.
    """
    values = {value.name: value.value for value in target}
    template = workload["spec"]["template"]
    changes: list[Json] = []
    for component in components:
        if component.name not in values:
            raise ValueError(f"the target has no component {component.name}")
        if component.pod_template is not None:
            changes += _whole(template, values[component.name], transaction)
        else:
            changes += _single(template, component, values[component.name])
    if not changes:
        return ()
    if all(change["path"] != pointer(_TEMPLATE) for change in changes):
        changes += _annotate(template, transaction)
    return (_test(("metadata", "uid"), workload["metadata"]["uid"]), *changes)


def _single(template: Json, component: Component, value: str) -> list[Json]:
    place = locate(template, component)
    if isinstance(place, ComponentProblem):
        raise ValueError(place.message)
    if place.value == value:
        return []
    path = (*_TEMPLATE, *place.path)
    observed = place.prefix + place.value if place.present else None
    tests = [_test((*_TEMPLATE, *guard.path), guard.value) for guard in place.guards]
    # `replace` keeps the length of a list; `add` also sets a member that is absent.
    kind = "replace" if place.present else "add"
    change = {"op": kind, "path": pointer(path), "value": place.prefix + value}
    return [*tests, _test(path, observed), change]


def _whole(template: Json, value: str, transaction: str) -> list[Json]:
    if canonical_json(normalised_template(template)) == value:
        return []
    target: Json = json.loads(value)
    annotations = target.setdefault("metadata", {}).setdefault("annotations", {})
    annotations[TRANSACTION_ANNOTATION] = transaction
    return [
        _test(_TEMPLATE, template),
        {"op": "replace", "path": pointer(_TEMPLATE), "value": target},
    ]


def _annotate(template: Json, transaction: str) -> list[Json]:
    """The annotation restarts the pods once and says who changed the template."""
    changes: list[Json] = []
    if not template.get("metadata", {}).get("annotations"):
        # A `test` of null holds only while the member is absent, so nobody's annotations are lost.
        changes += [
            _test(_ANNOTATIONS, None),
            {"op": "add", "path": pointer(_ANNOTATIONS), "value": {}},
        ]
    path = (*_ANNOTATIONS, TRANSACTION_ANNOTATION)
    return [*changes, {"op": "add", "path": pointer(path), "value": transaction}]


def _test(path: Path, value: Any) -> Json:
    return {"op": "test", "path": pointer(path), "value": value}
