"""Components of every kind at a real API server: taken as written, or refused with what to write."""

from collections.abc import Iterator
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane
from model_rollout.api.component import Component
from support.admission import Admission, Manifest, admission, rollout

REFERENCE = "spec.template.spec.volumes[name=model].image.reference"
ONE_KIND = (
    "write exactly one of image, env, arg, field, configMap, http or podTemplate in a component"
)
ONE_GROUP = "write an expression with one group in parentheses, such as s3://models/([^ ]+)"
INTO_THE_TEMPLATE = f"write a path into the pod template, such as {REFERENCE}"
BY_NAME = "name the item of a list, such as volumes[name=model]: an index says nothing about"
NAMES = "write names separated by dots, [name=x] for the item of a list and ['example.com/x']"


@pytest.fixture(scope="module")
def cluster(crds: ControlPlane) -> Iterator[Admission]:
    with admission(crds, "admission-components") as cluster:
        yield cluster


def flag(flag: str = "--revision", name: str = "part") -> Manifest:
    return {"name": name, "arg": {"container": "server", "flag": flag}}


def match(match: str, name: str = "part") -> Manifest:
    return {"name": name, "arg": {"container": "server", "match": match}}


def field(path: str = REFERENCE, name: str = "part") -> Manifest:
    return {"name": name, "field": {"path": path}}


def http(url: str = "http://kb-alias.ml.svc/alias", name: str = "part", **more: Any) -> Manifest:
    return {"name": name, "http": {"url": url, **more}}


def config_map(component: str = "part", **fields: Any) -> Manifest:
    return {"name": component, "configMap": fields}


NAME_OR_VOLUME = "write name, the name of a ConfigMap, or volume, the volume of the pod template"
HTTPS = "https://kb-alias.ml.svc/alias"
PLAIN_URL = "that begins with http:// or https://, without user, query and fragment"
ON_THE_SERVER = "write a check on the server of url: the same scheme, host and port"

TAKEN: dict[str, Manifest] = {
    "flag": flag(),
    "flag-with-one-dash": flag("-m"),
    "match": match("s3://models/([^ ]+)"),
    "match-anchored": match(r"^--model=(\w{1,8}-[0-9.]+)\.bin$"),
    "match-of-special-characters": match(r"\$\((\d+)\)[(\]]?\\"),
    "field": field(),
    "field-of-a-container": field(
        "spec.template.spec.containers[name=server].resources.limits['nvidia.com/gpu']"
    ),
    "field-of-an-annotation": field("spec.template.metadata.annotations['example.com/model']"),
    "field-of-a-label": field("spec.template.metadata.labels.model-version"),
    "config-map": {
        "name": "part",
        "configMap": {"name": "prompt", "keys": [], "restart": "Auto", "shared": False},
    },
    "config-map-with-everything": {
        "name": "part",
        "configMap": {
            "name": "prompt",
            "keys": ["system.txt", "..data"],
            "restart": "Never",
            "shared": True,
        },
    },
    "config-map-of-a-volume": config_map(volume="prompt", keys=[], restart="Auto", shared=False),
    "http": http(),
    "http-without-a-path": http("http://kb-alias:8080"),
    "http-at-an-address": http("http://[fd00::1]:8080/alias"),
    "http-with-everything": http(
        HTTPS,
        check=f"{HTTPS}/could",
        authSecretRef={"name": "kb", "key": "alias.token"},
        caBundleRef={"name": "ca", "key": "ca.crt"},
    ),
}

FLAG = {"apiVersion": "core.openfeature.dev/v1beta1", "kind": "FeatureFlag", "name": "a"}


def elsewhere(path: str = "spec.flagSpec.flags.a.defaultVariant", **ref: str) -> Manifest:
    return {"name": "part", "field": {"path": path, "ref": FLAG | ref}}


TAKEN |= {
    "field-of-another-object": elsewhere(),
    "field-of-another-deployment": elsewhere(
        "spec.template.spec.containers[name=server].image", apiVersion="apps/v1", kind="Deployment"
    ),
}

