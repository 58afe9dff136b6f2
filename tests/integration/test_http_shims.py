"""The manifests of the shims, as `kubectl apply -k` sends them to a real API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.controlplane import ControlPlane

FOLDER = Path(__file__).parents[2] / "deploy" / "examples" / "http-shims"
NAMESPACE = "http-shims"


@pytest.fixture(scope="module")
def cluster(crds: ControlPlane) -> Iterator[ControlPlane]:
    """With a namespace that warns of pods that are not restricted."""
    crds.kubectl("create", "namespace", NAMESPACE)
    crds.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted")
    yield crds
    crds.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def built(cluster: ControlPlane) -> dict[tuple[str, str], Any]:
    bodies = yaml.safe_load_all(cluster.kubectl("kustomize", str(FOLDER)))
    return {(body["kind"], body["metadata"]["name"]): body for body in bodies}


@pytest.mark.parametrize("source", [("-k", str(FOLDER)), ("-f", str(FOLDER / "rollout.yaml"))])
def test_manifests_are_accepted_without_a_warning(
    cluster: ControlPlane, source: tuple[str, str]
) -> None:
    dry = ("--dry-run=server", "--validate=strict", "--warnings-as-errors")
    answer = cluster.kubectl("apply", "--namespace", NAMESPACE, *dry, *source)
    assert "created (server dry run)" in answer


def test_pods_get_the_scripts_as_they_are_tested(built: dict[tuple[str, str], Any]) -> None:
    [(name, scripts)] = [(n, b["data"]) for (kind, n), b in built.items() if kind == "ConfigMap"]
    assert scripts == {path.name: path.read_text() for path in FOLDER.glob("*.py")}
    for shim in ("kb-alias", "fraud-alias"):
        pod = built["Deployment", shim]["spec"]["template"]["spec"]
        assert pod["volumes"][0] == {"name": "shims", "configMap": {"name": name}}
        assert Path(pod["containers"][0]["command"][-1]).name in scripts


def test_token_may_be_sent_to_the_services(built: dict[tuple[str, str], Any]) -> None:
    annotations = built["Secret", "http-shims"]["metadata"]["annotations"]
    services = [name for kind, name in built if kind == "Service"]
    entries = [f"http://{service}.ml.svc:8080" for service in sorted(services, reverse=True)]
    assert annotations["modelrollout.dev/allowed-hosts"] == ", ".join(entries)
    [rule] = built["Role", "modelrollout-http-shims"]["rules"]
    assert (rule["verbs"], rule["resourceNames"]) == (["get"], ["http-shims"])
