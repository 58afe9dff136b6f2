"""Reads the objects that fields refer to: any kind, so a kind or a right may be missing."""

from model_rollout.api.component import ObjectReference
from model_rollout.engine.guard import Guard
from model_rollout.ports.kubernetes import Cluster, Forbidden, Json, NotFound
from model_rollout.revisions.objects import ObjectRef
from model_rollout.revisions.places import ComponentProblem

AGGREGATE_LABEL = "rbac.modelrollout.dev/aggregate-to-operator"
"""ClusterRoles with this label, set to "true", add to what the operator may do."""


async def read_objects(cluster: Cluster, guard: Guard) -> dict[str, Json | ComponentProblem]:
    """Return what the fields of other objects stand in, by component, or why it cannot be read.

    Nothing is watched: a watch of every kind that somebody names would outlive its last user.
    """
    found: dict[str, Json | ComponentProblem] = {}
    for component in guard.spec.components:
        if component.field is not None and component.field.ref is not None:
            read = await _read(cluster, guard.namespace, component.field.ref)
            found[component.name] = (
                ComponentProblem("ObjectUnreadable", f"component {component.name}: {read}")
                if isinstance(read, str)
                else read
            )
    return found


async def _read(cluster: Cluster, namespace: str, wanted: ObjectReference) -> Json | str:
    ref = ObjectRef(wanted.api_version, wanted.kind, namespace, wanted.name)
    try:
        body = await cluster.read(ref)
    except (Forbidden, NotFound) as error:
        return why_unreadable(ref, error)
    if body is None:
        return f"there is no {ref}; create it, or correct the component"
    return body


def why_unreadable(ref: ObjectRef, error: Forbidden | NotFound) -> str:
    """Say what is missing before an object of some kind can be read, and what to apply."""
    if isinstance(error, NotFound):
        return (
            f"this cluster has no kind {ref.kind} of {ref.api_version}; install it, or correct "
            "apiVersion and kind"
        )
    return (
        f"the operator may not read {ref}: apply a ClusterRole with the label "
        f'{AGGREGATE_LABEL}: "true" that allows get and patch of its kind, as '
        "deploy/examples/rbac-further-kinds.yaml does"
    )
