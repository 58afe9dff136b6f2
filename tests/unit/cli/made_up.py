"""A cluster that is not there: objects in memory, and watches that say what a test wants."""

import copy
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from model_rollout.cli.kubeconfig import Place
from model_rollout.ports.kubernetes import ApiError, NotFound

Json = dict[str, Any]

PLACE = Place(None, None, "ml", everywhere=False, flags=())


def rollout(name: str = "sentiment", version: int = 1, **parts: Any) -> Json:
    metadata = {"name": name, "namespace": "ml", "uid": f"uid-{name}", "generation": 1}
    metadata |= {"resourceVersion": str(version)} | parts.pop("metadata", {})
    return {"metadata": metadata, "spec": {"killSwitch": "None", "rollback": {}}, **parts}


def page(*items: Json, version: int = 1, token: str = "") -> Json:
    metadata = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    return {"kind": "ModelRolloutList", "metadata": metadata, "items": list(items)}


def event(type_: str, body: Json) -> Json:
    return {"type": type_, "object": body}


@dataclass
class MadeUpConnection:
    """Answers in the order of the script; an error is raised, a list is a watch."""

    script: list[Json | ApiError | list[Json | ApiError]]
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def _next(self) -> Any:
        if not self.script:
            raise NotFound("the script has ended")
        return self.script.pop(0)

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None,
        **_: Any,
    ) -> Json:  # fmt: skip
        self.asked.append((method, path, dict(query or {})))
        self.bodies.append(copy.deepcopy(body))
        answer = self._next()
        if isinstance(answer, ApiError):
            raise answer
        assert isinstance(answer, dict)
        return answer

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[Json, None]:
        self.asked.append(("WATCH", path, dict(query)))
        events = self._next()
        for each in events if isinstance(events, list) else [events]:
            if isinstance(each, ApiError):
                raise each
            yield each
