"""The one kubelet endpoint that people miss: what `kubectl logs` asks for."""

import asyncio
import ssl
from pathlib import Path

from aiohttp import web

from localcluster.podstatus import POD_IP
from localcluster.processes import free_port

_FOLLOW_EVERY = 0.2


def log_file(workdir: Path, namespace: str, pod: str, container: str) -> Path:
    return workdir / f"{namespace}_{pod}_{container}.log"


async def serve_logs(workdir: Path, context: ssl.SSLContext) -> int:
    """Answer the API server's requests for logs; returns the port to put into the Node."""

    async def logs(request: web.Request) -> web.StreamResponse:
        path = log_file(workdir, **request.match_info)
        if path.parent != workdir or not path.is_file():
            return web.Response(status=404, text=f"{path.name} does not exist\n")
        return await _send(request, path)

    application = web.Application()
    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, POD_IP, port, ssl_context=context).start()
    return port


async def _send(request: web.Request, path: Path) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    with path.open("rb") as file:
        lines = file.read().splitlines(keepends=True)
        tail = int(request.query.get("tailLines", len(lines)))
        await response.write(b"".join(lines[-tail:] if tail else []))
        while request.query.get("follow") == "true":
            await asyncio.sleep(_FOLLOW_EVERY)
            await response.write(file.read())
    return response
