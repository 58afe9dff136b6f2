"""Which writes lead from what is live to what is wanted, in order: the workload is the last one."""

from collections.abc import Iterator
from dataclasses import dataclass

from model_rollout.api.component import Component, Restart
from model_rollout.api.revision import ComponentKind, ComponentValue
from model_rollout.decision.facts import Facts
from model_rollout.revisions.canonical import TRANSACTION_ANNOTATION, Json
from model_rollout.revisions.configmaps import created_write, restoring_write
from model_rollout.revisions.content import same_value
from model_rollout.revisions.objects import HttpWrite, Write, config_map_ref, ref_of
from model_rollout.revisions.places import ComponentProblem, Unrestorable
from model_rollout.revisions.restore import object_operations, restore_operations
from model_rollout.revisions.workloads import annotated

Values = tuple[ComponentValue, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transaction is, by the names of the components that it changes."""

    left: tuple[str, ...]
    """They hold what they held before."""
    applied: tuple[str, ...]
    """They hold what is wanted."""
    foreign: tuple[str, ...]
    """Somebody wrote something else, or they cannot be read any more."""


def progress(facts: Facts, before: Values, wanted: Values) -> Progress:
    """Compare what is live with what was there before a transaction and with what it wants."""
    if facts.live is None:
        return Progress((), (), tuple(value.name for value in wanted))
    live, old = _by_name(facts.live.components), _by_name(before)
    left, applied, foreign = [], [], []
    for value in wanted:
        name = value.name
        at_target = name in live and same_value(live[name], value)
        untouched = name in live and name in old and same_value(live[name], old[name])
        if at_target and not untouched:
            applied.append(name)
        elif untouched and not at_target:
            left.append(name)
        elif not at_target:
            foreign.append(name)
    return Progress(tuple(left), tuple(applied), tuple(foreign))


def written_by(facts: Facts, names: tuple[str, ...], transaction: str) -> tuple[str, ...]:
    """Return those of the components that this transaction wrote.

    What somebody else brought to the same value is theirs. Servers do not say who wrote a value.
    """
    live = _by_name(facts.live.components) if facts.live else {}
    ours = []
    for component in facts.spec.components:
        map_ = component.config_map
        if component.name not in names:
            continue
        if map_ is not None and map_.volume is None:
            body = facts.config_maps.get(live[component.name].config_map or "")
            if body is None or _annotated(body["metadata"]) != transaction:
                continue
        elif component.field is not None and component.field.ref is not None:
            other = facts.objects.get(component.name)
            if not isinstance(other, dict) or _annotated(other["metadata"]) != transaction:
                continue
        elif component.http is None and not restarted_by(facts, transaction):
            continue
        ours.append(component.name)
    return tuple(ours)


def writes(
    facts: Facts, wanted: Values, transaction: str, *, restart: bool
) -> tuple[Write | HttpWrite, ...]:
    """Return the writes that are left until `wanted` is live.

    ConfigMaps come first, then fields of other objects and what servers hold, and the workload
    last, with one annotation, so that the pods restart once and then read everything. What is at
    its target already needs no write.

    Raises:
        Unrestorable: when a value cannot be written; the text says why.
    """
    assert facts.workload is not None
    assert facts.live is not None
    changed = different(facts.live.components, wanted)
    body = facts.workload.body
    patch = restore_operations(body, facts.spec.components, wanted, transaction, restart=restart)
    last = (Write(ref_of(body), read=body, patch=patch),) if patch else ()
    return (
        *_config_maps(facts, wanted, changed, transaction),
        *_objects(facts, wanted, transaction),
        *_http(wanted, changed),
        *last,
    )


def _objects(facts: Facts, wanted: Values, transaction: str) -> Iterator[Write]:
    """Fields of other objects; pods are not restarted for them."""
    values = _by_name(wanted)
    for component in facts.spec.components:
        body = facts.objects.get(component.name)
        if body is None or isinstance(body, ComponentProblem):
            continue
        patch = object_operations(body, component, values[component.name], transaction)
        if patch:
            yield Write(ref_of(body), read=body, patch=patch)


def _http(wanted: Values, changed: frozenset[str]) -> Iterator[HttpWrite]:
    for value in wanted:
        if value.kind is ComponentKind.HTTP and value.name in changed:
            yield HttpWrite(value.name, value.value)


def _config_maps(
    facts: Facts, wanted: Values, changed: frozenset[str], transaction: str
) -> Iterator[Write]:
    values = _by_name(wanted)
    for component in facts.spec.components:
        if component.config_map is None or component.name not in changed:
            continue
        write = _config_map(facts, component, values[component.name], transaction)
        if write is not None:
            yield write


def _config_map(
    facts: Facts, component: Component, value: ComponentValue, transaction: str
) -> Write | None:
    assert component.config_map is not None
    name = value.config_map or ""
    contents = facts.snapshots.get(value.value)
    if contents is None:
        raise Unrestorable(
            f"component {component.name}: ConfigMap {value.snapshot_ref}, which kept the contents of "
            f"{name}, was deleted or changed"
        )
    ref, body = config_map_ref(facts.namespace, name), facts.config_maps.get(name)
    if component.config_map.volume is not None:
        return created_write(ref, body, contents, transaction)
    return restoring_write(ref, body, component.config_map.keys, contents, transaction)


def restarts(facts: Facts, before: Values, wanted: Values) -> bool:
    """Tell whether pods have to be restarted because contents of ConfigMaps change."""
    changed = different(before, wanted)
    return any(
        component.config_map is not None
        and component.config_map.restart is Restart.AUTO
        and component.name in changed
        for component in facts.spec.components
    )


def restarted_by(facts: Facts, transaction: str) -> bool:
    """Tell whether the pod template was written by this transaction."""
    marked = annotated(facts.workload.body) if facts.workload else {}
    return _annotated(marked.get("metadata") or {}) == transaction


def _annotated(metadata: Json) -> str | None:
    found: str | None = (metadata.get("annotations") or {}).get(TRANSACTION_ANNOTATION)
    return found


def merged(live: Values, target: Values, scope: frozenset[str]) -> Values:
    """Return the components of `target` that are in the scope over those that are live."""
    values = {value.name: value for value in target if value.name in scope}
    return tuple(values.get(value.name, value) for value in live)


def different(live: Values, target: Values) -> frozenset[str]:
    """Return the names of the components whose values differ."""
    values = _by_name(target)
    return frozenset(
        value.name
        for value in live
        if value.name in values and not same_value(value, values[value.name])
    )


def _by_name(values: Values) -> dict[str, ComponentValue]:
    return {value.name: value for value in values}
