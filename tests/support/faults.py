"""What passes the fault proxy, and what may be done to it: requests, writes, rules, answers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

Json = dict[str, Any]

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Request:
    """One request as the operator sent it."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    @property
    def mutates(self) -> bool:
        """A dry run changes nothing."""
        return self.method in _WRITES and not self.dry_run

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def watches(self) -> bool:
        return self.query.get("watch") in ("true", "1")

    @cached_property
    def _parts(self) -> list[str]:
        parts = self.path.strip("/").split("/")
        rest = parts[3:] if parts[0] == "apis" else parts[2:]
        return rest[2:] if rest[:1] == ["namespaces"] and len(rest) > 2 else rest

    @property
    def resource(self) -> str:
        """Plural and subresource: `deployments`, `modelrollouts/status`."""
        return "/".join([*self._parts[:1], *self._parts[2:3]])

    @property
    def name(self) -> str:
        return self._parts[1] if len(self._parts) > 1 else ""

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    def __str__(self) -> str:
        return f"{self.method} {self.resource} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Reply:
    """Answered by the proxy; the API server never sees the request (or its answer is replaced)."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


class Broken(StrEnum):
    """What else may become of a request."""

    DROPPED = "dropped"  # the connection ends without an answer
    TWICE = "twice"  # sent twice; the second answer is the one that arrives


Act = Callable[[Request], Reply | Broken | None]
"""Runs in a thread of its own and may block: kill the operator, change an object."""

Match = Callable[[Request], bool]


def refusal(
    code: int, reason: str, message: str = "injected", *, retry_after: int | None = None
) -> Reply:
    """An error as the API server words it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
        "details": {},
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(code, body, headers)


def writing(resource: str, method: str | None = None) -> Match:
    """Match writes of a resource, such as `deployments` or `modelrollouts/status`."""
    return lambda request: (
        request.mutates
        and request.resource == resource
        and (method is None or request.method == method)
    )


def intent(request: Request) -> bool:
    """Match the status write that begins a transaction, the first write of a rollback."""
    if not request.mutates or request.resource != "modelrollouts/status":
        return False
    transaction = request.json["status"].get("transaction")
    return transaction is not None and transaction["stage"] == "Applying"


def reading(resource: str) -> Match:
    """Match reads of one object."""
    return lambda request: (
        request.method == "GET" and request.resource == resource and request.name != ""
    )


def watching(resource: str) -> Match:
    """Match requests that open a watch."""
    return lambda request: request.watches and request.resource == resource


@dataclass(frozen=True, slots=True)
class Write:
    """A mutating request and what became of it."""

    request: Request
    status: int
    answer: Json
    reached: bool
    """False when the proxy answered, or dropped it, before the API server saw it."""
    time: float
    """When it was recorded, by `time.monotonic`."""

    @property
    def committed(self) -> bool:
        return self.reached and 200 <= self.status < 300


@dataclass
class Fault:
    """A rule; `hits` says how often it was applied."""

    match: Match
    act: Act
    left: int
    hits: int = 0

    def takes(self, request: Request) -> bool:
        if self.left == 0 or not self.match(request):
            return False
        self.left -= 1
        self.hits += 1
        return True
