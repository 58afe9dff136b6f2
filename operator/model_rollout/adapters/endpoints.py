"""`/metrics`, `/healthz` and `/readyz` of the operator."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

Probe = Callable[[], str]
"""Returns what is wrong, or an empty text."""


async def serve_endpoints(
    address: str, exposition: Callable[[], bytes], healthy: Probe, ready: Probe
) -> tuple[web.AppRunner, int]:
    """Serve on `HOST:PORT` (port 0: any free one); return the runner to clean up, and the port.

    Raises `OSError` when the address is taken or is not one of this machine.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    host, _, port = address.rpartition(":")
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", _answer(healthy))
    app.router.add_get("/readyz", _answer(ready))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host or "0.0.0.0", int(port))  # noqa: S104 - probes come from outside
    await site.start()
    return runner, int(runner.addresses[0][1])


def _answer(probe: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        wrong = probe()
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    return answer
