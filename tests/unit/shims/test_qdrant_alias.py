"""The alias of a Qdrant collection through its shim: read, checked, switched and read back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.ports.http import (
    BadAnswer,
    ConcurrentChange,
    HttpEndpoint,
    HttpReading,
    Refused,
    Unauthorized,
    Unreachable,
)
from support.qdrant_standin import Qdrant

GOOD, BAD, ALIAS = "kb-2026-01", "kb-2026-02", "kb"
Start = Callable[..., Awaitable[Any]]
BEFORE = HttpReading(BAD)


@pytest.fixture
def qdrant() -> Qdrant:
    """A corrupted collection is served, and the one before it is still there."""
    return Qdrant({GOOD, BAD, "other"}, {ALIAS: BAD, "other-alias": "other"}, "qdrant-key")


@pytest.fixture
async def endpoint(qdrant: Qdrant, serve: Start, shim: Start) -> HttpEndpoint:
    url = await serve(qdrant.app())
    found: HttpEndpoint = await shim(
        "qdrant_alias.py", QDRANT_URL=url, QDRANT_API_KEY="qdrant-key", ALIAS=ALIAS
    )
    return found


async def test_alias_is_checked_switched_and_read_back(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    assert await client.read(endpoint) == BEFORE
    await client.check(endpoint, GOOD)
    assert qdrant.changes == []
    assert await client.write(endpoint, GOOD, BEFORE, "t-1") == HttpReading(GOOD)
    assert qdrant.aliases == {ALIAS: GOOD, "other-alias": "other"}


async def test_both_actions_are_in_one_request(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    await client.write(endpoint, GOOD, BEFORE, "t-1")
    remove = {"delete_alias": {"alias_name": ALIAS}}
    create = {"create_alias": {"alias_name": ALIAS, "collection_name": GOOD}}
    assert qdrant.changes == [[remove, create]]


async def test_write_that_is_repeated_changes_nothing_more(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    for _ in range(3):
        assert await client.write(endpoint, GOOD, BEFORE, "t-1") == HttpReading(GOOD)
    assert len(qdrant.changes) == 1


async def test_switch_by_somebody_else_wins(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    before = await client.read(endpoint)
    qdrant.aliases[ALIAS] = "other"
    with pytest.raises(ConcurrentChange):
        await client.write(endpoint, GOOD, before, "t-1")
    assert qdrant.aliases[ALIAS] == "other"


async def test_of_two_writes_at_once_one_wins(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    writes = (client.write(endpoint, value, BEFORE, value) for value in (GOOD, "other"))
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(isinstance(result, ConcurrentChange) for result in results) == [False, True]
    assert len(qdrant.changes) == 1


@pytest.mark.parametrize("value", [GOOD, "never-there", "a/b?c", "other-alias", ALIAS])
async def test_collection_that_is_gone_is_refused_before_anything_is_written(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint, value: str
) -> None:
    qdrant.drop(GOOD)
    with pytest.raises(Refused, match="Qdrant has no collection"):
        await client.check(endpoint, value)
    with pytest.raises(Refused, match="Qdrant has no collection"):
        await client.write(endpoint, value, BEFORE, "t-1")
    assert qdrant.changes == []
    assert qdrant.aliases[ALIAS] == BAD


async def test_collection_that_goes_in_between_leaves_the_alias_as_it_was(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    await client.check(endpoint, GOOD)
    qdrant.before_change = lambda: qdrant.drop(GOOD)
    with pytest.raises(Refused, match=f"Qdrant has no collection {GOOD}"):
        await client.write(endpoint, GOOD, BEFORE, "t-1")
    assert qdrant.aliases[ALIAS] == BAD


async def test_alias_that_is_not_there_is_no_value(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    qdrant.drop(BAD)
    with pytest.raises(BadAnswer, match="HTTP 404"):
        await client.read(endpoint)


async def test_without_qdrant_the_shim_says_try_again(client: HttpValueClient, shim: Start) -> None:
    endpoint = await shim("qdrant_alias.py", QDRANT_URL="http://127.0.0.1:1", ALIAS=ALIAS)
    with pytest.raises(Unreachable, match="HTTP 503"):
        await client.read(endpoint)


async def test_key_that_qdrant_refuses_is_no_value(
    qdrant: Qdrant, client: HttpValueClient, serve: Start, shim: Start
) -> None:
    url = await serve(qdrant.app())
    endpoint = await shim("qdrant_alias.py", QDRANT_URL=url, QDRANT_API_KEY="x", ALIAS=ALIAS)
    with pytest.raises(Unreachable):
        await client.read(endpoint)


@pytest.mark.parametrize("token", ["", "Bearer other", "shim-token", "Bearer ä"])
async def test_nobody_without_the_token_reads_or_writes(
    qdrant: Qdrant, client: HttpValueClient, endpoint: HttpEndpoint, token: str
) -> None:
    stranger = replace(endpoint, authorization=token)
    for request in (
        client.read(stranger),
        client.check(stranger, GOOD),
        client.write(stranger, GOOD, BEFORE, "t-1"),
    ):
        with pytest.raises(Unauthorized):
            await request
    assert qdrant.changes == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 50000, 400),
        (b"[]", 400),
        (b'{"value": "kb-2026-01"}', 400),
        (b'{"value": 1, "previous": "kb-2026-02", "transaction": "t"}', 400),
        (b" " * 65537, 413),
    ],
    ids=["empty", "cut", "deep", "array", "no previous", "number", "long"],
)
async def test_body_that_is_no_write_is_refused(
    qdrant: Qdrant, endpoint: HttpEndpoint, body: bytes, status: int
) -> None:
    headers = {"Authorization": endpoint.authorization}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(endpoint.url, data=body) as answer,
    ):
        assert answer.status == status
    assert qdrant.changes == []
