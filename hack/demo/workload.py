"""What the steps see of the demo's Deployments, ModelRollouts, ModelRevisions and metrics."""

import json
import math
import urllib.parse
import urllib.request
from typing import Any

from demo.kube import Kube

NAMESPACE = "model-rollout-demo"
NAME = "digits"
QUIET = "digits-quiet"
CONTAINER = "server"
TRANSACTION = "modelrollout.dev/transaction"

Json = dict[str, Any]

_GROUP = f"/apis/modelrollout.dev/v1alpha1/namespaces/{NAMESPACE}"
GUARDS = f"{_GROUP}/modelrollouts"
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"


class Workload:
    """Reads of one guarded Deployment and a few derived facts; every call reads anew."""

    def __init__(self, kube: Kube, name: str) -> None:
        self._kube = kube
        self._name = name

    def guard(self) -> Json:
        return self._kube.get(f"{GUARDS}/{self._name}")

    def status(self) -> Json:
        status: Json = self.guard().get("status") or {}
        return status

    def deployment(self) -> Json:
        return self._kube.get(f"{_DEPLOYMENTS}/{self._name}")

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
        for revision in self._kube.get(f"{_GROUP}/modelrevisions")["items"]:
            spec = revision["spec"]
            if (spec["rolloutRef"]["name"], spec["number"]) == (self._name, number):
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


def metric(status: Json, name: str) -> Json:
    """A metric of a status, empty when it is not there."""
    metrics = status.get("metrics", [])
    return next((one for one in metrics if one["name"] == name), {})


class Metrics:
    """Prometheus, as the steps ask it: not as the operator does, so that each checks the other."""

    def __init__(self, url: str, window: str) -> None:
        """`window`: how far a rate looks back."""
        self.url = url
        self._window = window

    def accuracy(self) -> float | None:
        """The share of right answers in the window."""
        right = f'sum(rate(digits_predictions_correct_total{{app="{NAME}"}}[{self._window}]))'
        return self.value(f"{right} / {right.replace('correct', 'labeled')}")

    def latency_p95(self) -> float | None:
        """Seconds within which 95 % of the answers in the window were given."""
        buckets = f'digits_request_seconds_bucket{{app="{NAME}"}}[{self._window}]'
        return self.value(f"histogram_quantile(0.95, sum by (le) (rate({buckets})))")

    def answers(self, app: str) -> tuple[int, int]:
        """How many answers the pods that run have given, and how many of them were wrong."""
        labeled = f'sum(digits_predictions_labeled_total{{app="{app}"}})'
        wrong = f"{labeled} - {labeled.replace('labeled', 'correct')}"
        return round(self.value(labeled) or 0.0), round(self.value(wrong) or 0.0)

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
