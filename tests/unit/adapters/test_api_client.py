"""`KubernetesApi` against servers that are busy, slow, or no API servers at all."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.client import Configuration

from model_rollout.adapters.kubernetes.bucket import TokenBucket
from model_rollout.adapters.kubernetes.client import KubernetesApi, load_api, resource_of
from model_rollout.adapters.kubernetes.cluster import KubernetesCluster, label_query
from model_rollout.adapters.kubernetes.errors import TooManyRequests
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.ports.kubernetes import Forbidden, Unauthorized, Unavailable

Serve = Callable[[Any], Awaitable[str]]
PATH = "/apis/apps/v1/namespaces/ml/deployments/d"


@asynccontextmanager
async def api_at(url: str, telemetry: Telemetry | None = None) -> AsyncIterator[KubernetesApi]:
    async def log_in(configuration: Configuration) -> None:
        configuration.host = url
        old = configuration.api_key.get("BearerToken", "")
        configuration.api_key["BearerToken"] = f"{old}+" if old else "Bearer t"

    configuration = Configuration()
    await log_in(configuration)
    api = KubernetesApi(configuration, log_in, telemetry or Telemetry())
    yield api
    await api.close()


class Replies:
    """Gives one reply after the other, and the last one for ever; keeps what was asked."""

    def __init__(self, *replies: tuple[int, dict[str, str]]) -> None:
        self.replies = list(replies)
        self.requests: list[tuple[str, str, str, Any]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "")
        self.requests.append((request.method, request.path_qs, token, await request.text()))
        status, headers = self.replies[0]
        if len(self.replies) > 1:
            self.replies.pop(0)
        return web.json_response({"ok": True}, status=status, headers=headers)


async def test_429_is_repeated_also_for_writes(serve: Serve) -> None:
    replies = Replies((429, {"Retry-After": "0"}), (429, {}), (200, {}))
    async with api_at(await serve(replies)) as api:
        assert await api.request("POST", PATH, body={}) == {"ok": True}
    assert len(replies.requests) == 3


async def test_retry_after_is_obeyed(serve: Serve) -> None:
    replies = Replies((429, {"Retry-After": "1"}), (200, {}))
    async with api_at(await serve(replies)) as api:
        began = time.monotonic()
        await api.request("GET", PATH)
    assert time.monotonic() - began >= 1


async def test_a_wait_beyond_the_deadline_is_left_to_the_caller(serve: Serve) -> None:
    replies = Replies((429, {"Retry-After": "30"}))
    async with api_at(await serve(replies)) as api:
        with pytest.raises(TooManyRequests) as raised:
            await api.request("GET", PATH)
    assert raised.value.retry_after == 30
    assert len(replies.requests) == 1


async def test_429_for_ever_ends(serve: Serve) -> None:
    replies = Replies((429, {"Retry-After": "0"}))
    async with api_at(await serve(replies)) as api:
        with pytest.raises(Unavailable):
            await api.request("GET", PATH)
    assert len(replies.requests) == 5


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_5xx_is_not_repeated_because_it_may_have_happened(serve: Serve, status: int) -> None:
    replies = Replies((status, {}))
    async with api_at(await serve(replies)) as api:
        with pytest.raises(Unavailable, match=f"PATCH {PATH}: {status}"):
            await api.request("PATCH", PATH, body=[])
    assert len(replies.requests) == 1


async def test_a_refused_token_is_read_again_once_for_all(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0.01)  # so that all are refused before the first one logs in
        status = 200 if request.headers["Authorization"] == "Bearer t+" else 401
        return web.json_response({}, status=status)

    async with api_at(await serve(answer)) as api:
        await asyncio.gather(*(api.request("GET", PATH) for _ in range(10)))


async def test_a_token_that_stays_refused_is_an_error(serve: Serve) -> None:
    replies = Replies((401, {}))
    async with api_at(await serve(replies)) as api:
        with pytest.raises(Unauthorized):
            await api.request("GET", PATH)
    assert [request[2] for request in replies.requests] == ["Bearer t", "Bearer t+"]


async def test_no_answer_within_the_timeout(serve: Serve) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with api_at(await serve(answer)) as api:
        with pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
            await api.request("GET", PATH, timeout=0.1)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"canary\r\n\r\n",
    ],
    ids=["hangs up", "html", "list", "truncated", "not HTTP"],
)
async def test_broken_answer(serve_raw: Serve, sent: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    async with api_at(await serve_raw(say)) as api:
        with pytest.raises(Unavailable) as raised:
            await api.request("GET", PATH)
    assert "canary" not in str(raised.value)


async def test_refused_connection() -> None:
    async with api_at("http://127.0.0.1:1") as api:
        with pytest.raises(Unavailable, match="no answer"):
            await api.request("GET", PATH)


async def test_writes_and_errors_are_counted(serve: Serve) -> None:
    telemetry = Telemetry()
    replies = Replies((200, {}), (403, {}))
    async with api_at(await serve(replies), telemetry) as api:
        await api.request("PUT", f"{PATH}/status", body={})
        with pytest.raises(Forbidden):
            await api.request("GET", PATH)
    text = telemetry.exposition().decode()
    counted = 'modelrollout_api_writes_total{resource="deployments/status",verb="put"} 1.0'
    assert counted in text
    assert 'modelrollout_api_errors_total{kind="Forbidden"} 1.0' in text


async def test_bucket_slows_down_and_gives_back_what_was_not_used() -> None:
    bucket = TokenBucket(rate=100, burst=2)
    began = time.monotonic()
    for _ in range(6):
        await bucket.take()
    assert time.monotonic() - began >= 0.035
    impatient = [asyncio.create_task(bucket.take()) for _ in range(1000)]
    await asyncio.sleep(0)
    for task in impatient:
        task.cancel()
    await asyncio.gather(*impatient, return_exceptions=True)
    began = time.monotonic()
    await bucket.take()
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PATH, "deployments"),
        (f"{PATH}/status", "deployments/status"),
        ("/apis/apps/v1/deployments", "deployments"),
        ("/apis/apps/v1/namespaces/ml/deployments", "deployments"),
        ("/api/v1/namespaces/ml/pods/p", "pods"),
        ("/api/v1/namespaces", "namespaces"),
        ("/api/v1/namespaces/ml", "namespaces"),
    ],
)
def test_resource_of(path: str, expected: str) -> None:
    assert resource_of(path) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, ""),
        ({"matchLabels": {"a": "b", "c": "d"}}, "a=b,c=d"),
        (
            {
                "matchLabels": {"a": "b"},
                "matchExpressions": [
                    {"key": "k", "operator": "In", "values": ["x", "y"]},
                    {"key": "l", "operator": "NotIn", "values": ["z"]},
                    {"key": "m", "operator": "Exists"},
                    {"key": "n", "operator": "DoesNotExist"},
                ],
            },
            "a=b,k in (x,y),l notin (z),m,!n",
        ),
    ],
    ids=["all", "labels", "expressions"],
)
def test_label_query(selector: dict[str, Any], expected: str) -> None:
    assert label_query(selector) == expected


async def test_listing_reads_every_page_of_every_namespace(serve: Serve) -> None:
    asked: list[tuple[str, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        token = request.query["continue"]
        asked.append((request.path.split("/")[5], token, request.query["limit"]))
        items = [{"token": token}]
        return web.json_response({"items": items, "metadata": {"continue": "" if token else "2"}})

    async with api_at(await serve(answer)) as api:
        cluster = KubernetesCluster(api, ("a", "b"))
        found = [item["token"] async for item in cluster.rollouts()]
    assert found == ["", "2", "", "2"]
    assert asked == [("a", "", "500"), ("a", "2", "500"), ("b", "", "500"), ("b", "2", "500")]


async def test_login_errors_do_not_quote_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader's own message holds the whole entry in which it misses a key, token included."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "usr": {"token": "hunter2"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(Unauthorized, match="cannot log in") as raised:
        await load_api(str(path), None)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unauthorized, match=r"no kubeconfig at .*nowhere"):
        await load_api(str(tmp_path / "nowhere"), None)


@pytest.mark.parametrize("source", ["argument", "environment"])
async def test_kubeconfig_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve, source: str
) -> None:
    replies = Replies((200, {}))
    config = {
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": await serve(replies)}}],
        "users": [{"name": "u", "user": {"token": "abc"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path) if source == "environment" else "elsewhere")
    api = await load_api(str(path) if source == "argument" else None, "c")
    await api.request("GET", PATH, query={"labelSelector": "a in (b,c)"})
    await api.close()
    assert replies.requests[0][2] == "Bearer abc"


async def test_without_a_kubeconfig_the_pods_account_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.delenv("KUBERNETES_SERVICE_PORT", raising=False)
    with pytest.raises(Unauthorized, match="ServiceAccount"):
        await load_api(None, None)
