"""A real API server takes the CRDs, fills in defaults, and refuses mistakes with a sentence."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane, KubectlError
from model_rollout.api.rollout import ModelRolloutSpec
from support.admission import METRIC, Admission, Manifest, admission, rollout

DIGEST = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def cluster(crds: ControlPlane) -> Iterator[Admission]:
    with admission(crds, "admission") as cluster:
        yield cluster


def metric(**changes: Any) -> Manifest:
    return {"metrics": [{**METRIC, **changes}]}


def image(name: str, container: str = "server") -> Manifest:
    return {"name": name, "image": {"container": container}}


def revision(**spec: Any) -> Manifest:
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRevision",
        "metadata": {"name": "sentiment-1"},
        "spec": {
            "rolloutRef": {"name": "sentiment", "uid": "b0e6f8e2"},
            "number": 1,
            "digest": DIGEST,
            "observedDigest": DIGEST,
            "components": [{"name": "model", "kind": "Image", "value": "registry/sentiment:1"}],
            "summary": "model=registry/sentiment:1",
            **spec,
        },
    }


DURATION = "write a duration such as 30s, 5m, 1h30m or 7d"

REFUSED = {
    "no-bound": (
        {"metrics": [{"name": "accuracy", "query": "accuracy"}]},
        "spec.metrics[0]: Invalid value: write min, max or both, for example min: 0.85",
    ),
    "min-above-max": (metric(max=0.5), "min must not be greater than max"),
    "no-metrics": ({"metrics": []}, "spec.metrics in body should have at least 1 items"),
    "duplicate-metric": (
        {"metrics": [METRIC, {**METRIC, "min": 0.5}]},
        'spec.metrics[1]: Duplicate value: {"name":"accuracy"}',
    ),
    "metric-name": (metric(name="P95 latency"), "write a name of lower case letters, digits and"),
    "metric-without-name": (
        {"metrics": [{"query": "accuracy", "min": 0.9}]},
        "spec.metrics[0].name: Required value",
    ),
    "metric-action": (
        metric(action="Explode"),
        'Unsupported value: "Explode": supported values: "Rollback", "Notify", "None"',
    ),
    "bound-as-text": (metric(min="0.9"), 'must be of type number: "string"'),
    "kill-switch": (
        {"killSwitch": "Stop"},
        'Unsupported value: "Stop": supported values: "None", "Pause", "Rollback"',
    ),
    "two-kinds": (
        {"components": [{**image("model"), "env": {"container": "server", "name": "URI"}}]},
        "spec.components[0]: Invalid value: write exactly one of image, env, arg, field, configMap, http or",
    ),
    "no-kind": (
        {"components": [{"name": "model"}]},
        "spec.components[0]: Invalid value: write exactly one of image, env, arg, field, configMap, http or",
    ),
    "no-components": ({"components": []}, "spec.components in body should have at least 1 items"),
    "whole-template-and-part": (
        {"components": [image("model"), {"name": "template", "podTemplate": {}}]},
        "podTemplate is the whole template: list it alone or with http components and configMap",
    ),
    "same-image-twice": (
        {"components": [image("a"), image("b")]},
        "two components name the same image: write each place once",
    ),
    "same-env-twice": (
        {
            "components": [
                {"name": name, "env": {"container": "server", "name": "URI"}} for name in "ab"
            ]
        },
        "two components name the same env: write each place once",
    ),
    "same-arg-twice": (
        {
            "components": [
                {"name": name, "arg": {"container": "server", "flag": "--model"}} for name in "ab"
            ]
        },
        "two components name the same arg: write each place once",
    ),
    "duplicate-component": (
        {"components": [image("a"), image("a", "other")]},
        'spec.components[1]: Duplicate value: {"name":"a"}',
    ),
    "flag-without-dashes": (
        {"components": [{"name": "m", "arg": {"container": "server", "flag": "model"}}]},
        "write the flag with its dashes, for example --revision",
    ),
    "duration-in-words": (metric(**{"for": "5 minutes"}), DURATION),
    "duration-without-unit": ({"analysis": {"warmUp": "90"}}, DURATION),
    "duration-iso": ({"rollback": {"cooldown": "PT10M"}}, DURATION),
    "duration-of-nothing": (
        {"rollback": {"deadline": "0s"}},
        "write a duration greater than zero, such as 30m",
    ),
    "interval-too-short": (
        {"analysis": {"interval": "500ms"}},
        "write an interval such as 30s or 5m",
    ),
    "url-without-scheme": (
        {"prometheus": {"url": "prometheus:9090"}},
        "write a base URL such as http://prometheus.monitoring:9090",
    ),
    "url-with-password": (
        {"prometheus": {"url": "http://me:secret@prometheus:9090"}},
        "without user, query and fragment",
    ),
    "two-credentials": (
        {"prometheus": {"authSecretRef": {"name": "a"}, "basicAuthSecretRef": {"name": "b"}}},
        "write authSecretRef (a bearer token) or basicAuthSecretRef (a user and a password)",
    ),
    "client-certificate-in-the-clear": (
        {"prometheus": {"url": "http://p:9090", "clientCertSecretRef": {"name": "client"}}},
        "clientCertSecretRef needs a url that begins with https://",
    ),
    "authority-in-the-clear": (
        {"prometheus": {"url": "http://p:9090", "caBundleRef": {"name": "ca"}}},
        "caBundleRef needs a url that begins with https://",
    ),
    "tenant": ({"prometheus": {"tenant": "team a"}}, "write a tenant such as team-a"),
    "when": (
        {"analysis": {"when": "any"}},
        "write Any, All, or an expression such as errors.breached && latency_p95.suspect",
    ),
    "no-false-rollbacks-at-all": (
        {"analysis": {"falseRollbackEvery": "0s"}},
        "write a duration greater than zero",
    ),
    "target-kind": (
        {"targetRef": {"kind": "DaemonSet", "name": "sentiment"}},
        "write kind: Deployment, StatefulSet or InferenceService",
    ),
    "target-version": (
        {"targetRef": {"kind": "InferenceService", "name": "sentiment"}},
        "write apiVersion: serving.kserve.io/v1beta1 for an InferenceService",
    ),
    "unknown-field": (
        {"analysis": {"warmup": "5m"}},
        'strict decoding error: unknown field "spec.analysis.warmup"',
    ),
    "rollback-mode": (
        {"rollback": {"mode": "Ask"}},
        'Unsupported value: "Ask": supported values: "Automatic", "Manual", "DryRun"',
    ),
    "window-of-nothing": (
        {"rollback": {"window": "0s"}},
        "write a duration greater than zero, such as 30m",
    ),
    "window-in-words": ({"rollback": {"window": "a week"}}, DURATION),
    "quarantine-policy": (
        {"quarantine": {"policy": "Ignore"}},
        'Unsupported value: "Ignore": supported values: "Revert", "Allow"',
    ),
    "max-reverts": ({"quarantine": {"maxReverts": 11}}, "should be less than or equal to 10"),
    "history-limit": ({"history": {"limit": 1}}, "should be greater than or equal to 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence(cluster: Admission, case: str) -> None:
    spec, sentence = REFUSED[case]
    assert sentence in cluster.refusal(rollout(f"refused-{case}", **spec))


def test_name_leaves_room_for_the_names_of_revisions(cluster: Admission) -> None:
    cluster.apply(rollout("n" * 200))
    assert "write a metadata.name of at most 200 characters" in cluster.refusal(rollout("n" * 201))


def test_crds_are_structural(cluster: Admission) -> None:
    for crd in json.loads(cluster.kubectl("get", "crd", "--output", "json"))["items"]:
        conditions = {item["type"]: item["status"] for item in crd["status"]["conditions"]}
        assert conditions["Established"] == "True", conditions
        assert conditions["NamesAccepted"] == "True", conditions
        assert conditions.get("NonStructuralSchema", "False") == "False", conditions


def test_minimal_manifest_gets_all_defaults(cluster: Admission) -> None:
    manifest = rollout("minimal")
    assert cluster.apply(manifest)["spec"] == {
        "killSwitch": "None",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "sentiment"},
        "prometheus": {},
        "metrics": [METRIC],
        "analysis": {
            "interval": "30s",
            "warmUp": "2m",
            "settle": "30s",
            "bakeTime": "1h",
            "minOutcomes": 100,
            "falseRollbackEvery": "100d",
            "when": "Any",
        },
        "rollback": {
            "mode": "Automatic",
            "to": "LastStable",
            "allowUnproven": True,
            "verifyFor": "5m",
            "deadline": "30m",
            "cooldown": "10m",
            "budget": {"maxRollbacks": 3, "per": "1d"},
            "escalate": False,
        },
        "quarantine": {"policy": "Revert", "maxReverts": 1},
        "fallbacks": [],
        "history": {"limit": 20},
    }


def test_operator_and_api_server_agree_on_defaults(cluster: Admission) -> None:
    manifest = rollout("agree", rollback={"budget": {"maxRollbacks": 1}})
    stored = cluster.apply(manifest)["spec"]
    assert ModelRolloutSpec.model_validate(stored) == ModelRolloutSpec.model_validate(
        manifest["spec"]
    )


def test_applying_twice_changes_nothing(cluster: Admission) -> None:
    first, second = (cluster.apply(rollout("twice")) for _ in range(2))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_everything_written_is_taken(cluster: Admission) -> None:
    manifest = rollout(
        "full",
        components=[
            image("model"),
            image("sidecar", "proxy"),
            {"name": "weights", "env": {"container": "server", "name": "MODEL_URI"}},
            {"name": "checkpoint", "arg": {"container": "server", "flag": "--revision"}},
        ],
        prometheus={
            "url": "https://prometheus.example:9090/team-a",
            "tenant": "team-a|team-b",
            "authSecretRef": {"name": "prometheus"},
            "caBundleRef": {"name": "authority", "key": "bundle.pem"},
            "clientCertSecretRef": {"name": "client"},
        },
        metrics=[
            {**METRIC, "max": 1.0, "for": "0s", "every": "1h", "noDataAfter": "2h30m"},
            {"name": "latency_p95", "query": "latency", "max": 1, "action": "Notify"},
        ],
        killSwitch="Rollback",
        rollback={"mode": "DryRun", "to": "Previous", "toRevision": 3},
    )
    stored = cluster.apply(manifest)["spec"]
    assert stored["components"] == manifest["spec"]["components"]
    assert stored["rollback"]["toRevision"] == 3
    assert stored["prometheus"]["authSecretRef"] == {"name": "prometheus", "key": "token"}


def test_target_cannot_be_changed(cluster: Admission) -> None:
    cluster.apply(rollout("moving"))
    refusal = cluster.refusal(rollout("moving", targetRef={"name": "other"}))
    assert "targetRef cannot be changed: delete this ModelRollout and create another" in refusal


def test_kill_switch_is_flipped_by_patch(cluster: Admission) -> None:
    cluster.apply(rollout("flipped"))
    patch = ("patch", "mro", "flipped", "--type=merge", "--patch")
    cluster.kubectl(*patch, '{"spec": {"killSwitch": "Pause"}}')
    with pytest.raises(KubectlError, match='supported values: "None", "Pause", "Rollback"'):
        cluster.kubectl(*patch, '{"spec": {"killSwitch": "pause"}}')


def test_columns(cluster: Admission) -> None:
    cluster.apply(rollout("shown"))
    status = {
        "phase": "Suspect",
        "current": {
            "revision": 5,
            "name": "shown-5",
            "digest": "d",
            "since": "2026-01-01T00:00:00Z",
        },
        "stable": {"revision": 4, "name": "shown-4"},
        "breached": "accuracy",
        "attempts": 2,
        "message": "accuracy is 0.61, below 0.9",
    }
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", "mro", "shown", "--subresource=status", "--type=merge", "-p", patch)
    heading, row = cluster.kubectl("get", "mro", "shown").splitlines()
    assert heading.split() == [
        "NAME", "PHASE", "REVISION", "STABLE", "KILLSWITCH", "BREACHED", "ROLLBACKS", "AGE",
    ]  # fmt: skip
    assert row.split()[:7] == ["shown", "Suspect", "5", "4", "None", "accuracy", "2"]
    wide = cluster.kubectl("get", "mro", "shown", "--output", "wide")
    assert "MESSAGE" in wide
    assert "accuracy is 0.61, below 0.9" in wide


def test_status_of_nobody_is_refused(cluster: Admission) -> None:
    cluster.apply(rollout("status"))
    with pytest.raises(KubectlError, match='supported values: "Initializing", "Progressing"'):
        cluster.kubectl(
            "patch", "mro", "status", "--subresource=status", "--type=merge",
            "--patch", '{"status": {"phase": "Splendid"}}',
        )  # fmt: skip


def test_revision_cannot_be_changed_but_its_status_can(cluster: Admission) -> None:
    cluster.apply(revision())
    changed = copy.deepcopy(revision())
    changed["spec"]["components"][0]["value"] = "registry/sentiment:2"
    assert "a ModelRevision records what was deployed and cannot be changed" in cluster.refusal(
        changed
    )

    patch = '{"status": {"phase": "Quarantined", "reason": "MetricBreached"}}'
    cluster.kubectl(
        "patch", "mrev", "sentiment-1", "--subresource=status", "--type=merge", "-p", patch
    )
    heading, row = cluster.kubectl("get", "mrev", "sentiment-1").splitlines()
    assert heading.split() == ["NAME", "ROLLOUT", "NUMBER", "PHASE", "REASON", "MODEL", "AGE"]
    assert row.split()[:5] == ["sentiment-1", "sentiment", "1", "Quarantined", "MetricBreached"]
    assert row.split()[5] == "model=registry/sentiment:1"


def test_category(cluster: Admission) -> None:
    cluster.apply(rollout("listed"))
    assert "modelrollout.modelrollout.dev/listed" in cluster.kubectl("get", "ml", "-o", "name")
    assert "listed" not in cluster.kubectl("get", "all", "--output", "name")
