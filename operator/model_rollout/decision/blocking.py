"""Pods that a StatefulSet never replaces by itself, although their template was rolled back.

With the default `podManagementPolicy` its controller waits for a pod that is not Ready before it
goes on, also when only another template could make that pod Ready (kubernetes#67250).
"""

from collections.abc import Iterable

from model_rollout.api.component import Component
from model_rollout.api.revision import ComponentValue
from model_rollout.api.status import Stage, Transaction
from model_rollout.decision.facts import Workload
from model_rollout.decision.observed import is_ready, newest_hash, owned_by, template_hash
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import Content, read_content, same_value
from model_rollout.revisions.history import kept_template


def may_block(workload: Workload, transaction: Transaction | None) -> bool:
    """Tell whether pods of the revision that a rollback left can be in its way."""
    spec = workload.body["spec"]
    return (
        transaction is not None
        and transaction.stage is Stage.VERIFYING
        and workload.body["kind"] == "StatefulSet"
        and workload.caught_up
        and not workload.waits
        and spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    )


def blocking_pods(
    workload: Workload,
    pods: Iterable[Json],
    kept: Iterable[Json],
    components: tuple[Component, ...],
    left: tuple[ComponentValue, ...],
) -> tuple[Json, ...]:
    """Return the pods of the revision that was left, and of this StatefulSet, that are not Ready.

    Args:
        workload: The StatefulSet.
        pods: Pods that its selector matches.
        kept: Its ControllerRevisions, each with the template that it stands for.
        components: The components of the ModelRollout.
        left: Their values in the revision that was left.
    """
    newest = newest_hash(workload.body, [])
    bad = {
        body["metadata"]["name"]
        for body in kept
        if owned_by(body, workload.body) and _holds(kept_template(body), components, left)
    }
    return tuple(
        pod
        for pod in pods
        if owned_by(pod, workload.body)
        and template_hash(pod) in bad - {newest}
        and not is_ready(pod)
        and "deletionTimestamp" not in pod["metadata"]
    )


def _holds(
    template: Json, components: tuple[Component, ...], values: tuple[ComponentValue, ...]
) -> bool:
    """Tell whether a template holds these values, as far as they stand in templates."""
    wanted = {value.name: value for value in values}
    inside = tuple(c for c in components if c.stands_in_template and c.name in wanted)
    if not inside:
        return True
    found = read_content(template, inside)
    return isinstance(found, Content) and all(
        same_value(value, wanted[value.name]) for value in found.components
    )
