"""What people and other programs do to the cluster, with an administrator's certificate.

Plain requests instead of kubectl: tests poll, and a process per look is what two cores feel first.
"""

import json
import threading
from typing import Any

import requests
import yaml

from localcluster.controlplane import ControlPlane

Json = dict[str, Any]

_GROUPS = {
    "Deployment": ("apis/apps/v1", "deployments"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "ReplicaSet": ("apis/apps/v1", "replicasets"),
    "Pod": ("api/v1", "pods"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Secret": ("api/v1", "secrets"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "ModelRollout": ("apis/modelrollout.dev/v1alpha1", "modelrollouts"),
    "MetricTemplate": ("apis/modelrollout.dev/v1alpha1", "metrictemplates"),
    "ModelRevision": ("apis/modelrollout.dev/v1alpha1", "modelrevisions"),
    "RolloutRecord": ("apis/modelrollout.dev/v1alpha1", "rolloutrecords"),
    "InferenceService": ("apis/serving.kserve.io/v1beta1", "inferenceservices"),
    "FeatureFlag": ("apis/core.openfeature.dev/v1beta1", "featureflags"),
    "Event": ("apis/events.k8s.io/v1", "events"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "ValidatingAdmissionPolicy": (
        "apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
    ),
    "ValidatingAdmissionPolicyBinding": (
        "apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
    ),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "Namespace": ("api/v1", "namespaces"),
    "Node": ("api/v1", "nodes"),
}
_CLUSTER_WIDE = frozenset({"Namespace", "Node", "ClusterRole", "ClusterRoleBinding"})


class Kube:
    """The API of one control plane; may be used by several threads."""

    def __init__(self, control_plane: ControlPlane) -> None:
        content = yaml.safe_load(control_plane.kubeconfig.read_text())
        user = content["users"][0]["user"]
        self._server = control_plane.server
        self._ca = str(control_plane.ca)
        self._certificate = (user["client-certificate"], user["client-key"])
        self._local = threading.local()

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return one object, None when it is not there."""
        answer = self._send("GET", _path(kind, namespace, name), missing_ok=True)
        return answer or None

    def items(self, kind: str, namespace: str) -> list[Json]:
        items: list[Json] = self._send("GET", _path(kind, namespace))["items"]
        return items

    def create(self, body: Json, namespace: str = "") -> Json:
        return self._send("POST", _path(body["kind"], namespace), body)

    def apply(self, body: Json, namespace: str, *, manager: str = "deployer") -> Json:
        """Server-side apply, as a pipeline does that owns what it deploys."""
        path = _path(body["kind"], namespace, body["metadata"]["name"])
        query = f"?fieldManager={manager}&force=true"
        return self._send("PATCH", path + query, body, "application/apply-patch+yaml")

    def merge(
        self, kind: str, namespace: str, name: str, patch: Json, *, manager: str = "kubectl-edit"
    ) -> Json:
        """A merge patch, as `kubectl patch` and `kubectl annotate` send."""
        path = _path(kind, namespace, name) + f"?fieldManager={manager}"
        return self._send("PATCH", path, patch, "application/merge-patch+json")

    def merge_status(
        self, kind: str, namespace: str, name: str, status: Json, *, manager: str
    ) -> Json:
        """Merge a status, as a controller does."""
        path = _path(kind, namespace, name) + f"/status?fieldManager={manager}"
        return self._send("PATCH", path, {"status": status}, "application/merge-patch+json")

    def json_patch(self, kind: str, namespace: str, name: str, operations: list[Json]) -> Json:
        path = _path(kind, namespace, name) + "?fieldManager=kubectl-edit"
        return self._send("PATCH", path, operations, "application/json-patch+json")

    def strategic(self, kind: str, namespace: str, name: str, patch: Json) -> Json:
        """A strategic merge patch, as `kubectl edit` sends."""
        path = _path(kind, namespace, name) + "?fieldManager=kubectl-edit"
        return self._send("PATCH", path, patch, "application/strategic-merge-patch+json")

    def scale(self, namespace: str, name: str, replicas: int) -> Json:
        """Scale a Deployment through its subresource, as a HorizontalPodAutoscaler does."""
        path = (
            _path("Deployment", namespace, name) + "/scale?fieldManager=horizontal-pod-autoscaler"
        )
        body = {"spec": {"replicas": replicas}}
        return self._send("PATCH", path, body, "application/merge-patch+json")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete, dependents in the background; that it is gone already is no error."""
        body = {"propagationPolicy": "Background"}
        self._send("DELETE", _path(kind, namespace, name), body, missing_ok=True)

    def _send(
        self,
        method: str,
        path: str,
        body: Json | list[Json] | None = None,
        content_type: str = "application/json",
        *,
        missing_ok: bool = False,
    ) -> Json:
        answer = self._session().request(
            method,
            f"{self._server}/{path}",
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type},
            timeout=20,
        )
        if answer.status_code == 404 and missing_ok:
            return {}
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: Json = answer.json()
        return found

    def _session(self) -> requests.Session:
        """One a thread: requests' sessions are not made for several at once."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.verify, session.cert = self._ca, self._certificate
            self._local.session = session
        return session


def _path(kind: str, namespace: str, name: str = "") -> str:
    group, plural = _GROUPS[kind]
    place = f"namespaces/{namespace}/" if namespace and kind not in _CLUSTER_WIDE else ""
    return f"{group}/{place}{plural}" + (f"/{name}" if name else "")
