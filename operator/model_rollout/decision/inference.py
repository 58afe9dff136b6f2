"""Reads what a decision needs from a KServe InferenceService (`serving.kserve.io/v1beta1`).

Its pods belong to its controller, so the rollout is read from `status.modelStatus` and from the
condition Ready. `status.observedGeneration` is of no use: KServe copies it from the Deployment or
Knative Service that it made, which counts differently (kserve#6081). Instead the times at which
spec and status were last written are compared.
"""

import datetime

from model_rollout.decision.facts import Pods, Workload
from model_rollout.decision.observed import FIELD_MANAGER
from model_rollout.revisions.canonical import Json

_STOP = "serving.kserve.io/stop"
_UP_TO_DATE = "UpToDate"
_BLAMED = frozenset({"BlockedByFailedLoad", "InvalidSpec"})
_PATIENCE = 60.0
"""Seconds after which a status that was not written again is believed: it needed no change."""


def read_inference_service(body: Json, now: float) -> Workload:
    """Return what decisions read of an InferenceService.

    One with `minReplicas: 0` serves: Knative starts a pod with the first request. Only the
    annotation `serving.kserve.io/stop` means that nothing is to serve.
    """
    metadata = body["metadata"]
    stopped = (metadata.get("annotations") or {}).get(_STOP) == "true"
    wanted = (body["spec"].get("predictor") or {}).get("minReplicas", 1)
    desired = 0 if stopped else max(1, wanted)
    model, ready = _model(body), _ready(body)
    caught_up = _caught_up(metadata.get("managedFields") or (), now)
    up_to_date = model.get("transitionStatus") == _UP_TO_DATE
    return Workload(
        body=body,
        uid=metadata["uid"],
        desired=desired,
        rolled_out=caught_up and desired > 0 and up_to_date and ready,
        caught_up=caught_up,
        waits="",
        progress=_progress(model, ready=ready),
        manager=_spec_manager(metadata.get("managedFields") or ()),
    )


def read_inference_pods(body: Json) -> Pods:
    """Return what the status says of the pods: why the newest model does not come up."""
    model = _model(body)
    if model.get("transitionStatus") not in _BLAMED:
        return Pods()
    failure = model.get("lastFailureInfo") or {}
    reason = failure.get("reason") or model["transitionStatus"]
    message = str(failure.get("message") or "")[:300]
    return Pods(stuck=(f"{reason}: {message}" if message else str(reason),))


def _model(body: Json) -> Json:
    found: Json = (body.get("status") or {}).get("modelStatus") or {}
    return found


def _ready(body: Json) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _progress(model: Json, *, ready: bool) -> str:
    status = model.get("transitionStatus") or "no transitionStatus yet"
    return f"its model is {status}, {'Ready' if ready else 'not Ready'}"


def _caught_up(entries: tuple[Json, ...], now: float) -> bool:
    """Tell whether the status speaks of the newest spec."""
    spec = max((_time(entry) for entry in entries if not entry.get("subresource")), default=0.0)
    status = max((_time(entry) for entry in entries if entry.get("subresource")), default=0.0)
    return status >= spec or now - spec > _PATIENCE


def _time(entry: Json) -> float:
    text = entry.get("time")
    return datetime.datetime.fromisoformat(text).timestamp() if text else 0.0


def _spec_manager(entries: tuple[Json, ...]) -> str:
    writers = [
        (_time(entry), str(entry.get("manager", "")))
        for entry in entries
        if "f:spec" in (entry.get("fieldsV1") or {}) and entry.get("manager") != FIELD_MANAGER
    ]
    return max(writers, default=(0.0, ""))[1]
