"""A transaction in flight, stage by stage."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricReport
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import Stage, TransactionKind
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts, Pods
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason
from unit.decision.builders import (
    NOW,
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
    transaction,
)

FIRST, SECOND = revision(1), candidate(2)
STUCK = Pods(stuck=("ImagePullBackOff",))
CROWDED = Pods(unschedulable="Unschedulable: 0/3 nodes are available")


def applying(image: str = "m:2", rest: str = "info", **changes: Any) -> Facts:
    """The intent is written; the workload holds `image`."""
    flight = transaction(SECOND, FIRST, **changes.pop("flight", {}))
    status = {"transaction": flight, "quarantine": (entry(SECOND),)} | changes.pop("status", {})
    return facts(live=deployment(image, rest), status=status, **changes)


def verifying(serving: float | None = 600.0, image: str = "m:1", **changes: Any) -> Facts:
    """The workload was patched; the target serves for so many seconds."""
    started = None if serving is None else NOW - serving
    on = current(FIRST, serving_since=started, since=NOW - (serving or 10.0))
    status = {"current": on} | changes.pop("status", {})
    flight = {"stage": Stage.VERIFYING} | changes.pop("flight", {})
    return applying(image, flight=flight, status=status, **changes)


def test_patch_is_made_again_until_it_is_seen() -> None:
    assert decide(applying()).writes == decide(applying()).writes != ()


def test_patch_is_not_made_where_the_target_is_there_already() -> None:
    decision = decide(applying("m:1"))
    assert (decision.action, decision.reason, decision.writes) == (Action.APPLY, Reason.APPLIED, ())
    assert decision.status.current is not None
    assert decision.status.current.revision == 1
    assert decision.status.current.serving_since is None


def test_edit_beside_the_components_makes_another_revision_of_the_result() -> None:
    decision = decide(applying("m:1", rest="debug"))
    (created,) = decision.create
    assert (created.spec.number, created.spec.restored_from) == (3, 1)
    assert created.spec.digest == content("m:1", "debug").digest
    now = decision.status.current
    assert now is not None
    assert (now.revision, now.digest) == (3, created.spec.digest)
    assert decision.status.transaction is not None
    assert decision.status.transaction.result == 3


def test_result_that_was_created_before_a_crash_is_used() -> None:
    known = revision(3, "m:1", RevisionPhase.CANDIDATE, "", rest="debug")
    decision = decide(applying("m:1", rest="debug", revisions=(FIRST, SECOND, known)))
    assert decision.create == ()
    assert decision.status.current is not None
    assert decision.status.current.revision == 3


@pytest.mark.parametrize(
    ("found", "outcome", "lifted"),
    [
        (applying("m:9"), Reason.CONCURRENT_EDIT, False),
        (applying(refused="403: no right to patch"), Reason.REFUSED, True),
        (applying(revisions=(SECOND,)), Reason.REFUSED, True),
        (applying(flight={"workload_uid": "another"}), Reason.WORKLOAD_REPLACED, False),
        (verifying(image="m:2"), Reason.REAPPLIED, False),
        (verifying(image="m:9"), Reason.OVERTAKEN, False),
    ],
    ids=["edited", "refused", "target deleted", "recreated", "applied again", "overtaken"],
)
def test_transaction_is_abandoned(found: Facts, outcome: Reason, lifted: bool) -> None:
    decision = decide(found)
    assert (decision.action, decision.reason, decision.writes) == (Action.CONCLUDE, outcome, ())
    assert decision.status.transaction is None
    assert decision.status.last_transaction is not None
    assert decision.status.last_transaction.outcome == outcome
    assert (decision.status.quarantine == ()) is lifted


@pytest.mark.parametrize(
    ("kind", "reverts"),
    [(TransactionKind.REVERT, 1), (TransactionKind.ROLLBACK, 1), (TransactionKind.SWITCH, 0)],
    ids=["revert", "a revert that went on to the next candidate", "switch"],
)
def test_refused_rollback_keeps_the_quarantine_that_was_there_before(
    kind: TransactionKind, reverts: int
) -> None:
    status = {"quarantine": (entry(SECOND, reverts=reverts),)}
    decision = decide(applying(flight={"kind": kind}, refused="denied", status=status))
    assert decision.reason is Reason.REFUSED
    assert [e.revision for e in decision.status.quarantine] == [2]


def test_edit_beside_the_components_does_not_end_the_verification() -> None:
    found = verifying(reports=(report(clear_for=10.0),))
    edited = replace(found, content=content("m:1", "debug"))
    assert decide(edited).reason is Reason.VERIFYING


SERVED = 600.0


@pytest.mark.parametrize(
    ("reports", "serving", "outcome"),
    [
        ((report(clear_for=300.0),), SERVED, Reason.SUCCEEDED),
        ((report(clear_for=299.0),), SERVED, Reason.VERIFYING),
        ((bad(),), SERVED, Reason.STILL_BREACHED),
        ((suspect(),), SERVED, Reason.VERIFYING),
        ((silent(),), SERVED, Reason.VERIFYING),
        ((silent(),), 1020.0, Reason.UNVERIFIED),
        ((suspect(),), 1020.0, Reason.UNVERIFIED),
        ((silent(patience=3600.0),), 1020.0, Reason.VERIFYING),
        ((silent(discard=3600.0),), 1020.0, Reason.VERIFYING),
        ((silent(discard=3600.0),), 3600.0 + 900.0, Reason.UNVERIFIED),
        ((report(clear_for=300.0), bad("latency")), SERVED, Reason.SUCCEEDED),
    ],
    ids=[
        "clear for long enough",
        "clear for less",
        "breached",
        "undecided",
        "silent",
        "silent for too long",
        "undecided for too long",
        "a metric that needs longer",
        "samples are still discarded",
        "silent after that",
        "only the metrics that breached count",
    ],
)
def test_verification(reports: tuple[MetricReport, ...], serving: float, outcome: Reason) -> None:
    assert decide(verifying(serving, reports=reports)).reason is outcome


def test_without_a_breached_metric_all_of_them_are_verified() -> None:
    reports = (report(clear_for=300.0), report("latency", clear_for=0.0))
    found = verifying(reports=reports, flight={"metrics": ()})
    assert decide(found).reason is Reason.VERIFYING


ZERO = spec(rollback={"verifyFor": "0s"})


@pytest.mark.parametrize(
    ("measured", "outcome"),
    [
        (report(clear_for=0.0, checks=1), Reason.SUCCEEDED),
        (report(clear_for=0.0, checks=0), Reason.VERIFYING),
        (suspect(checks=1), Reason.VERIFYING),
        (silent(), Reason.VERIFYING),
    ],
    ids=["one good sample", "not counted yet", "bad", "silent"],
)
def test_verification_for_no_time_takes_one_good_sample(
    measured: MetricReport, outcome: Reason
) -> None:
    assert decide(verifying(60.0, reports=(measured,), spec=ZERO)).reason is outcome


def still_breached(**flight: Any) -> Decision:
    return decide(verifying(reports=(bad(),), flight=flight))


def test_version_that_was_not_the_cause_is_let_off() -> None:
    decision = still_breached()
    assert decision.status.quarantine == ()
    failure = decision.status.failure
    assert failure is not None
    assert (failure.metrics, failure.revisions) == (("accuracy",), (1, 2))


@pytest.mark.parametrize(
    "flight",
    [
        {"reason": "RolloutFailed", "metrics": ()},
        {"reason": "SwitchRollback", "kind": TransactionKind.SWITCH, "metrics": ()},
        {"reason": "QuarantinedApplied", "kind": TransactionKind.REVERT, "metrics": ()},
    ],
    ids=["did not come up", "a person did not want it", "reverted"],
)
def test_version_that_was_left_for_another_reason_stays_condemned(flight: dict[str, Any]) -> None:
    decision = still_breached(**flight)
    assert decision.reason is Reason.STILL_BREACHED
    assert [e.revision for e in decision.status.quarantine] == [2]


def coming_up(pods: Pods, since: float = 1801.0, **changes: Any) -> Facts:
    """The target is not up yet."""
    on = current(SECOND, serving_since=None, since=NOW - since)
    third = revision(3, phase=RevisionPhase.QUARANTINED, reason="MetricBreached")
    flight = {"stage": Stage.VERIFYING, "tried": (3, 2)} | changes.pop("flight", {})
    status = {
        "current": on,
        "transaction": transaction(third, SECOND, **flight),
        "quarantine": (entry(third),),
        "rollbacks": (NOW - since,),
    }
    data = {"revisions": (FIRST, SECOND, third)} | changes
    return facts(live=deployment("m:2", ready=0), pods=pods, status=status, **data)


@pytest.mark.parametrize(
    ("pods", "since", "reason"),
    [
        (STUCK, 1799.0, Reason.ROLLING_OUT),
        (STUCK, 1800.0, Reason.TARGET_UNUSABLE),
        (CROWDED, 1801.0, Reason.ROLLBACK_STALLED),
        (Pods(), 1801.0, Reason.ROLLBACK_STALLED),
    ],
    ids=["in time", "cannot be pulled", "no room", "slow"],
)
def test_target_that_does_not_come_up(pods: Pods, since: float, reason: Reason) -> None:
    assert decide(coming_up(pods, since)).reason is reason


def test_stalled_rollback_goes_on_when_its_pods_come_up() -> None:
    found = coming_up(Pods())
    there = facts(live=deployment("m:2")).workload
    decision = decide(replace(found, workload=there))
    assert (decision.action, decision.reason) == (Action.SERVE, Reason.SERVES)


def test_next_candidate_belongs_to_the_same_chain() -> None:
    decision = decide(coming_up(STUCK))
    chain = decision.status.transaction
    assert chain is not None
    assert (chain.from_, chain.to, chain.tried) == (2, 1, (3, 2, 1))
    assert chain.metrics == ("accuracy",)
    assert decision.status.rollbacks == (NOW - 1801.0,)
    phases = {e.revision: e.phase for e in decision.status.quarantine}
    assert phases == {3: RevisionPhase.QUARANTINED, 2: RevisionPhase.UNUSABLE}


def test_chain_does_not_try_the_same_components_once_more() -> None:
    same = revision(4, "m:2", rest="debug")
    found = coming_up(STUCK)
    more = replace(found, revisions=(*found.revisions, same))
    decision = decide(more)
    assert (decision.reason, decision.to) == (Reason.TARGET_UNUSABLE, 1)


def test_chain_ends_where_nothing_is_left() -> None:
    decision = decide(coming_up(STUCK, flight={"tried": (1, 3, 2)}))
    assert (decision.action, decision.reason) == (Action.CONCLUDE, Reason.NO_TARGET)


def test_next_candidate_of_a_revert_is_a_rollback_that_condemns_its_target() -> None:
    decision = decide(coming_up(STUCK, flight={"kind": TransactionKind.REVERT}))
    assert decision.status.transaction is not None
    assert decision.status.transaction.kind is TransactionKind.ROLLBACK
    assert decision.status.quarantine[-1].revision == 2


def test_metric_that_is_shown_is_not_verified() -> None:
    found = verifying(reports=(report(clear_for=300.0, state=State.GOOD),))
    assert decide(found).reason is Reason.SUCCEEDED
