"""What a ModelRollout names becomes an endpoint, or one sentence that says what to create."""

import asyncio
import base64
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollout.api.http_component import HttpComponent
from model_rollout.api.prometheus import Prometheus
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.hosts import ALLOWED_HOSTS_ANNOTATION
from model_rollout.ports.http import HttpEndpoint
from model_rollout.ports.kubernetes import (
    ApiError,
    Forbidden,
    Json,
    Key,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
)
from model_rollout.ports.prometheus import Endpoint

URL = "https://prometheus:9090"
CANARY = "hunter2"
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def secret(hosts: str | None = "prometheus", **data: str | bytes) -> Json:
    encoded = {
        key.replace("_", "."): base64.b64encode(v.encode() if isinstance(v, str) else v).decode()
        for key, v in data.items()
    }
    annotations = {} if hosts is None else {ALLOWED_HOSTS_ANNOTATION: hosts}
    return {"metadata": {"name": "prom", "annotations": annotations}, "data": encoded}


class Server:
    """Holds Secrets and ConfigMaps; counts how often each is read."""

    def __init__(self, **objects: Any) -> None:
        self.objects = objects
        self.reads: dict[str, int] = defaultdict(int)

    async def secret(self, key: Key) -> Json | None:
        return await self._read(f"secret_{key.name}", key)

    async def config_map(self, key: Key) -> Json | None:
        return await self._read(f"map_{key.name}", key)

    async def _read(self, name: str, key: Key) -> Json | None:
        assert key.namespace == "ml"
        self.reads[name] += 1
        await asyncio.sleep(0)
        found = self.objects.get(name)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def credentials(server: Server, clock: Clock | None = None) -> Credentials:
    return Credentials(server, clock or Clock())  # type: ignore[arg-type]


BEARER = {"authSecretRef": {"name": "prom"}}
BASIC = {"basicAuthSecretRef": {"name": "prom"}}
MTLS = {"clientCertSecretRef": {"name": "prom"}}
BUNDLE = {"caBundleRef": {"name": "ca"}}


async def resolve(server: Server, prometheus: Json, url: str = URL) -> Endpoint | str:
    return await credentials(server).resolve("ml", Prometheus.model_validate(prometheus), url)


async def problem(server: Server, prometheus: Json, url: str = URL) -> str:
    found = await resolve(server, prometheus, url)
    assert isinstance(found, str)
    assert CANARY not in found
    assert "\n" not in found
    return found


async def test_without_references_nothing_is_read() -> None:
    server = Server()
    found = await resolve(server, {"tenant": "team-a"}, "http://prometheus:9090/prom/")
    assert found == Endpoint("http://prometheus:9090/prom", tenant="team-a")
    assert not server.reads


async def test_bearer_token() -> None:
    server = Server(secret_prom=secret(token="abc\n"))
    assert await resolve(server, BEARER) == Endpoint(URL, authorization="Bearer abc")


async def test_bearer_token_under_another_key() -> None:
    server = Server(secret_prom=secret(bearer="abc\r\n", token="other"))
    found = await resolve(server, {"authSecretRef": {"name": "prom", "key": "bearer"}})
    assert found == Endpoint(URL, authorization="Bearer abc")


async def test_basic_auth() -> None:
    server = Server(secret_prom=secret(username="jö\n", password="a:b c\n"))
    found = await resolve(server, BASIC)
    expected = base64.b64encode("jö:a:b c".encode()).decode()
    assert found == Endpoint(URL, authorization=f"Basic {expected}")


async def test_certificates() -> None:
    server = Server(
        secret_prom=secret(tls_crt=PEM, tls_key="key\n"), map_ca={"data": {"ca.crt": PEM}}
    )
    found = await resolve(server, MTLS | BUNDLE)
    expected = Endpoint(URL, ca_bundle=PEM, client_certificate=PEM, client_key="key\n")
    assert found == expected


