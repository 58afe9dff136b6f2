"""The shims of deploy/examples as processes, in front of stand-ins that run in a thread."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parents[2] / "deploy" / "examples" / "http-shims"


@contextlib.contextmanager
def serving(app: web.Application) -> Iterator[str]:
    """Serve an application from a thread; yields its URL."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10), "the stand-in did not start"
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextlib.contextmanager
def shim(script: str, token: Path, **environment: str) -> Iterator[str]:
    """Run a shim that takes the token in this file; yields the URL of its value."""
    environment |= {"LISTEN": "127.0.0.1:0", "TOKEN_FILE": str(token), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-B", str(FOLDER / script)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().split()[-1]}/alias"
        finally:
            process.kill()
