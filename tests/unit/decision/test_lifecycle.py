"""A revision that nobody has to interfere with: settle, record, serve, warm up, bake."""

from typing import Any

import pytest

from model_rollout.api.metric import MetricAction
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import (
    CurrentRevision,
    Failure,
    LastTransaction,
    Phase,
    TransactionKind,
)
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.revisions.canonical import Json
from unit.decision.builders import (
    NOW,
    WORKLOAD_UID,
    bad,
    candidate,
    content,
    current,
    deployment,
    entry,
    facts,
    report,
    revision,
    silent,
    spec,
    suspect,
)

FIRST, SECOND = revision(1), candidate(2)
PARTS: list[Json] = [
    {"name": "model", "image": {"container": "server"}},
    {"name": "level", "env": {"container": "server", "name": "LOG_LEVEL"}},
]


@pytest.mark.parametrize(
    ("unchanged_for", "reason"),
    [(0.0, Reason.SETTLING), (29.9, Reason.SETTLING), (30.0, Reason.NEW_REVISION)],
)
def test_change_counts_once_it_settled(unchanged_for: float, reason: Reason) -> None:
    found = facts(live=deployment("m:3", ready=0), unchanged_for=unchanged_for)
    assert decide(found).reason is reason


def test_revision_serves_until_its_content_changes() -> None:
    after = decide(facts(live=deployment("m:3"), unchanged_for=1.0)).status.current
    assert after is not None
    assert (after.revision, after.serving_since, after.since) == (2, None, NOW)


def test_change_that_was_taken_back_makes_it_serve_anew() -> None:
    between = decide(facts(live=deployment("m:3"), unchanged_for=1.0)).status
    back = facts(status=between, live=deployment("m:2"), reports=(bad(),), pods=Pods())
    assert decide(back).reason is Reason.SERVES


def test_settling_is_written_once() -> None:
    once = decide(facts(live=deployment("m:3"), unchanged_for=1.0))
    twice = decide(
        facts(status=once.status, live=deployment("m:3"), unchanged_for=9.0, now=NOW + 8.0)
    )
    assert twice.status == once.status


@pytest.mark.parametrize("image", ["m:1", "m:7"])
def test_workload_that_was_recreated_has_yet_to_come_up(image: str) -> None:
    on = current(FIRST, workload_uid=WORKLOAD_UID)
    live = deployment(image, uid="another")
    decision = decide(facts(live=live, status={"current": on}))
    assert decision.action is Action.RECORD
    assert decision.status.current is not None
    assert decision.status.current.serving_since is None


def test_revision_whose_object_was_deleted_is_recorded_anew() -> None:
    late = current(SECOND, since=NOW - 90000.0, serving_since=NOW - 86400.0)
    decision = decide(facts(revisions=(FIRST,), status={"current": late}))
    assert decision.reason is Reason.NEW_REVISION
    assert decision.create[0].spec.digest == SECOND.spec.digest
    assert decision.status.current is not None
    assert decision.status.current.revision == 3


def test_numbers_are_never_used_twice() -> None:
    gone = entry(revision(7, "m:7"))
    decision = decide(facts(live=deployment("m:8"), status={"quarantine": (gone,)}))
    assert decision.to == 8


def test_pruned_revision_that_is_quarantined_keeps_its_number() -> None:
    gone = entry(revision(7, "m:7"))
    decision = decide(facts(live=deployment("m:7"), status={"quarantine": (gone,)}))
    assert (decision.to, decision.create[0].spec.number) == (7, 7)


def test_only_as_many_are_imported_as_are_kept() -> None:
    earlier = tuple(content(f"m:{n}") for n in range(10))
    found = facts(
        spec=spec(history={"limit": 3}), status={"current": None}, revisions=(), earlier=earlier
    )
    made = decide(found).create
    assert [(n.spec.number, n.spec.summary, n.spec.imported) for n in made] == [
        (1, "m:8", True),
        (2, "m:9", True),
        (3, "m:2", False),
    ]


def test_import_that_a_crash_cut_short_is_finished() -> None:
    first = revision(1, "m:8", RevisionPhase.SUPERSEDED, "Imported", imported=True)
    earlier = (content("m:8"), content("m:9"))
    found = facts(status={"current": None}, revisions=(first,), earlier=earlier)
    made = [(n.spec.number, n.spec.summary) for n in decide(found).create]
    assert made == [(2, "m:9"), (3, "m:2")]


def edited(image: str = "m:2", **changes: Any) -> Facts:
    """spec.components was edited since revision 2 was recorded."""
    described = content("m:2").template_digest
    on = current(SECOND, template_digest=described, workload_uid=WORKLOAD_UID)
    status = {"current": on} | changes.pop("status", {})
    return facts(spec=spec(components=PARTS), live=deployment(image), status=status, **changes)


def now_of(found: Facts) -> CurrentRevision:
    now = decide(found).status.current
    assert now is not None
    return now