async def test_a_bundle_of_certificates_needs_no_annotation() -> None:
    found = await resolve(Server(map_ca={"data": {"ca.crt": PEM}}), BUNDLE)
    assert found == Endpoint(URL, ca_bundle=PEM)


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (None, URL),
        ("", URL),
        ("other", URL),
        ("prometheus:1", URL),
        ("prometheus", "http://prometheus:9090"),
        ("prometheus:9090", "http://prometheus:9090"),
    ],
    ids=["none", "empty", "other host", "other port", "no TLS", "no TLS with a port"],
)
@pytest.mark.parametrize("prometheus", [BEARER, BASIC])
async def test_a_secret_goes_only_to_hosts_that_it_names(
    hosts: str | None, url: str, prometheus: Json
) -> None:
    server = Server(secret_prom=secret(hosts, token=CANARY, username=CANARY, password=CANARY))
    entry = "http://prometheus:9090" if url.startswith("http:") else "prometheus:9090"
    assert await problem(server, prometheus, url) == (
        "the Secret prom in namespace ml may not be sent to prometheus:9090: add "
        f"{entry} to its annotation modelrollout.dev/allowed-hosts"
    )


async def test_a_client_certificate_is_shown_only_to_hosts_that_its_secret_names() -> None:
    server = Server(secret_prom=secret("other", tls_crt=CANARY, tls_key=CANARY))
    assert "may not be sent to prometheus:9090" in await problem(server, MTLS)


async def test_a_host_is_reached_without_tls_where_the_secret_says_so() -> None:
    server = Server(secret_prom=secret("http://prometheus:9090", token="abc"))
    found = await resolve(server, BEARER, "http://prometheus:9090")
    assert found == Endpoint("http://prometheus:9090", authorization="Bearer abc")


@pytest.mark.parametrize("url", ["https://prometheus\\@evil", "https://prometheus@evil"])
async def test_nothing_is_sent_where_the_host_is_in_doubt(url: str) -> None:
    server = Server(secret_prom=secret(token=CANARY))
    assert "write it as https://host:port" in await problem(server, BEARER, url)
    assert not server.reads


@pytest.mark.parametrize("prometheus", [MTLS, BUNDLE])
async def test_certificates_need_https(prometheus: Json) -> None:
    server = Server(secret_prom=secret("http://prometheus:9090"), map_ca={"data": {"ca.crt": PEM}})
    assert "begins with https://" in await problem(server, prometheus, "http://prometheus:9090")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, "there is no Secret prom in namespace ml: create it"),
        (
            Forbidden("x"),
            (
                "the operator may not read the Secret prom in namespace ml: create a Role there "
                "with the verb get on secrets, resourceNames [prom], and a RoleBinding of it to "
                "the operator's ServiceAccount"
            ),
        ),
        (
            Unavailable("x"),
            "the Secret prom in namespace ml could not be read: the API server gave no answer",
        ),
        (
            Unauthorized("x"),
            "the Secret prom in namespace ml could not be read: the API server refused to",
        ),
        (
            Rejected("x"),
            "the Secret prom in namespace ml could not be read: the API server refused to",
        ),
        (secret(), "the Secret prom in namespace ml has no key token: add it"),
        (
            secret() | {"data": None},
            "the Secret prom in namespace ml has no key token: add it",
        ),
        (secret(token=" \n"), "the key token of the Secret prom in namespace ml is empty"),
        (secret(token=b"\xff"), "the key token of the Secret prom in namespace ml is no text"),
        (
            secret() | {"data": {"token": CANARY}},
            "the key token of the Secret prom in namespace ml is no text",
        ),
        (
            secret(token=f"Bearer {CANARY}"),
            ("the key token of the Secret prom in namespace ml is no token: write the token alone, "
            "without the word Bearer"),
        ),
        (
            secret(token=f"ä{CANARY}"),
            ("the key token of the Secret prom in namespace ml is no token: write the token alone, "
            "without the word Bearer"),
        ),
    ],
    ids=[
        "missing", "forbidden", "unavailable", "unauthorized", "rejected", "no key", "no data",
        "empty", "bytes", "no base64", "with Bearer", "not ASCII",
    ],
)  # fmt: skip
async def test_what_is_missing_is_said(found: Any, expected: str) -> None:
    assert await problem(Server(secret_prom=found), BEARER) == expected


@pytest.mark.parametrize("prometheus", [BEARER, BASIC])
@pytest.mark.parametrize("inside", ["\r\nX-Evil: 1", "\nb", "\rb", "\x00b", "\x7f", "\u2028b"])
async def test_a_value_of_several_lines_is_refused(prometheus: Json, inside: str) -> None:
    text = f"{CANARY}{inside}"
    server = Server(secret_prom=secret(token=text, username="u", password=text))
    assert "write it in one line" in await problem(server, prometheus)


