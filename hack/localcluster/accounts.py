"""Kubeconfigs for ServiceAccounts: programs under test run with the rights they would have."""

import json
from pathlib import Path
from typing import Any

from localcluster.controlplane import ControlPlane


def kubeconfig_for_service_account(
    cluster: ControlPlane,
    namespace: str,
    name: str,
    path: Path,
    *,
    server: str | None = None,
    duration: str = "24h",
) -> Path:
    """Write a kubeconfig with a fresh token of an existing ServiceAccount to `path`.

    `server` puts something in front of the API server: `http://…` for a proxy that speaks HTTP
    itself, `https://…` for one that passes TLS through (the cluster's certificate is valid for
    127.0.0.1 and localhost).
    """
    token = cluster.kubectl(
        "create", "token", name, "--namespace", namespace, "--duration", duration
    ).strip()
    address = server or cluster.server
    endpoint: dict[str, Any] = {"server": address}
    if address.startswith("https:"):
        endpoint["certificate-authority"] = str(cluster.ca)
    context = {"cluster": cluster.name, "user": name, "namespace": namespace}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster.name, "cluster": endpoint}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": cluster.name, "context": context}],
        "current-context": cluster.name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))  # JSON is YAML
    return path
