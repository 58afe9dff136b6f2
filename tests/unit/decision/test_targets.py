"""Where a rollback goes."""

from typing import Any

import pytest

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import QuarantineEntry
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.reasons import Reason
from model_rollout.decision.targets import find_target
from model_rollout.revisions.history import Revision
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    current,
    deployment,
    entry,
    facts,
    revision,
    spec,
)

SUPERSEDED = RevisionPhase.SUPERSEDED
LIVE = candidate(9)


def situation(*known: Revision, rollback: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """Revision 9 is live; the others are known."""
    status = {"current": current(LIVE)} | changes.pop("status", {})
    return facts(
        live=deployment("m:9"),
        revisions=(*known, LIVE),
        status=status,
        spec=spec(rollback=rollback or {}),
        **changes,
    )


def target(found: Facts, *tried: int) -> int | None:
    chosen = find_target(found, frozenset(tried))
    return chosen.number if chosen else None


WARMED = revision(5, phase=SUPERSEDED, reason="WarmedUp")
EXPIRED = revision(6, phase=SUPERSEDED, reason="Expired")
IMPORTED = revision(7, phase=SUPERSEDED, reason="Imported", imported=True)
EARLY = revision(8, phase=SUPERSEDED, reason="ReplacedEarly")
SUSPECT = revision(8, phase=SUPERSEDED, reason="Suspicious")
STABLE = revision(1)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ((revision(1), revision(2)), 2),
        ((revision(1, served=NOW - 60.0), revision(2)), 1),
        ((STABLE, WARMED, EXPIRED, IMPORTED), 1),
        ((WARMED, EXPIRED, IMPORTED), 5),
        ((EXPIRED, IMPORTED), 6),
        ((IMPORTED,), 7),
        ((EARLY,), None),
        ((SUSPECT,), None),
        ((revision(3, phase=SUPERSEDED, reason="Unquarantined"),), None),
        ((), None),
    ],
    ids=[
        "newest stable",
        "the stable one that served last",
        "stable before all others",
        "warmed up before what is worse",
        "expired before imported",
        "imported when nothing is better",
        "never what was replaced early",
        "never what was suspicious",
        "never what was let off",
        "nothing",
    ],
)
def test_last_stable(known: tuple[Revision, ...], expected: int | None) -> None:
    assert target(situation(*known)) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [((STABLE, WARMED), 5), ((STABLE, IMPORTED), 1), ((IMPORTED,), 7), ((EARLY,), None)],
    ids=["last that warmed up", "before imported", "imported", "never what was replaced early"],
)
def test_previous(known: tuple[Revision, ...], expected: int | None) -> None:
    assert target(situation(*known, rollback={"to": "Previous"})) == expected


@pytest.mark.parametrize(
    ("to", "known", "expected"),
    [
        ("LastStable", (STABLE, WARMED), 1),
        ("LastStable", (WARMED, IMPORTED), None),
        ("Previous", (WARMED, IMPORTED), 5),
        ("Previous", (IMPORTED,), None),
    ],
)
def test_unproven_ones_can_be_excluded(
    to: str, known: tuple[Revision, ...], expected: int | None
) -> None:
    found = situation(*known, rollback={"to": to, "allowUnproven": False})
    assert target(found) == expected


UNUSABLE: dict[str, Any] = {"phase": RevisionPhase.UNUSABLE, "reason": "RolloutFailed"}


@pytest.mark.parametrize(
    ("condemned", "expected"),
    [
        (entry(revision(2)), 1),
        (entry(revision(2), **UNUSABLE, expires=NOW + 1.0), 1),
        (entry(revision(2), **UNUSABLE, expires=NOW), 2),
    ],
    ids=["quarantined", "unusable", "unusable until now"],
)
def test_condemned_ones_are_skipped(condemned: QuarantineEntry, expected: int) -> None:
    status = {"quarantine": (condemned,)}
    assert target(situation(revision(1), revision(2), status=status)) == expected


def test_one_that_was_bad_over_another_rest_is_skipped() -> None:
    over_debug = revision(2, rest="debug")
    status = {"quarantine": (entry(over_debug),)}
    assert target(situation(revision(1), over_debug, status=status)) == 1


def test_one_whose_components_were_tried_over_the_live_rest_is_skipped() -> None:
    over_another_rest, over_this_rest = revision(1, "m:1", rest="debug"), revision(3, "m:1")
    found = situation(over_another_rest, over_this_rest)
    assert target(found) == 3
    assert target(found, 3) is None


def test_tried_ones_are_skipped() -> None:
    assert target(situation(revision(1), revision(2)), 2) == 1


def test_current_one_is_skipped() -> None:
    found = situation(revision(1), status={"current": current(revision(9))})
    assert target(found) == 1


def test_one_that_lacks_a_component_is_skipped() -> None:
    env = {"name": "level", "env": {"container": "server", "name": "LOG_LEVEL"}}
    wider = spec(components=[{"name": "model", "image": {"container": "server"}}, env])
    live = revision(9, of=wider)
    known = (revision(1), revision(2, of=wider), revision(3), live)
    found = facts(
        spec=wider,
        live=deployment("m:9"),
        revisions=known,
        status={"current": current(live)},
    )
    assert target(found) == 2


def test_components_that_are_condemned_over_the_live_rest_are_skipped() -> None:
    over_debug = revision(3, "m:2", rest="debug")
    found = facts(
        live=deployment("m:9", rest="debug"),
        revisions=(revision(1), revision(2), over_debug, LIVE),
        status={"current": current(LIVE), "quarantine": (entry(over_debug),)},
    )
    assert target(found) == 1


def test_breach_without_a_target_holds_and_condemns_nothing() -> None:
    decision = decide(situation(reports=(bad(),)))
    assert decision.reason is Reason.NO_TARGET
    assert decision.status.quarantine == ()
