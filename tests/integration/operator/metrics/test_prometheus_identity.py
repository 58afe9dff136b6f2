"""What the operator shows of itself to Prometheus: Secrets that their owner lets it send, and no others."""

import base64
from pathlib import Path
from typing import Any

import yaml

from localcluster.waiting import wait_until
from support.prometheus_proxy import PrometheusProxy
from support.scenario import Json, Scenario

HOSTS = "modelrollout.dev/allowed-hosts"
_EXAMPLE = Path(__file__).parents[4] / "deploy" / "examples" / "prometheus-credentials.yaml"

NOTICED = 40.0
"""Seconds; what could not be used is read again after ten."""


def secret(token: str, *, hosts: str = "") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "prometheus-token", "annotations": {HOSTS: hosts} if hosts else {}},
        "data": {"token": base64.b64encode(token.encode()).decode()},
    }


def role_of_the_docs() -> list[Json]:
    """The Role and RoleBinding that the example shows, as they are."""
    bodies = [body for body in yaml.safe_load_all(_EXAMPLE.read_text()) if body]
    return [body for body in bodies if body["kind"] in ("Role", "RoleBinding")]


def sent(prometheus: PrometheusProxy, header: str) -> set[str]:
    return {q.headers.get(header, "") for q in prometheus.questions()}


def test_token_is_sent_where_role_and_annotation_allow_it_and_is_rotated(case: Scenario) -> None:
    kube = case.site.kube
    with PrometheusProxy(case.site.prometheus.url) as prometheus:
        prometheus.require("Bearer first")
        kube.create(secret("first"), case.namespace)
        case.deploy("v1")
        settings: dict[str, Any] = {"url": prometheus.url}
        case.guard(prometheus=settings | {"authSecretRef": {"name": "prometheus-token"}})
        case.start_operator()
        # 1. It may not read the Secret.
        status = case.wait_for_reason("PrometheusUnknown")
        message = status["message"]
        assert f"may not read the Secret prometheus-token in namespace {case.namespace}" in message
        assert "create a Role there with the verb get on secrets" in message
        assert "resourceNames [prometheus-token]" in message
        assert prometheus.questions() == []
        for body in role_of_the_docs():
            kube.create(body, case.namespace)
        # 2. It may read it, and not send it there.
        host = prometheus.url.removeprefix("http://")
        status = case.wait_for(
            lambda s: "may not be sent to" in s.get("message", ""), "the annotation", NOTICED
        )
        assert f"add http://{host} to its annotation {HOSTS}" in status["message"]
        assert prometheus.questions() == []
        kube.merge(
            "Secret",
            case.namespace,
            "prometheus-token",
            {"metadata": {"annotations": {HOSTS: f"http://{host}"}}},
        )
        # 3. It is sent.
        case.wait_for_reason("Watching", NOTICED)
        assert sent(prometheus, "Authorization") == {"Bearer first"}
        # 4. It is rotated.
        prometheus.require("Bearer second")
        status = case.wait_for(
            lambda s: s["metrics"][0]["state"] == "Error", "the old token is refused", NOTICED
        )
        assert "CredentialsRefused: HTTP 401" in status["metrics"][0]["message"]
        assert case.patches(committed=False) == []
        data = secret("second")["data"]
        kube.merge("Secret", case.namespace, "prometheus-token", {"data": data})
        case.wait_for(lambda s: s["metrics"][0]["state"] == "Good", "the new one", NOTICED)
        assert sent(prometheus, "Authorization") == {"Bearer first", "Bearer second"}
        told = str([write.request.json for write in case.proxy.writes(committed=False)])
        assert "Bearer" not in told
        assert all("first" not in operator.log.read_text() for operator in case.operators)


def test_secret_is_never_sent_to_a_host_that_its_owner_did_not_name(case: Scenario) -> None:
    kube = case.site.kube
    with PrometheusProxy(case.site.prometheus.url) as prometheus:
        kube.create(secret("token", hosts="prometheus.example.com"), case.namespace)
        for body in role_of_the_docs():
            kube.create(body, case.namespace)
        case.deploy("v1")
        case.guard(
            prometheus={"url": prometheus.url, "authSecretRef": {"name": "prometheus-token"}}
        )
        operator = case.start_operator()
        case.wait_for_reason("PrometheusUnknown")
        operator.wait_for_checks(3)
        assert prometheus.questions() == []


def test_tenant_is_sent_with_instant_queries_and_with_those_of_history(case: Scenario) -> None:
    with PrometheusProxy(case.site.prometheus.url) as prometheus:
        operator = case.stable("v1", prometheus={"url": prometheus.url, "tenant": "team-a"})
        operator.kill()
        case.start_operator()
        wait_until(lambda: prometheus.questions("_range"), 20, "history is asked for")
        assert sent(prometheus, "X-Scope-OrgID") == {"team-a"}
        assert sent(prometheus, "Authorization") == {""}
