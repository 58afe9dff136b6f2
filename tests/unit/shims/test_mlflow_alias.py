"""The alias of an MLflow model through its shim: read, checked, moved and read back."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.ports.http import (
    BadAnswer,
    ConcurrentChange,
    HttpEndpoint,
    HttpReading,
    Refused,
    Unreachable,
)
from support.mlflow_standin import Mlflow

MODEL, ALIAS = "fraud detection", "champion"
Start = Callable[..., Awaitable[Any]]
BEFORE = HttpReading("3")


@pytest.fixture
def mlflow() -> Mlflow:
    versions = {1: "READY", 2: "READY", 3: "READY", 4: "PENDING_REGISTRATION"}
    return Mlflow(MODEL, versions, {ALIAS: 3, "challenger": 1})


@pytest.fixture
async def endpoint(mlflow: Mlflow, serve: Start, shim: Start) -> HttpEndpoint:
    url = await serve(mlflow.app())
    found: HttpEndpoint = await shim(
        "mlflow_alias.py", MLFLOW_URL=url, MLFLOW_TOKEN="mlflow-token", MODEL=MODEL, ALIAS=ALIAS
    )
    return found


async def test_alias_is_checked_moved_and_read_back(
    mlflow: Mlflow, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    assert await client.read(endpoint) == BEFORE
    await client.check(endpoint, "2")
    assert mlflow.aliases[ALIAS] == 3
    assert await client.write(endpoint, "2", BEFORE, "t-1") == HttpReading("2")
    assert mlflow.aliases == {ALIAS: 2, "challenger": 1}
    assert mlflow.tokens == {"Bearer mlflow-token"}


async def test_write_that_is_repeated_is_done(
    mlflow: Mlflow, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    for _ in range(2):
        assert await client.write(endpoint, "2", BEFORE, "t-1") == HttpReading("2")


async def test_move_by_somebody_else_wins(
    mlflow: Mlflow, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    before = await client.read(endpoint)
    mlflow.aliases[ALIAS] = 1
    with pytest.raises(ConcurrentChange):
        await client.write(endpoint, "2", before, "t-1")
    assert mlflow.aliases[ALIAS] == 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2", "MLflow has no version 2 of the model"),
        ("9", "MLflow has no version 9 of the model"),
        ("4", "version 4 of the model fraud detection is not ready"),
        ("03", "03 is no version"),
        ("latest", "latest is no version"),
        ("3&name=x", "is no version"),
        ("٣", "is no version"),
    ],
)
async def test_version_that_cannot_serve_is_refused(
    mlflow: Mlflow, client: HttpValueClient, endpoint: HttpEndpoint, value: str, told: str
) -> None:
    mlflow.drop(2)
    with pytest.raises(Refused, match=told):
        await client.check(endpoint, value)
    with pytest.raises(Refused, match=told):
        await client.write(endpoint, value, BEFORE, "t-1")
    assert mlflow.aliases[ALIAS] == 3


async def test_alias_that_is_not_there_is_no_value(
    mlflow: Mlflow, client: HttpValueClient, endpoint: HttpEndpoint
) -> None:
    mlflow.drop(3)
    with pytest.raises(BadAnswer, match="HTTP 404"):
        await client.read(endpoint)


async def test_model_that_is_not_there_is_no_value(
    mlflow: Mlflow, client: HttpValueClient, serve: Start, shim: Start
) -> None:
    url = await serve(mlflow.app())
    endpoint = await shim("mlflow_alias.py", MLFLOW_URL=url, MODEL="other", ALIAS=ALIAS)
    with pytest.raises(BadAnswer, match="HTTP 404"):
        await client.read(endpoint)


async def test_without_mlflow_the_shim_says_try_again(client: HttpValueClient, shim: Start) -> None:
    endpoint = await shim(
        "mlflow_alias.py", MLFLOW_URL="http://127.0.0.1:1", MODEL=MODEL, ALIAS=ALIAS
    )
    with pytest.raises(Unreachable, match="HTTP 503"):
        await client.read(endpoint)
