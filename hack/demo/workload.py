"""What the steps see of the demo's Deployment, ModelRollout, ModelRevisions and metrics."""

import json
import math
import urllib.parse
import urllib.request
from typing import Any

from demo.kube import Kube

NAMESPACE = "model-rollout-demo"
NAME = "digits"
CONTAINER = "server"
TRANSACTION = "modelrollout.dev/transaction"

Json = dict[str, Any]

_GUARDS = f"/apis/modelrollout.dev/v1alpha1/namespaces/{NAMESPACE}"
GUARD_PATH = f"{_GUARDS}/modelrollouts/{NAME}"
_DEPLOYMENT_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"


class Workload:
    """Reads and a few derived facts; every call reads anew."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def guard(self) -> Json:
        return self._kube.get(GUARD_PATH)

    def status(self) -> Json:
        status: Json = self.guard().get("status") or {}
        return status

    def deployment(self) -> Json:
        return self._kube.get(_DEPLOYMENT_PATH)

    def generation(self) -> int:
        """Grows with every change of the Deployment's spec, whoever makes it."""
        generation: int = self.deployment()["metadata"]["generation"]
        return generation

    def components(self) -> tuple[str, str]:
        """Image and model URI in the Deployment's pod template."""
        container = self.deployment()["spec"]["template"]["spec"]["containers"][0]
        uri = next(v["value"] for v in container["env"] if v["name"] == "MODEL_URI")
        return container["image"], uri

    def transaction_annotation(self) -> str:
        metadata = self.deployment()["spec"]["template"]["metadata"]
        return str(metadata["annotations"].get(TRANSACTION, ""))

    def revision_phase(self, number: int) -> str:
        """The phase of a ModelRevision, empty while it has none."""
        for revision in self._kube.get(f"{_GUARDS}/modelrevisions")["items"]:
            if revision["spec"]["number"] == number:
                return str(revision.get("status", {}).get("phase", ""))
        return ""

    def pod_problems(self) -> str:
        """Why pods do not run, as their containers say it."""
        problems = set()
        for pod in self._kube.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]:
            for container in pod.get("status", {}).get("containerStatuses", []):
                waiting = container["state"].get("waiting", {})
                if waiting.get("reason", "ContainerCreating") != "ContainerCreating":
                    problems.add(f"{waiting['reason']} ({container['image']})")
        return ", ".join(sorted(problems))


def condition(status: Json, kind: str) -> Json:
    """A condition of a status, empty when it is not there."""
    conditions = status.get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def describe(status: Json) -> str:
    """A status in one line, for the message of a step that failed."""
    if not status:
        return "the ModelRollout has no status"
    revision = (status.get("current") or {}).get("revision", "none")
    said = f"{status.get('reason', '')}: {status.get('message', '')}"
    return f"phase {status.get('phase')}, revision {revision}, {said}"


class Metrics:
    """Prometheus, as the steps ask it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def value(self, promql: str) -> float | None:
        """One number, or None where there is none (no series, 0/0, no answer)."""
        form = urllib.parse.urlencode({"query": promql}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query", form, timeout=5) as answer:
                result = json.load(answer)["data"]["result"]
        except (OSError, ValueError, KeyError):
            return None
        value = float(result[0]["value"][1]) if len(result) == 1 else math.nan
        return value if math.isfinite(value) else None