async def test_a_username_with_a_colon_is_refused() -> None:
    server = Server(secret_prom=secret(username=f"a:{CANARY}", password=CANARY))
    assert "must not hold a colon" in await problem(server, BASIC)


async def test_a_missing_config_map_is_said() -> None:
    assert await problem(Server(), BUNDLE) == (
        "there is no ConfigMap ca in namespace ml: create it"
    )


async def test_a_config_map_that_may_not_be_read_is_said() -> None:
    found = await problem(Server(map_ca=Forbidden("x")), BUNDLE)
    assert "may not read the ConfigMap ca in namespace ml" in found


async def test_is_read_once_a_minute_for_any_number_of_guards() -> None:
    server, clock = Server(secret_prom=secret(token="abc")), Clock()
    asker, spec = credentials(server, clock), Prometheus.model_validate(BEARER)
    for _ in range(2):
        await asyncio.gather(*(asker.resolve("ml", spec, URL) for _ in range(100)))
        clock.now += 59.0
    assert server.reads == {"secret_prom": 1}
    clock.now += 1.0
    server.objects["secret_prom"] = secret(token="new")
    assert await asker.resolve("ml", spec, URL) == Endpoint(URL, authorization="Bearer new")
    assert server.reads == {"secret_prom": 2}


async def test_is_read_again_after_the_server_refused_it() -> None:
    server, clock = Server(secret_prom=secret(token="old")), Clock()
    asker, spec = credentials(server, clock), Prometheus.model_validate(BEARER)
    await asker.resolve("ml", spec, URL)
    server.objects["secret_prom"] = secret(token="new")
    asker.refused("ml", spec)
    clock.now += 10.0
    assert await asker.resolve("ml", spec, URL) == Endpoint(URL, authorization="Bearer new")


async def test_a_token_that_stays_refused_is_not_read_at_every_check() -> None:
    server, clock = Server(secret_prom=secret(token="old")), Clock()
    asker, spec = credentials(server, clock), Prometheus.model_validate(BEARER)
    for _ in range(100):
        await asker.resolve("ml", spec, URL)
        asker.refused("ml", spec)
        clock.now += 0.1
    assert server.reads["secret_prom"] == 1


async def test_a_refusal_without_a_secret_changes_nothing() -> None:
    credentials(Server()).refused("ml", Prometheus())


@pytest.mark.parametrize("error", [None, Forbidden("x"), NotFound("x")])
async def test_a_secret_that_is_gone_is_not_sent_any_more(error: ApiError | None) -> None:
    server, clock = Server(secret_prom=secret(token="abc")), Clock()
    asker, spec = credentials(server, clock), Prometheus.model_validate(BEARER)
    await asker.resolve("ml", spec, URL)
    server.objects["secret_prom"] = error
    clock.now += 60.0
    assert isinstance(await asker.resolve("ml", spec, URL), str)


async def test_without_an_answer_of_the_api_server_the_last_one_counts() -> None:
    server, clock = Server(secret_prom=secret(token="abc")), Clock()
    asker, spec = credentials(server, clock), Prometheus.model_validate(BEARER)
    await asker.resolve("ml", spec, URL)
    server.objects["secret_prom"] = Unavailable("x")
    clock.now += 60.0
    assert await asker.resolve("ml", spec, URL) == Endpoint(URL, authorization="Bearer abc")


@pytest.mark.parametrize(
    "before",
    [None, secret(hosts=None, token="abc"), secret(hosts="other", token="abc"), secret()],
    ids=["no Secret", "no annotation", "another host", "no key"],
)
async def test_what_was_missing_is_looked_for_again_soon(before: Json | None) -> None:
    server, clock = Server(secret_prom=before), Clock()
    asker, spec = credentials(server, clock), Prometheus.model_validate(BEARER)
    assert isinstance(await asker.resolve("ml", spec, URL), str)
    server.objects["secret_prom"] = secret(token="abc")
    clock.now += 10.0
    assert await asker.resolve("ml", spec, URL) == Endpoint(URL, authorization="Bearer abc")


async def test_a_check_that_is_cancelled_leaves_the_secret_to_the_others() -> None:
    server = Server(secret_prom=secret(token="abc"))
    asker, spec = credentials(server), Prometheus.model_validate(BEARER)
    first = asyncio.create_task(asker.resolve("ml", spec, URL))
    second = asyncio.create_task(asker.resolve("ml", spec, URL))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == Endpoint(URL, authorization="Bearer abc")


