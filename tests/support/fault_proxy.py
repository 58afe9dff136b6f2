"""A reverse proxy in front of the API server that counts writes and injects faults.

The operator under test talks plain HTTP to it and sends its own token along; the proxy adds TLS and
nothing else. What it records is therefore what the operator did, not what the operator says it did.
"""

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from support.faults import Act, Broken, Fault, Match, Reply, Request, Write

_LINE_LIMIT = 4 * 1024 * 1024
# Between two hops, or no longer true once a body went through here.
_PER_HOP = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "host",
        "keep-alive",
        "transfer-encoding",
    }
)


class FaultProxy:
    """`with FaultProxy(server, ca) as proxy:` listens on a free port of 127.0.0.1."""

    def __init__(self, server: str, ca: str) -> None:
        self._server = URL(server)
        self._tls = ssl.create_default_context(cafile=ca)
        self._before: list[Fault] = []
        self._after: list[Fault] = []
        self._writes: list[Write] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._streams: dict[asyncio.Future[bytes], Request] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._hooks = ThreadPoolExecutor(8, thread_name_prefix="fault")
        self.committed: Callable[[Write], None] = lambda write: None
        """Told of every write that the API server accepted, before its answer is passed on."""
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._hooks.shutdown(wait=False)

    def before(self, match: Match, act: Act, *, times: int = 1) -> Fault:
        """Call `act` before the request is forwarded; what it returns, if anything, is the answer."""
        return self._add(self._before, match, act, times)

    def after(self, match: Match, act: Act, *, times: int = 1) -> Fault:
        """Call `act` after the API server answered and before that answer is passed on."""
        return self._add(self._after, match, act, times)

    def answer(self, match: Match, reply: Reply | Broken, *, times: int = 1) -> Fault:
        """Answer instead of the API server; `times=-1`: until `clear`."""
        return self.before(match, lambda _: reply, times=times)

    def clear(self) -> None:
        """Forget all faults that are not used up."""
        with self._lock:
            self._before.clear()
            self._after.clear()

    def writes(self, *resources: str, committed: bool = True) -> list[Write]:
        """Return the writes so far, oldest first: without names all but Leases and Events.

        `committed=False` adds those that were refused or never arrived.
        """
        with self._lock:
            found = list(self._writes)
        return [w for w in found if _wanted(w, resources) and (w.committed or not committed)]

    def requests(self, match: Match) -> list[Request]:
        """Return all requests so far that match, reads included."""
        with self._lock:
            return [request for request in self._requests if match(request)]

    def end_watches(self, resource: str, tail: bytes = b"") -> int:
        """End the open watches of a resource with these last bytes; return how many there were."""

        async def end() -> int:
            chosen = [end for end, request in self._streams.items() if request.resource == resource]
            for future in chosen:
                if not future.done():
                    future.set_result(tail)
            return len(chosen)

        return self._call(end())

    def _add(self, faults: list[Fault], match: Match, act: Act, times: int) -> Fault:
        fault = Fault(match, act, times)
        with self._lock:
            faults.append(fault)
        return fault

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _start(self) -> str:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            read_bufsize=_LINE_LIMIT,
        )
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A client that is killed must not leave its watches open here.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        for future in self._streams:
            if not future.done():
                future.set_result(b"")
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        request = Request(
            incoming.method, incoming.path, dict(incoming.query), await incoming.read()
        )
        with self._lock:
            self._requests.append(request)
        instead = await self._apply(self._before, request)
        if isinstance(instead, Reply):
            self._record(request, instead.status, json.dumps(instead.body).encode(), reached=False)
            return _response(instead.status, json.dumps(instead.body).encode(), instead.headers)
        if instead is Broken.DROPPED:
            self._record(request, 0, b"", reached=False)
            return _drop(incoming)
        try:
            if request.watches:
                return await self._stream(incoming, request)
            if instead is Broken.TWICE:
                await asyncio.shield(self._forward(incoming, request))
            # Shielded: what was sent is committed, whether its sender lives on or not.
            status, headers, body = await asyncio.shield(self._forward(incoming, request))
        except aiohttp.ClientError:
            self._record(request, 0, b"", reached=False)
            return _drop(incoming)
        instead = await self._apply(self._after, request)
        if isinstance(instead, Reply):
            return _response(instead.status, json.dumps(instead.body).encode(), instead.headers)
        if instead is Broken.DROPPED:
            return _drop(incoming)
        return _response(status, body, headers)

    async def _apply(self, faults: list[Fault], request: Request) -> Reply | Broken | None:
        with self._lock:
            chosen = next((fault for fault in faults if fault.takes(request)), None)
        if chosen is None:
            return None
        return await self._loop.run_in_executor(self._hooks, chosen.act, request)

    async def _forward(
        self, incoming: web.Request, request: Request
    ) -> tuple[int, dict[str, str], bytes]:
        async with self._open(incoming, request) as answer:
            body = await answer.read()
        self._record(request, answer.status, body, reached=True)
        return answer.status, _passed_on(answer.headers), body

    def _open(self, incoming: web.Request, request: Request) -> Any:
        url = self._server.join(URL(incoming.raw_path, encoded=True))
        headers = _passed_on(incoming.headers) | {"Accept-Encoding": "identity"}
        return self._session.request(
            request.method, url, data=request.body or None, headers=headers
        )

    def _record(self, request: Request, status: int, body: bytes, *, reached: bool) -> None:
        if not request.mutates:
            return
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        write = Write(request, status, answer, reached, time.monotonic())
        with self._lock:
            self._writes.append(write)
        if write.committed:
            self.committed(write)

    async def _stream(self, incoming: web.Request, request: Request) -> web.StreamResponse:
        async with self._open(incoming, request) as answer:
            response = web.StreamResponse(
                status=answer.status, headers=_passed_on(answer.headers) | {"Connection": "close"}
            )
            await response.prepare(incoming)
            with self._registered(request) as end:
                async for line in _lines_until(answer.content, end):
                    await response.write(line)
            with contextlib.suppress(ConnectionError):
                await response.write_eof()
            return response

    @contextlib.contextmanager
    def _registered(self, request: Request) -> Iterator["asyncio.Future[bytes]"]:
        end: asyncio.Future[bytes] = self._loop.create_future()
        self._streams[end] = request
        try:
            yield end
        finally:
            del self._streams[end]


async def _lines_until(content: aiohttp.StreamReader, end: "asyncio.Future[bytes]") -> Any:
    """Yield whole lines; when `end` is set, its bytes, and no more."""
    while True:
        reading = asyncio.ensure_future(content.readline())
        try:
            await asyncio.wait({reading, end}, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                if end.result():
                    yield end.result()
                return
            line = reading.result()
        except aiohttp.ClientError:
            return
        finally:
            reading.cancel()
        if not line:
            return
        yield line


def _wanted(write: Write, resources: tuple[str, ...]) -> bool:
    if resources:
        return write.request.resource in resources
    return write.request.resource not in ("leases", "events")


def _passed_on(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _PER_HOP}


def _response(status: int, body: bytes, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=status, body=body, headers={"Content-Type": "application/json"} | headers
    )


def _drop(incoming: web.Request) -> web.Response:
    if incoming.transport is not None:
        incoming.transport.abort()
    return web.Response(status=502)  # never arrives: the connection is gone
