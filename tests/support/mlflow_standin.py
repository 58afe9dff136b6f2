"""What the alias shim needs of MLflow, with the answers of its REST API, as measured on 3.17."""

from typing import Any

from aiohttp import web

_API = "/api/2.0/mlflow"


class Mlflow:
    """One registered model: versions with their status, and aliases."""

    def __init__(self, model: str, versions: dict[int, str], aliases: dict[str, int]) -> None:
        self.model, self.versions, self.aliases = model, versions, aliases
        self.tokens: set[str | None] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(f"{_API}/registered-models/alias", self._get_alias)
        app.router.add_post(f"{_API}/registered-models/alias", self._set_alias)
        app.router.add_get(f"{_API}/model-versions/get", self._get_version)
        return app

    def drop(self, version: int) -> None:
        """As `DELETE …/model-versions/delete`, which removes the aliases of the version."""
        del self.versions[version]
        self.aliases = {a: v for a, v in self.aliases.items() if v != version}

    async def _get_alias(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization"))
        if request.query["name"] != self.model:
            return _missing(f"Registered Model with name={request.query['name']} not found")
        version = self.aliases.get(request.query["alias"])
        if version is None:
            return _invalid(f"Registered model alias {request.query['alias']} not found.")
        return self._version(version)

    async def _set_alias(self, request: web.Request) -> web.Response:
        body = await request.json()
        version = _number(body["version"])
        if version is None:
            return _invalid("Parameter 'version' must be an integer")
        if body["name"] != self.model or version not in self.versions:
            return _missing(f"Model Version (name={body['name']}, version={version}) not found")
        self.aliases[body["alias"]] = version
        return web.json_response({})

    async def _get_version(self, request: web.Request) -> web.Response:
        name, version = request.query["name"], _number(request.query["version"])
        if version is None:
            return _invalid("Parameter 'version' must be an integer")
        if name != self.model or version not in self.versions:
            return _missing(f"Model Version (name={name}, version={version}) not found")
        return self._version(version)

    def _version(self, version: int) -> web.Response:
        found: dict[str, Any] = {
            "name": self.model,
            "version": str(version),
            "creation_timestamp": 1795609957744,
            "last_updated_timestamp": 1795609957744,
            "current_stage": "None",
            "description": "",
            "source": f"s3://models/{version}",
            "run_id": "",
            "status": self.versions[version],
            "run_link": "",
        }
        if aliases := [a for a, v in self.aliases.items() if v == version]:
            found["aliases"] = aliases
        return web.json_response({"model_version": found})


def _number(text: str) -> int | None:
    try:
        return int(text)  # as MLflow: "02" is 2
    except ValueError:
        return None


def _missing(message: str) -> web.Response:
    return _error(404, "RESOURCE_DOES_NOT_EXIST", "RESOURCE_NOT_FOUND", message)


def _invalid(message: str) -> web.Response:
    return _error(400, "INVALID_PARAMETER_VALUE", "INVALID_PARAMETER_VALUE", message)


def _error(status: int, code: str, kind: str, message: str) -> web.Response:
    body = {"error_code": code, "message": message, "sqlstate": "KAM00", "error_class": kind}
    return web.json_response(body, status=status)