async def test_nothing_is_kept_of_what_is_not_used() -> None:
    server, clock = Server(secret_prom=secret(token="abc")), Clock()
    asker = credentials(server, clock)
    await asker.resolve("ml", Prometheus.model_validate(BEARER), URL)
    clock.now += 600.0
    await asker.resolve("ml", Prometheus.model_validate(BUNDLE), URL)
    assert [key.name for _, key in asker._documents._documents] == ["ca"]


async def test_secret_parts_are_not_shown() -> None:
    server = Server(
        secret_prom=secret(token=CANARY, tls_crt=CANARY, tls_key=CANARY),
        map_ca={"data": {"ca.crt": CANARY}},
    )
    found = await resolve(server, BEARER | MTLS | BUNDLE)
    assert isinstance(found, Endpoint)
    assert CANARY in found.authorization
    assert CANARY not in repr(found)


async def resolve_http(server: Server, **spec: Any) -> HttpEndpoint | str:
    component = HttpComponent.model_validate({"url": f"{URL}/alias"} | spec)
    return await credentials(server).resolve_http("ml", component)


async def test_a_value_is_read_without_credentials_where_none_are_named() -> None:
    server = Server()
    assert await resolve_http(server) == HttpEndpoint(f"{URL}/alias", f"{URL}/alias/check")
    assert not server.reads


async def test_a_value_is_read_with_a_token_and_a_bundle() -> None:
    server = Server(secret_prom=secret(token="abc\n"), map_ca={"data": {"ca.crt": PEM}})
    assert await resolve_http(server, check=f"{URL}/could", **BEARER, **BUNDLE) == HttpEndpoint(
        f"{URL}/alias", f"{URL}/could", authorization="Bearer abc", ca_bundle=PEM
    )


@pytest.mark.parametrize("hosts", [None, "", "other", "prometheus:1", "http://prometheus:9090"])
async def test_the_token_of_a_value_goes_only_to_hosts_that_its_secret_names(
    hosts: str | None,
) -> None:
    found = await resolve_http(Server(secret_prom=secret(hosts, token=CANARY)), **BEARER)
    assert found == (
        "the Secret prom in namespace ml may not be sent to prometheus:9090: add "
        "prometheus:9090 to its annotation modelrollout.dev/allowed-hosts"
    )


async def test_the_token_of_a_value_is_not_sent_to_a_check_elsewhere() -> None:
    server = Server(secret_prom=secret("prometheus:9090", token=CANARY))
    found = await resolve_http(server, check="https://evil/check", **BEARER)
    assert isinstance(found, str)
    assert "may not be sent to evil:443" in found


async def test_the_bundle_of_a_value_needs_https() -> None:
    server = Server(map_ca={"data": {"ca.crt": PEM}})
    found = await resolve_http(server, url="http://prometheus/alias", **BUNDLE)
    assert found == "caBundleRef needs a URL that begins with https://"


async def test_the_token_of_a_value_is_read_again_after_the_server_refused_it() -> None:
    server, clock = Server(secret_prom=secret(token="old")), Clock()
    asker = credentials(server, clock)
    component = HttpComponent.model_validate({"url": URL} | BEARER)
    await asker.resolve_http("ml", component)
    server.objects["secret_prom"] = secret(token="new")
    asker.refused("ml", component)
    clock.now += 10.0
    found = await asker.resolve_http("ml", component)
    assert found == HttpEndpoint(URL, f"{URL}/check", authorization="Bearer new")


def test_example_grants_what_the_sentence_asks_for() -> None:
    deploy = Path(__file__).parents[3] / "deploy" / "examples" / "prometheus-credentials.yaml"
    bodies = [body for body in yaml.safe_load_all(deploy.read_text()) if body]
    [role] = [body for body in bodies if body["kind"] == "Role"]
    rules = {rule["resources"][0]: (rule["verbs"], rule["resourceNames"]) for rule in role["rules"]}
    for resource, kind in (("secrets", "Secret"), ("configmaps", "ConfigMap")):
        [named] = [body["metadata"]["name"] for body in bodies if body["kind"] == kind]
        assert rules[resource] == (["get"], [named])
