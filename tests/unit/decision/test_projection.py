"""The phases of ModelRevisions, derived from the status at each check."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollout.api.revision import ModelRevisionStatus, RevisionPhase, ServedPeriod
from model_rollout.api.status import Phase, RevisionRef
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.projection import prunable, revision_changes
from model_rollout.revisions.history import Revision
from unit.decision.builders import (
    NOW,
    bad,
    candidate,
    current,
    deployment,
    entry,
    facts,
    report,
    revision,
    spec,
    suspect,
    transaction,
)

FIRST, SECOND = revision(1), candidate(2)
SUPERSEDED, CANDIDATE = RevisionPhase.SUPERSEDED, RevisionPhase.CANDIDATE


def known(phase: RevisionPhase, reason: str, *, number: int = 3, **changes: Any) -> Revision:
    return revision(number, phase=phase, reason=reason, **changes)


def projected(found: Facts, of: Revision) -> ModelRevisionStatus:
    """The status that the ModelRevision has after the decision."""
    return dict(revision_changes(found, decide(found))).get(of.name, of.status)


def of_another(other: Revision, **changes: Any) -> ModelRevisionStatus:
    """The status of a revision while revision 2 is the current one."""
    return projected(facts(revisions=(FIRST, SECOND, other), **changes), other)


@pytest.mark.parametrize(
    ("before", "phase", "reason"),
    [
        (known(CANDIDATE, ""), SUPERSEDED, "ReplacedEarly"),
        (known(CANDIDATE, "WarmedUp"), SUPERSEDED, "WarmedUp"),
        (known(CANDIDATE, "Suspicious"), SUPERSEDED, "Suspicious"),
        (known(RevisionPhase.STABLE, "Proven"), RevisionPhase.STABLE, "Proven"),
        (known(CANDIDATE, "", imported=True), SUPERSEDED, "Imported"),
        (known(RevisionPhase.QUARANTINED, "MetricBreached"), SUPERSEDED, "Unquarantined"),
        (known(RevisionPhase.UNUSABLE, "RolloutFailed"), SUPERSEDED, "Expired"),
        (known(SUPERSEDED, "WarmedUp"), SUPERSEDED, "WarmedUp"),
    ],
    ids=[
        "replaced before it warmed up",
        "replaced before it was proven",
        "replaced while suspicious",
        "stable stays",
        "imported",
        "let off",
        "expired",
        "stays what it is",
    ],
)
def test_revision_that_is_not_current(before: Revision, phase: RevisionPhase, reason: str) -> None:
    after = of_another(before)
    assert (after.phase, after.reason) == (phase, reason)


def test_condemned_revision_is_what_the_status_says() -> None:
    third = known(RevisionPhase.STABLE, "Proven")
    condemned = entry(third, phase=RevisionPhase.UNUSABLE, reason="RolloutFailed")
    after = of_another(third, status={"quarantine": (condemned,)})
    assert (after.phase, after.reason, after.since) == (
        RevisionPhase.UNUSABLE,
        "RolloutFailed",
        NOW,
    )


@pytest.mark.parametrize(
    ("before", "served", "measured", "reason"),
    [
        ("", 60.0, report(), ""),
        ("", 120.0, report(), "WarmedUp"),
        ("", 120.0, suspect(), "Suspicious"),
        ("WarmedUp", 600.0, suspect(), "Suspicious"),
        ("Suspicious", 600.0, report(), "Suspicious"),
        ("", 60.0, suspect(), ""),
    ],
    ids=[
        "warming up",
        "warmed up",
        "suspicious at once",
        "suspicious later",
        "stays suspicious",
        "not judged before",
    ],
)
def test_progress_of_the_current_candidate(
    before: str, served: float, measured: Any, reason: str
) -> None:
    second = replace(SECOND, status=SECOND.status.model_copy(update={"reason": before}))
    on = current(second, serving_since=NOW - served)
    found = facts(revisions=(FIRST, second), status={"current": on}, reports=(measured,))
    assert projected(found, second).reason == reason


@pytest.mark.parametrize("measured", [report(), suspect(), bad()])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("WarmedUp", "WarmedUp"),
        ("Imported", "Imported"),
        ("Expired", "Expired"),
        ("Suspicious", ""),
        ("ReplacedEarly", ""),
    ],
)
def test_nothing_that_was_measured_of_the_one_before_counts_for_the_next(
    measured: Any, before: str, after: str
) -> None:
    """Revision 3 comes back: it is neither warmed up nor suspicious because revision 2 was."""
    third = known(SUPERSEDED, before)
    found = facts(
        live=deployment("m:3", ready=0), revisions=(FIRST, SECOND, third), reports=(measured,)
    )
    status = projected(found, third)
    assert (status.phase, status.reason, status.metrics) == (CANDIDATE, after, ())


def test_description_that_inherits_is_stable_where_its_origin_is() -> None:
    stable = revision(1)
    again = revision(2, phase=CANDIDATE, reason="")
    again = replace(again, spec=again.spec.model_copy(update={"inherits_from": 1}))
    found = facts(revisions=(stable, again), status={"current": current(again)})
    assert projected(found, again).phase is RevisionPhase.STABLE


def test_served_period_begins_and_ends() -> None:
    young = revision(2, phase=CANDIDATE, reason="")
    young = replace(young, status=young.status.model_copy(update={"served": ()}))
    starting = facts(
        revisions=(FIRST, young),
        status={"current": current(young, serving_since=None)},
        pods=Pods(),
    )
    assert projected(starting, young).served == (ServedPeriod(from_=NOW),)
    changed = facts(live=deployment("m:3"), unchanged_for=1.0)
    assert projected(changed, SECOND).served[-1].to == NOW


def test_latest_periods_are_kept() -> None:
    many = tuple(ServedPeriod(from_=float(n), to=n + 1.0) for n in range(20))
    old = replace(SECOND, status=SECOND.status.model_copy(update={"served": many}))
    after = projected(facts(revisions=(FIRST, old)), old).served
    assert len(after) == 20
    assert after[-1] == ServedPeriod(from_=NOW - 600.0)


def test_measurements_are_noted_when_the_phase_changes() -> None:
    found = facts(
        status={"current": current(SECOND, serving_since=NOW - 3600.0)},
        reports=(report(value=0.9, checks=7),),
    )
    after = projected(found, SECOND)
    assert after.phase is RevisionPhase.STABLE
    assert [(m.name, m.value, m.checks) for m in after.metrics] == [("accuracy", 0.9, 7)]


def test_nothing_changes_in_the_steady_state() -> None:
    assert revision_changes(facts(), decide(facts())) == ()


def pruned(found: Facts, limit: int) -> list[int]:
    limited = replace(found, spec=spec(history={"limit": limit}))
    return [r.number for r in prunable(limited, limited.status)]


MANY = tuple(revision(n, phase=SUPERSEDED, reason="WarmedUp") for n in range(1, 6))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"current": current(MANY[4])}, [1, 2, 3]),
        ({"current": current(MANY[0])}, [2, 3, 4]),
        (
            {"current": current(MANY[4]), "stable": RevisionRef(revision=1, name="x")},
            [2, 3, 4],
        ),
        (
            {
                "current": current(MANY[4]),
                "transaction": transaction(MANY[4], MANY[1], tried=(5, 1, 2)),
            },
            [3, 4],
        ),
        (
            {"current": current(MANY[0]), "stable": RevisionRef(revision=2, name="x")},
            [3, 4],
        ),
    ],
    ids=[
        "oldest",
        "never the current one",
        "never the stable one",
        "none of a transaction",
        "never the newest: its number would be used again",
    ],
)
def test_prunable(status: dict[str, Any], expected: list[int]) -> None:
    found = facts(revisions=MANY, status=status | {"phase": Phase.PROGRESSING})
    assert pruned(found, 2) == expected
