"""Where the components of a workload stand: in its pod template, or anywhere in its spec."""

from model_rollout.revisions.canonical import Json
from model_rollout.revisions.places import Path

INFERENCE_SERVICE = "InferenceService"
PARTS = ("predictor", "transformer", "explainer")
"""What an InferenceService is made of; each can be one component as a whole."""
SCALING = frozenset({"minReplicas", "maxReplicas"})
"""Members of these parts that say how many pods serve, and nothing about what they serve."""


def has_template(workload: Json) -> bool:
    """Tell whether a workload has a pod template of its own."""
    return bool(workload.get("kind") != INFERENCE_SERVICE)


def root(workload: Json) -> Path:
    """Return where in a workload its document begins."""
    return ("spec", "template") if has_template(workload) else ()


def document(workload: Json) -> Json:
    """Return what components stand in: the pod template, or the spec without what scales it."""
    spec = workload["spec"]
    if has_template(workload):
        template: Json = spec["template"]
        return template
    return {"spec": {name: _unscaled(part) for name, part in spec.items()}}


def _unscaled(part: object) -> object:
    if not isinstance(part, dict):
        return part
    return {name: value for name, value in part.items() if name not in SCALING}


def annotated(workload: Json) -> Json:
    """Return the object whose annotations restart the pods when they change.

    An InferenceService hands its own annotations on to its pods.
    """
    return document(workload) if has_template(workload) else workload
