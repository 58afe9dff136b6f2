"""Changes of a ModelRollout that a person makes: one patch, which holds only for what was read."""

from collections.abc import Callable, Iterator
from typing import Any

from model_rollout.cli.cluster import Changed, Cluster
from model_rollout.cli.kubeconfig import Place
from model_rollout.cli.output import CommandError
from model_rollout.cli.view import Rollout
from model_rollout.decision.facts import REASON_ANNOTATION
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.places import Path, pointer

_TRIES = 5

_SWITCH: Path = ("spec", "killSwitch")
_TO_REVISION: Path = ("spec", "rollback", "toRevision")
_WATCHED: tuple[Path, ...] = (
    ("metadata", "uid"),
    _SWITCH,
    _TO_REVISION,
    ("status", "current", "revision"),
    ("status", "attempts"),
)
"""What a person saw before deciding: another revision, or a rollback that began, is another case."""


def flip_operations(
    body: Json, switch: str, to_revision: int | None, reason: str | None
) -> list[Json]:
    """Return the patch that flips the kill switch.

    Args:
        body: The ModelRollout as it was read; the patch fails when it changed in what matters.
        switch: The new value.
        to_revision: The new `rollback.toRevision`; None takes away what another flip left there.
        reason: Why, for the record; None takes away the reason of another flip.
    """
    changes = (
        (_SWITCH, switch),
        (_TO_REVISION, to_revision),
        (("metadata", "annotations", REASON_ANNOTATION), reason),
    )
    return _operations(body, changes)


def annotate_operations(body: Json, name: str, value: str) -> list[Json]:
    """Return the patch that sets an annotation which is not there."""
    return _operations(body, ((("metadata", "annotations", name), value),))


def _operations(body: Json, changes: tuple[tuple[Path, Any], ...]) -> list[Json]:
    tests = [_test(body, path) for path in _WATCHED if _at(body, path[:-1]) is not None]
    return [*tests, *(op for path, value in changes for op in _set(body, path, value))]


def _test(body: Json, path: Path) -> Json:
    # null also holds where nothing is.
    return {"op": "test", "path": pointer(path), "value": _at(body, path)}


def _set(body: Json, path: Path, value: Any) -> Iterator[Json]:
    """Yield what brings a value to its place; None takes it away."""
    there = _at(body, path)
    if there == value:
        return
    if value is None:
        yield _test(body, path)
        yield {"op": "remove", "path": pointer(path)}
    elif _at(body, path[:-1]) is None:
        yield _test(body, path[:-1])
        yield {"op": "add", "path": pointer(path[:-1]), "value": {path[-1]: value}}
    else:
        yield _test(body, path)
        yield {"op": "add", "path": pointer(path), "value": value}


def _at(body: Json, path: Path) -> Any:
    found: Any = body
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


async def change(
    cluster: Cluster, place: Place, read: Json, operations: Callable[[Json], list[Json]]
) -> Json:
    """Apply a patch to what was read, or to what it became as long as nothing that matters changed.

    Raises CommandError when it did: then the person has to decide anew.
    """
    body = read
    for _ in range(_TRIES):
        try:
            return await cluster.patch(body, operations(body))
        except Changed:
            body = await cluster.rollout(Rollout(read).name)
            if any(_at(body, path) != _at(read, path) for path in _WATCHED):
                break
    look = place.hint("status", Rollout(read).name)
    raise CommandError(
        f"it changed meanwhile, and nothing was written: look at it again with {look}"
    )
