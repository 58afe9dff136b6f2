"""An alias of a Qdrant collection as one value: $QDRANT_URL, $ALIAS and, if needed, $QDRANT_API_KEY."""

import os
from typing import Any
from urllib.parse import quote

from contract import Backend, Fault, serve


class Refusal(Fault):
    """Qdrant answered, and did not do what was asked."""


class QdrantAlias:
    """The value is the name of the collection that the alias stands for."""

    def __init__(self, backend: Backend, alias: str) -> None:
        self._backend = backend
        self._alias = alias

    def read(self) -> str:
        """Return the collection."""
        found = self._aliases().get(self._alias)
        if found is None:
            raise Fault(404, f"Qdrant has no alias {self._alias}")
        return found

    def check(self, value: str) -> None:
        """Only a collection will do: Qdrant finds aliases by this request, too."""
        exists = self._result("GET", f"/collections/{quote(value, safe='')}/exists")["exists"]
        if not exists or value in self._aliases():
            raise Fault(422, f"Qdrant has no collection {value}")

    def write(self, value: str) -> None:
        """Switch in one request, so that no search is between the two actions."""
        before = self.read()
        remove = {"delete_alias": {"alias_name": self._alias}}
        try:
            self._change(remove, self._create(value))
        except Refusal:
            # Qdrant does not undo its first action when the second one fails.
            self._change(self._create(before))
            self.check(value)
            raise

    def _create(self, collection: str) -> dict[str, dict[str, str]]:
        return {"create_alias": {"alias_name": self._alias, "collection_name": collection}}

    def _change(self, *actions: dict[str, dict[str, str]]) -> None:
        self._result("POST", "/collections/aliases", {"actions": list(actions)})

    def _aliases(self) -> dict[str, str]:
        listed = self._result("GET", "/aliases")["aliases"]
        return {each["alias_name"]: each["collection_name"] for each in listed}

    def _result(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        status, answer = self._backend.ask(method, path, body)
        if status != 200:
            raise Refusal(502, f"Qdrant answered {method} {path} with {status}")
        return answer["result"]


if __name__ == "__main__":
    qdrant = Backend(os.environ["QDRANT_URL"], {"api-key": os.environ.get("QDRANT_API_KEY", "")})
    serve(QdrantAlias(qdrant, os.environ["ALIAS"]))
