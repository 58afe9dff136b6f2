"""Where a rollback can go, and why not elsewhere: what the operator itself would refuse.

The operator decides in the end, with what it reads then; this spares a flip that leads to nothing.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from model_rollout.api.revision import ComponentValue
from model_rollout.cli.kubeconfig import Place
from model_rollout.cli.view import Rollout, by_number
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.content import identity

_BLOCKED = ("TargetTaken", "WorkloadMissing", "ComponentUnreadable")
"""Reasons for which the operator writes nothing at all, whatever the switch says."""


def blocked(rollout: Rollout) -> str:
    """Return why the operator cannot roll back at all, as a sentence; empty when it can."""
    if rollout.reason in _BLOCKED:
        return rollout.message
    if rollout.current is None:
        return f"nothing is recorded of {rollout.name} yet: {rollout.message}"
    return ""


def refusal(rollout: Rollout, revisions: list[Json], number: int, now: float, place: Place) -> str:
    """Return why a rollback cannot go to a revision, as a sentence; empty when it can."""
    found = by_number(revisions)
    if number == rollout.current:
        return f"revision {number} is deployed already"
    if number not in found:
        there_are = ", ".join(map(str, found)) or "none"
        return f"there is no revision {number}; there are: {there_are}"
    if entry := rollout.quarantined(number, now):
        state = str(entry.get("phase") or "Quarantined").lower()
        clear = place.hint("unquarantine", rollout.name, str(number))
        return f"revision {number} is {state} ({entry.get('reason')}); to clear that first: {clear}"
    current = found.get(rollout.current or 0)
    return "" if current is None else _unlike(rollout, current, found[number], now)


def _unlike(rollout: Rollout, current: Json, target: Json, now: float) -> str:
    number = target["spec"]["number"]
    if _shape(target) != _shape(current):
        return (
            f"revision {number} was recorded with other components ({_names(target)}) than there are "
            f"now ({_names(current)})"
        )
    for entry in rollout.quarantine(now):
        if entry.get("digest") in (target["spec"].get("digest"), _result(current, target)):
            return (
                f"the components of revision {number} over the present rest of the template are "
                f"revision {entry.get('revision')}, which is quarantined ({entry.get('reason')})"
            )
    return ""


def _shape(revision: Json) -> set[tuple[str, str, str]]:
    return {
        (c["name"], str(c.get("kind", "")), str(c.get("source", "")))
        for c in revision["spec"]["components"]
    }


def _names(revision: Json) -> str:
    return ", ".join(component["name"] for component in revision["spec"]["components"])


def _result(current: Json, target: Json) -> str:
    """Return the identity of what would be deployed; empty where we know too little of it."""
    try:
        values = tuple(map(ComponentValue.model_validate, target["spec"]["components"]))
    except ValidationError:  # written by a newer operator
        return ""
    return identity(values, str(current["spec"].get("observedDigest", "")))


def other_revisions(
    rollout: Rollout, revisions: list[Json], now: float, place: Place
) -> Iterator[str]:
    """Yield for every other revision why it is no target, newest first."""
    for number in sorted(by_number(revisions), reverse=True):
        if number != rollout.current:
            status = by_number(revisions)[number].get("status") or {}
            unproven = f"revision {number} was never proven good ({status.get('phase')})"
            yield refusal(rollout, revisions, number, now, place) or unproven
