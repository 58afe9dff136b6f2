"""The shims as processes of their own, in front of stand-ins for what they wrap."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest_asyncio
from aiohttp import web

from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.ports.http import HttpEndpoint

FOLDER = Path(__file__).parents[3] / "deploy" / "examples" / "http-shims"
TOKEN = "shim-token"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[HttpValueClient]:
    """What the operator reads and writes values with."""
    client = HttpValueClient(deadline=10)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Callable[[web.Application], Awaitable[str]]]:
    """Start a stand-in; returns its URL."""
    runners: list[web.AppRunner] = []

    async def start(app: web.Application) -> str:
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest_asyncio.fixture
async def shim(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[HttpEndpoint]]]:
    """Start a shim with an environment; returns where it answers, with the token that it takes."""
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    running: list[asyncio.subprocess.Process] = []

    async def start(script: str, **environment: str) -> HttpEndpoint:
        environment |= {"LISTEN": "127.0.0.1:0", "TOKEN_FILE": str(token)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-B",
            str(FOLDER / script),
            env={"PATH": os.environ["PATH"], **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        running.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        url = f"http://127.0.0.1:{line.split()[-1]}/alias"
        return HttpEndpoint(url, f"{url}/check", authorization=f"Bearer {TOKEN}")

    yield start
    for process in running:
        process.kill()
        await process.wait()