REFUSED: dict[str, tuple[list[Manifest], str]] = {
    "no-kind": ([{"name": "a"}], ONE_KIND),
    "field-and-arg": ([flag() | field()], ONE_KIND),
    "flag-and-match": (
        [{"name": "a", "arg": {"container": "server", "flag": "--m", "match": "m=(.+)"}}],
        "write flag, for example --revision, or match, an expression with one group",
    ),
    "neither-flag-nor-match": (
        [{"name": "a", "arg": {"container": "server"}}],
        "write flag, for example --revision, or match, an expression with one group",
    ),
    "config-map-without-a-place": ([config_map(restart="Auto")], NAME_OR_VOLUME),
    "config-map-and-volume": (
        [{"name": "a", "configMap": {"name": "prompt", "volume": "prompt"}}],
        NAME_OR_VOLUME,
    ),
    "config-map-of-a-volume-with-keys": (
        [config_map(volume="prompt", keys=["a"])],
        "leave keys out where volume is set",
    ),
    "config-map-twice": (
        [{"name": name, "configMap": {"name": "prompt", "keys": [name]}} for name in ("a", "b")],
        "two components name the same configMap.name: list all keys in one component",
    ),
    "config-map-restarted-otherwise": (
        [{"name": "a", "configMap": {"name": "prompt", "restart": "Always"}}],
        'Unsupported value: "Always": supported values: "Auto", "Never"',
    ),
    "flag-without-dashes": ([flag("revision")], "write the flag with its dashes"),
    "match-without-a-group": ([match("s3://.+")], ONE_GROUP),
    "match-with-two-groups": ([match("(a)(b)")], ONE_GROUP),
    "match-with-alternatives": ([match("(a|b)")], ONE_GROUP),
    "match-with-a-group-in-a-group": ([match("((a)+)+")], ONE_GROUP),
    "match-with-a-repeated-group": ([match("(a+)+b")], ONE_GROUP),
    "match-with-lookaround": ([match("(?=a)(b)")], ONE_GROUP),
    "match-lazily": ([match("(a+?)b")], ONE_GROUP),
    "match-with-letters-beyond-ascii": ([match("(é)")], "write match in printable ASCII"),
    "match-too-long": ([match("(" + 300 * "a" + ")")], "Too long: may not be more than 256"),
    "path-outside-of-the-template": ([field("spec.replicas.of.a.kind")], INTO_THE_TEMPLATE),
    "field-of-a-secret": (
        [elsewhere("data.token", apiVersion="v1", kind="Secret")],
        "a Secret or a rule of RBAC is no version of a model",
    ),
    "field-of-a-role": (
        [elsewhere("rules.a", apiVersion="rbac.authorization.k8s.io/v1", kind="Role")],
        "a Secret or a rule of RBAC is no version of a model",
    ),
    "field-of-a-config-map": (
        [elsewhere("data.prompt", apiVersion="v1", kind="ConfigMap")],
        "write configMap: {name: NAME, keys: [KEY]}",
    ),
    "field-of-a-guard": (
        [elsewhere("spec.killSwitch", apiVersion="modelrollout.dev/v1alpha1", kind="ModelRollout")],
        "an object of modelrollout.dev is no part of a model",
    ),
    "field-of-a-status": ([elsewhere("status.phase")], "metadata and status say nothing about"),
    "field-of-metadata": ([elsewhere("metadata.name")], "metadata and status say nothing about"),
    "path-with-an-index": ([field("spec.template.spec.volumes[0].image.reference")], BY_NAME),
    "path-with-a-wildcard": ([field("spec.template.spec.volumes[*].image.reference")], BY_NAME),
    "path-with-a-filter": ([field("spec.template.spec.volumes[?(@.name=='m')].image")], NAMES),
    "path-that-ends-in-a-dot": ([field("spec.template.spec.volumes.")], NAMES),
    "path-of-the-image": (
        [field("spec.template.spec.containers[name=server].image")],
        "write image: {container: NAME} for the image of a container",
    ),
    "path-of-a-variable": (
        [field("spec.template.spec.initContainers[name=a].env[name=MODEL_URI].value")],
        "write env: {container: NAME, name: VARIABLE} for an environment variable",
    ),
    "path-of-the-arguments": (
        [field("spec.template.spec.containers[name=server].args")],
        "write arg: {container: NAME, flag: --FLAG} for a command line argument",
    ),
    "same-flag-twice": (
        [flag(name="a"), flag(name="b")],
        "two components name the same arg: write each place once",
    ),
    "same-match-twice": (
        [match("v(.+)", "a"), match("v(.+)", "b")],
        "two components name the same arg: write each place once",
    ),
    "same-field-twice": (
        [field(name="a"), field(name="b")],
        "two components name the same field: write each place once",
    ),
    "http-without-a-url": ([{"name": "a", "http": {}}], "http.url: Required value"),
    "http-of-another-scheme": ([http("ftp://kb/alias")], PLAIN_URL),
    "http-of-a-file": ([http("file:///etc/passwd")], PLAIN_URL),
    "http-with-a-user": ([http("http://user:pass@kb/alias")], PLAIN_URL),
    "http-with-a-query": ([http("http://kb/alias?name=kb")], PLAIN_URL),
    "http-with-a-fragment": ([http("http://kb/alias#kb")], PLAIN_URL),
    "http-without-a-host": ([http("http:///alias")], PLAIN_URL),
    "http-with-a-line-break": ([http("http://kb/alias\nHost: evil")], PLAIN_URL),
    "http-url-too-long": ([http(f"http://kb/{1024 * 'a'}")], "may not be more than 1024"),
    "check-that-is-no-url": ([http(check="/check")], PLAIN_URL),
    "check-with-a-query": ([http(check="http://kb-alias.ml.svc/check?a=b")], PLAIN_URL),
    "check-on-another-host": ([http(check="http://evil.example.com/check")], ON_THE_SERVER),
    "check-on-a-longer-host": ([http(check="http://kb-alias.ml.svc.evil/check")], ON_THE_SERVER),
    "check-on-another-port": ([http(check="http://kb-alias.ml.svc:81/check")], ON_THE_SERVER),
    "check-without-tls": ([http(HTTPS, check="http://kb-alias.ml.svc/check")], ON_THE_SERVER),
    "bundle-without-tls": (
        [http(caBundleRef={"name": "ca"})],
        "caBundleRef needs a url that begins with https://",
    ),
    "token-of-no-secret": (
        [http(authSecretRef={"name": "Not A Name"})],
        "authSecretRef.name: Invalid value",
    ),
    "same-url-twice": (
        [http(name="a"), http(name="b", check="http://kb-alias.ml.svc/other")],
        "two components name the same http.url: write each place once",
    ),
    "whole-template-and-field": (
        [field(name="a"), {"name": "b", "podTemplate": {}}],
        "podTemplate is the whole template: list it alone or with http components and configMap",
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_component_is_taken_as_it_is_written(cluster: Admission, case: str) -> None:
    stored = cluster.apply(rollout(f"taken-{case}", components=[TAKEN[case]]))
    assert stored["spec"]["components"] == [TAKEN[case]]
    Component.model_validate(stored["spec"]["components"][0])


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence(cluster: Admission, case: str) -> None:
    components, sentence = REFUSED[case]
    assert sentence in cluster.refusal(rollout(f"refused-{case}", components=components))


def test_as_many_components_as_are_allowed_are_taken(cluster: Admission) -> None:
    """The rules above lists cost what the API server allows, also for long lists."""
    many: list[dict[str, Any]] = [match(f"v{n}-{'a' * 200}(.+)", f"part-{n}") for n in range(16)]
    cluster.apply(rollout("many", components=many))


def test_as_many_urls_as_are_allowed_are_taken(cluster: Admission) -> None:
    many = [http(f"http://kb-{n}/{'a' * 1000}", f"part-{n}") for n in range(16)]
    cluster.apply(rollout("many-urls", components=many))


def test_whole_template_goes_with_what_is_beside_it(cluster: Admission) -> None:
    whole = {"name": "template", "podTemplate": {}}
    stored = cluster.apply(
        rollout("beside", components=[whole, config_map("prompt", name="prompt"), http(name="kb")])
    )
    assert [c["name"] for c in stored["spec"]["components"]] == ["template", "prompt", "kb"]
    by_volume = [whole, config_map("prompt", volume="prompt")]
    assert "podTemplate is the whole template" in cluster.refusal(
        rollout("volume", components=by_volume)
    )


SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "name": "sentiment",
}
URI = "spec.predictor.model.storageUri"


@pytest.mark.parametrize("path", [URI, "spec.predictor", "spec.transformer"])
def test_fields_of_an_inference_service_begin_at_its_root(cluster: Admission, path: str) -> None:
    cluster.apply(rollout("service", targetRef=SERVICE, components=[field(path)]))
    cluster.kubectl("delete", "modelrollout", "service")


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (field(), "write a path into spec.predictor, spec.transformer or spec.explainer"),
        (field("spec.predictors.a"), "write a path into spec.predictor, spec.transformer or"),
        (flag(), "an InferenceService has no pod template: write field components"),
        ({"name": "a", "podTemplate": {}}, "an InferenceService has no pod template"),
    ],
)
def test_inference_service_has_no_pod_template(
    cluster: Admission, component: Manifest, said: str
) -> None:
    assert said in cluster.refusal(rollout("service", targetRef=SERVICE, components=[component]))


def test_what_an_inference_service_has_is_no_field_of_a_deployment(cluster: Admission) -> None:
    assert INTO_THE_TEMPLATE in cluster.refusal(rollout("wrong", components=[field(URI)]))
