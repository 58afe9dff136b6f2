"""The server that docs/http-components.md shows keeps to the contract that it describes."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.ports.http import ConcurrentChange, HttpEndpoint, HttpReading, Refused

PAGE = Path(__file__).parents[3] / "docs" / "http-components.md"


def documented() -> dict[str, Any]:
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    *lines, run = source.strip().splitlines()
    assert run == "web.run_app(app, port=8080)"
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    return names


async def test_documented_server_keeps_to_the_contract(
    client: HttpValueClient, serve: Callable[..., Awaitable[str]]
) -> None:
    names = documented()
    url = await serve(names["app"])
    endpoint = HttpEndpoint(f"{url}/alias", f"{url}/alias/check")
    before = await client.read(endpoint)
    await client.check(endpoint, "kb-2026-01")
    with pytest.raises(Refused, match="there is no collection kb-2025-12"):
        await client.check(endpoint, "kb-2025-12")
    for _ in range(2):
        written = await client.write(endpoint, "kb-2026-01", before, "t-1")
        assert written == HttpReading("kb-2026-01")
    names["alias"]["value"] = "kb-2026-03"
    with pytest.raises(ConcurrentChange):
        await client.write(endpoint, "kb-2026-02", written, "t-2")
