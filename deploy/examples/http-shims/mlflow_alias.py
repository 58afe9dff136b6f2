"""An alias of an MLflow model as one value: $MLFLOW_URL, $MODEL, $ALIAS and, if needed, $MLFLOW_TOKEN."""

import os
import re
from urllib.parse import urlencode

from contract import Backend, Fault, serve

_API = "/api/2.0/mlflow"


class MlflowAlias:
    """The value is the number of the version that the alias stands for."""

    def __init__(self, backend: Backend, model: str, alias: str) -> None:
        self._backend = backend
        self._model = model
        self._alias = alias

    def read(self) -> str:
        """Return the version."""
        query = urlencode({"name": self._model, "alias": self._alias})
        status, answer = self._backend.ask("GET", f"{_API}/registered-models/alias?{query}")
        if status in (400, 404):  # 400: there is the model, and it has no such alias
            raise Fault(404, f"MLflow has no alias {self._alias} of the model {self._model}")
        self._expect(200, status, "the alias")
        return str(answer["model_version"]["version"])

    def check(self, value: str) -> None:
        """MLflow would take 02 for 2, and a version whose files are not there yet."""
        if not re.fullmatch("[1-9][0-9]{0,9}", value, re.ASCII):
            raise Fault(422, f"{value} is no version: write a number such as 3")
        query = urlencode({"name": self._model, "version": value})
        status, answer = self._backend.ask("GET", f"{_API}/model-versions/get?{query}")
        if status == 404:
            raise Fault(422, f"MLflow has no version {value} of the model {self._model}")
        self._expect(200, status, "the version")
        if answer["model_version"]["status"] != "READY":
            raise Fault(422, f"version {value} of the model {self._model} is not ready")

    def write(self, value: str) -> None:
        """Set the alias; one that exists is moved."""
        body = {"name": self._model, "alias": self._alias, "version": value}
        status, _ = self._backend.ask("POST", f"{_API}/registered-models/alias", body)
        self._expect(200, status, "a new version of the alias")

    def _expect(self, wanted: int, status: int, what: str) -> None:
        if status != wanted:
            raise Fault(502, f"MLflow answered with {status} when asked for {what}")


if __name__ == "__main__":
    token = os.environ.get("MLFLOW_TOKEN", "")
    mlflow = Backend(os.environ["MLFLOW_URL"], {"Authorization": token and f"Bearer {token}"})
    serve(MlflowAlias(mlflow, os.environ["MODEL"], os.environ["ALIAS"]))