def test_edited_components_keep_the_clocks_of_the_same_deployment() -> None:
    found = edited(unchanged_for=0.0)
    decision = decide(found)
    assert decision.reason is Reason.COMPONENTS_CHANGED
    assert decision.create[0].spec.inherits_from == 2
    assert now_of(found).serving_since == NOW - 600.0


def test_components_edited_together_with_a_deploy_inherit_nothing() -> None:
    decision = decide(edited("m:3"))
    assert decision.reason is Reason.NEW_REVISION
    assert decision.create[0].spec.inherits_from is None
    assert now_of(edited("m:3")).serving_since is None


def test_describing_a_quarantined_revision_in_another_way_does_not_free_it() -> None:
    decision = decide(edited(status={"quarantine": (entry(SECOND, reverts=1),)}))
    again = decision.status.quarantine[-1]
    assert (again.revision, again.digest, again.reverts) == (3, now_of(edited()).digest, 1)


def test_describing_it_in_another_way_does_not_end_a_failure() -> None:
    failure = Failure(
        reason="StillBreached", message="m", since=NOW, metrics=("accuracy",), revisions=(1, 2)
    )
    found = edited(status={"failure": failure}, reports=(bad(),))
    after = decide(found).status.failure
    assert after is not None
    assert after.revisions == (1, 2, 3)


def coming_up(**changes: Any) -> Facts:
    young = current(SECOND, since=NOW - 60.0, serving_since=None)
    return facts(**{"status": {"current": young}, "pods": Pods()} | changes)


@pytest.mark.parametrize(
    ("changes", "serves"),
    [
        ({}, True),
        ({"live": deployment("m:2", ready=1)}, False),
        ({"live": deployment("m:2", caught_up=False)}, False),
        ({"live": deployment("m:2", replicas=0)}, False),
        ({"pods": Pods(old=1)}, False),
        ({"pods": None}, False),
    ],
    ids=[
        "complete",
        "a pod is missing",
        "not seen by the controller",
        "nothing desired",
        "an old pod is left",
        "pods not read",
    ],
)
def test_it_serves_when_it_is_completely_rolled_out(changes: dict[str, Any], serves: bool) -> None:
    assert (decide(coming_up(**changes)).action is Action.SERVE) is serves


def test_clocks_begin_when_it_serves() -> None:
    held = current(SECOND, serving_since=None, held_seconds=500.0)
    after = now_of(coming_up(status={"current": held}))
    assert (after.serving_since, after.held_seconds) == (NOW, 0.0)


@pytest.mark.parametrize(
    ("served", "reason"),
    [(119.0, Reason.WARMING_UP), (120.0, Reason.BAKING), (3600.0, Reason.PROVEN)],
)
def test_life_of_a_good_revision(served: float, reason: Reason) -> None:
    on = current(SECOND, serving_since=NOW - served)
    assert decide(facts(status={"current": on})).reason is reason


BAKED = {"current": current(SECOND, serving_since=NOW - 7200.0)}


@pytest.mark.parametrize(
    ("changes", "proven"),
    [
        ({}, True),
        ({"reports": (report(), report("latency", checks=0))}, False),
        ({"reports": (report(checks=1, total=500.0, enough=False),)}, False),
        ({"reports": (suspect(),)}, False),
        ({"reports": (bad(action=MetricAction.NOTIFY),)}, False),
        ({"reports": (report(), bad("shown", action=MetricAction.NONE))}, True),
        ({"reports": (report(), silent("latency"))}, False),
        (
            {
                "status": {"current": current(SECOND, serving_since=1.0, failing_since=NOW)},
                "live": deployment("m:2", ready=1),
                "pods": Pods(stuck=("CrashLoopBackOff",)),
            },
            False,
        ),
        (
            {"status": {"current": current(SECOND, serving_since=NOW - 7200, held_seconds=3601)}},
            False,
        ),
    ],
    ids=[
        "clear",
        "a metric never had data",
        "one scrape with many outcomes",
        "suspect",
        "breach that is only notified",
        "breach that is only shown",
        "a metric is silent",
        "crashing",
        "held for most of the time",
    ],
)
def test_proven(changes: dict[str, Any], proven: bool) -> None:
    decision = decide(facts(**{"status": BAKED} | changes))
    assert (decision.action is Action.PROMOTE) is proven


def test_stable_one_is_not_proven_again() -> None:
    stable = revision(2)
    found = facts(status=BAKED, revisions=(FIRST, stable))
    assert decide(found).reason is Reason.WATCHING


@pytest.mark.parametrize(
    ("last", "phase"), [(NOW - 100.0, Phase.ROLLED_BACK), (NOW - 601.0, Phase.HEALTHY)]
)
def test_rolled_back_lasts_as_long_as_the_cooldown(last: float, phase: Phase) -> None:
    ended = LastTransaction(
        id="x",
        kind=TransactionKind.ROLLBACK,
        from_=3,
        to=1,
        started_at=last,
        ended_at=NOW - 50.0,
        outcome="Succeeded",
        message="it helped",
    )
    status = {"current": current(FIRST), "last_transaction": ended, "phase": Phase.ROLLED_BACK}
    assert decide(facts(live=deployment("m:1"), status=status)).phase is phase
