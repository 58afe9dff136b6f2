"""The JSON Patch that puts the components of a revision back."""

import json
from typing import Any

from model_rollout.api.component import Component
from model_rollout.api.revision import ComponentValue
from model_rollout.revisions.canonical import (
    TRANSACTION_ANNOTATION,
    Json,
    canonical_json,
    normalised_template,
)
from model_rollout.revisions.locate import locate
from model_rollout.revisions.places import (
    ComponentProblem,
    Edit,
    Guard,
    Path,
    Place,
    Steps,
    Unrestorable,
    Value,
    applied,
    pointer,
)
from model_rollout.revisions.workloads import document, has_template, root


def restore_operations(
    workload: Json,
    components: tuple[Component, ...],
    target: tuple[ComponentValue, ...],
    transaction: str,
    *,
    restart: bool = False,
) -> tuple[Json, ...]:
    """Return one JSON Patch that restores `target`, or an empty one when nothing differs.

    With `restart` the pods are restarted even when nothing in the template differs, once.

    Every change is preceded by a `test` of the workload's UID, of the names that lead to the place
    and of the value that was observed. A component that is at its target already is tested as well:
    with an edit of it that nobody saw yet, the result would be a mixture that is no revision. There
    is no test of the resourceVersion, so that unrelated edits of the same object are kept.
    `/spec/replicas` and what is beside the template are never touched.

    Several components may stand in the same text; each change is made to what those before left.

    Raises:
        Unrestorable: when the workload or the target lacks a component, or when a value cannot be
            written into this template so that it is read back and nothing else is changed.
    """
    values = {value.name: value for value in target}
    template, at = document(workload), root(workload)
    changes: list[Json] = []
    for component in components:
        if component.name not in values:
            raise Unrestorable(f"the target has no component {component.name}")
        wanted = values[component.name]
        if component.pod_template is not None:
            changes += _whole(template, at, wanted.value, transaction)
            continue
        value = _in_template(component, wanted)
        if value is None:
            continue
        steps = _single(template, component, value)
        template = applied(template, _edits(steps))
        changes += [_operation(step, at) for step in steps]
    marked = template if has_template(workload) else workload
    differs = any(change["op"] != "test" for change in changes)
    if not differs and not (restart and _written_by(marked) != transaction):
        return ()
    if all(change["path"] != pointer(at) for change in changes):
        changes += _annotate(marked, at, transaction)
    return (_test(("metadata", "uid"), workload["metadata"]["uid"]), *changes)


def object_operations(
    body: Json, component: Component, wanted: ComponentValue, transaction: str
) -> tuple[Json, ...]:
    """Return the JSON Patch that restores a field of another object, empty when nothing differs.

    An annotation says that it was us: what somebody else restored is not ours to undo.

    Raises:
        Unrestorable: when the object lacks the field.
    """
    steps = _single(body, component, Value(wanted.value, wanted.type))
    if not _edits(steps):
        return ()
    uid = _test(("metadata", "uid"), body["metadata"]["uid"])
    changes = [_operation(step, ()) for step in steps]
    return (uid, *changes, *_annotate(body, (), transaction))


def _in_template(component: Component, wanted: ComponentValue) -> Value | None:
    """Return what stands in the pod template for a value; None where nothing does."""
    if component.http is not None or (component.field and component.field.ref):
        return None
    if component.config_map is None:
        return Value(wanted.value, wanted.type)
    return Value(wanted.config_map or "") if component.config_map.volume else None


def _written_by(template: Json) -> str | None:
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    found: str | None = annotations.get(TRANSACTION_ANNOTATION)
    return found


def _single(template: Json, component: Component, value: Value) -> Steps:
    place = _found(template, component)
    if place.value == value:
        return (*place.guards, *_observed(place))
    try:
        steps = place.write(value)
    except Unrestorable as error:
        raise Unrestorable(f"component {component.name}: {error}") from None
    _verify(template, component, value, place, steps)
    return (*place.guards, *steps)


def _observed(place: Place) -> Steps:
    """The tests of the value that stands there; none where it could not be written back anyway."""
    try:
        return tuple(step for step in place.write(place.value) if isinstance(step, Guard))
    except Unrestorable:
        return ()


def _found(template: Json, component: Component) -> Place:
    place = locate(template, component)
    if isinstance(place, ComponentProblem):
        raise Unrestorable(place.message)
    return place


def _verify(template: Json, component: Component, value: Value, place: Place, steps: Steps) -> None:
    """What is written must be read back, and the rest must be what it was."""
    after = applied(template, _edits(steps))
    found = _found(after, component)
    same_rest = applied(after, found.blank) == applied(template, place.blank)
    if found.value != value or not same_rest:
        raise Unrestorable(
            f"component {component.name}: {value.text!r} cannot be written where "
            f"{place.value.text!r} stands: it would be read as something else"
        )


def _edits(steps: Steps) -> list[Edit]:
    return [step for step in steps if isinstance(step, Edit)]


def _operation(step: Guard | Edit, at: Path) -> Json:
    path = (*at, *step.path)
    if isinstance(step, Guard):
        return _test(path, step.value)
    written = {} if step.op == "remove" else {"value": step.value}
    return {"op": step.op, "path": pointer(path), **written}


def _whole(template: Json, at: Path, value: str, transaction: str) -> list[Json]:
    if canonical_json(normalised_template(template)) == value:
        return []
    target: Json = json.loads(value)
    annotations = target.setdefault("metadata", {}).setdefault("annotations", {})
    annotations[TRANSACTION_ANNOTATION] = transaction
    return [
        _test(at, template),
        {"op": "replace", "path": pointer(at), "value": target},
    ]


def _annotate(template: Json, at: Path, transaction: str) -> list[Json]:
    """The annotation restarts the pods once and says who changed the template."""
    annotations: Path = (*at, "metadata", "annotations")
    changes: list[Json] = []
    if not template.get("metadata", {}).get("annotations"):
        # A `test` of null holds only while the member is absent, so nobody's annotations are lost.
        changes += [
            _test(annotations, None),
            {"op": "add", "path": pointer(annotations), "value": {}},
        ]
    path = (*annotations, TRANSACTION_ANNOTATION)
    return [*changes, {"op": "add", "path": pointer(path), "value": transaction}]


def _test(path: Path, value: Any) -> Json:
    return {"op": "test", "path": pointer(path), "value": value}
