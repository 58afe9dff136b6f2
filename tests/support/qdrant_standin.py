"""What the alias shim needs of Qdrant, with the answers of its REST API: shapes, codes, order.

As in Qdrant's source (`update_aliases`): actions are applied one after the other, what came before
one that fails stays, creating an alias that exists moves it, and removing one that does not is fine.
`/exists` finds aliases, too.
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web


class Qdrant:
    """Collections and aliases, without what is in them."""

    def __init__(self, collections: set[str], aliases: dict[str, str], api_key: str) -> None:
        self.collections, self.aliases = collections, aliases
        self.changes: list[Any] = []
        self.before_change: Callable[[], None] = lambda: None
        """Is called once a change has arrived and before it is done."""
        self._api_key = api_key

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/aliases", self._authorized(self._list))
        app.router.add_get("/collections/{name}/exists", self._authorized(self._exists))
        app.router.add_post("/collections/aliases", self._authorized(self._change))
        return app

    def drop(self, collection: str) -> None:
        """As `DELETE /collections/NAME`, which removes the aliases of the collection."""
        self.collections.discard(collection)
        self.aliases = {a: c for a, c in self.aliases.items() if c != collection}

    def _authorized(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            if request.headers.get("api-key") != self._api_key:
                return web.Response(status=401, text="Must provide an API key")
            return await handler(request)  # type: ignore[no-any-return]

        return handle

    async def _list(self, _: web.Request) -> web.Response:
        listed = [{"alias_name": a, "collection_name": c} for a, c in self.aliases.items()]
        return _ok({"aliases": listed})

    async def _exists(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return _ok({"exists": name in self.collections or name in self.aliases})

    async def _change(self, request: web.Request) -> web.Response:
        actions = (await request.json())["actions"]
        self.changes.append(actions)
        self.before_change()
        for action in actions:
            [(kind, what)] = action.items()
            if kind == "delete_alias":
                self.aliases.pop(what["alias_name"], None)
            elif what["collection_name"] not in self.collections:
                return _error(
                    404, f"Not found: Collection `{what['collection_name']}` doesn't exist!"
                )
            elif what["alias_name"] in self.collections:
                return _error(409, f"Collection `{what['alias_name']}` already exists!")
            else:
                self.aliases[what["alias_name"]] = what["collection_name"]
        return _ok(True)


def _ok(result: Any) -> web.Response:
    return web.json_response({"result": result, "status": "ok", "time": 0.000012})


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"status": {"error": message}, "time": 0.000012}, status=status)
