"""The status that people read, what of it is worth a write, the table of phases, and the Events."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricClass
from model_rollout.api.metric import MetricAction
from model_rollout.api.status import LastDecision, ModelRolloutStatus, Phase
from model_rollout.decision.decide import decide
from model_rollout.decision.facts import Facts
from model_rollout.decision.notices import Notice, decided, notices
from model_rollout.decision.phases import EDGES, IllegalTransition, transition
from model_rollout.decision.reasons import Reason
from model_rollout.decision.status import complete, material
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
    silent,
    spec,
)

SECOND = candidate(2)


def after(found: Facts) -> ModelRolloutStatus:
    return complete(found, decide(found))


def stored(status: ModelRolloutStatus) -> ModelRolloutStatus:
    """As it is read back from the API server."""
    data = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return ModelRolloutStatus.model_validate(data)


def checked(found: Facts, **changes: Any) -> Facts:
    """The next check: the status as it was stored, and what changed meanwhile."""
    return replace(found, status=stored(after(found)), now=found.now + 30.0, **changes)


STEADY: dict[str, dict[str, Any]] = {
    "baking": {},
    "breached without a target": {"reports": (bad(),), "revisions": (SECOND,)},
    "braked": {"reports": (bad(),), "spec": spec(rollback={"mode": "DryRun"})},
    "silent": {"reports": (silent(),)},
    "scaled to zero": {"live": deployment("m:2", replicas=0)},
    "missing": {"live": None},
    "taken": {"taken_by": "elder"},
    "contested": {"status": {"quarantine": (entry(SECOND, reverts=1),)}},
    "rolling out": {
        "live": deployment("m:2", ready=1),
        "status": {"current": current(SECOND, serving_since=None)},
    },
    "settling": {"live": deployment("m:3"), "unchanged_for": 1.0},
}


@pytest.mark.parametrize("situation", STEADY.values(), ids=STEADY)
def test_steady_state_is_written_once(situation: dict[str, Any]) -> None:
    first = facts(**situation)
    second = checked(first)
    assert material(after(second)) == material(second.status)


@pytest.mark.parametrize(
    ("change", "written"),
    [
        (report(value=0.94, message="accuracy is 0.94 (limit >= 0.85)", checks=21), False),
        (report(clear_for=620.0, least=0.1), False),
        (report(metric_class=MetricClass.SUSPECT), True),
        (report(state=State.BAD), True),
    ],
    ids=["another value", "another length", "another class", "another state"],
)
def test_value_alone_is_not_worth_a_write(change: Any, written: bool) -> None:
    second = checked(facts(), reports=(change,))
    assert (material(after(second)) != material(second.status)) is written


def test_faces_of_one_outage_are_not_worth_a_write() -> None:
    first = facts(reports=(silent(unavailable="Timeout", message="late"),))
    second = checked(first, reports=(silent(unavailable="ServerError", message="503"),))
    assert material(after(second)) == material(second.status)


ROLE = "the operator may not read the Secret a: create a Role there"
HOST = "the Secret a may not be sent to prometheus:9090: add it to its annotation"


def test_what_is_left_to_correct_is_told() -> None:
    first = facts(prometheus_problem=ROLE)
    second = checked(first, prometheus_problem=HOST)
    found = after(second)
    assert material(found) != material(second.status)
    assert found.last_decision is not None
    assert found.last_decision.message == HOST
    assert [notice.note for notice in notices(second, found, decide(second))] == [HOST]


def test_ambiguous_metric_is_told_in_other_words_and_not_in_other_numbers() -> None:
    eleven, twelve, none = (
        report(state=State.AMBIGUOUS, message=text, unavailable="Ambiguous", answered=False)
        for text in ("11 series: aggregate it", "12 series: aggregate it", "a string: correct it")
    )
    first = facts(reports=(eleven,))
    same = checked(first, reports=(twelve,))
    assert material(after(same)) == material(same.status)
    other = checked(first, reports=(none,))
    assert material(after(other)) != material(other.status)


def test_what_was_read_back_is_what_was_written() -> None:
    status = after(facts(now=NOW + 0.123456))
    assert material(stored(status)) == material(status)


def test_same_hold_after_something_else_is_another_decision() -> None:
    first = facts(reports=(silent(),))
    back = checked(first, reports=(report(),))
    again = replace(checked(back), reports=(silent(),))
    found = [after(f).last_decision for f in (first, back, again)]
    assert found[0] == found[1]
    assert found[2] is not None
    assert found[2].time == NOW + 60.0


def condition(found: Facts, name: str) -> tuple[str, str]:
    (item,) = [c for c in after(found).conditions if c.type == name]
    return item.status, item.reason


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({}, "Ready", ("True", "Guarding")),
        ({"taken_by": "elder"}, "Ready", ("False", "TargetTaken")),
        ({"live": None}, "Ready", ("False", "WorkloadMissing")),
        ({}, "MetricsAvailable", ("True", "Measured")),
        ({"reports": (silent(),)}, "MetricsAvailable", ("False", "NoData")),
        (
            {"reports": (silent(unavailable=""),)},
            "MetricsAvailable",
            ("Unknown", "NotMeasuredYet"),
        ),
        ({}, "RollbackTargetAvailable", ("True", "Proven")),
        ({"revisions": (SECOND,)}, "RollbackTargetAvailable", ("False", "NoTarget")),
        (
            {"revisions": (revision(1, imported=True, reason="Imported"), SECOND)},
            "RollbackTargetAvailable",
            ("True", "Proven"),
        ),
        ({"live": None}, "RollbackTargetAvailable", ("Unknown", "NotReadYet")),
        ({}, "KillSwitchEngaged", ("False", "None")),
        ({"spec": spec(killSwitch="Pause")}, "KillSwitchEngaged", ("True", "Pause")),
        ({}, "Contested", ("False", "NotContested")),
        (
            {"status": {"quarantine": (entry(SECOND, reverts=1),)}},
            "Contested",
            ("True", "QuarantinedApplied"),
        ),
        ({}, "BudgetExhausted", ("False", "Available")),
        (
            {"status": {"rollbacks": (NOW - 3.0, NOW - 2.0, NOW - 1.0)}},
            "BudgetExhausted",
            ("True", "Exhausted"),
        ),
    ],
)
def test_condition(changes: dict[str, Any], name: str, expected: tuple[str, str]) -> None:
    assert condition(facts(**changes), name) == expected


def test_silence_within_its_patience_leaves_the_condition_as_it_is() -> None:
    out = facts(reports=(silent(),))
    restarted = checked(out, reports=(silent(unavailable=""),))
    assert condition(restarted, "MetricsAvailable")[0] == "False"


def test_transition_time_is_that_of_the_change() -> None:
    second = checked(facts())
    third = checked(second, reports=(silent(),))
    times = {c.type: c.last_transition_time for c in after(third).conditions}
    assert times["Ready"] == NOW
    assert times["MetricsAvailable"] == third.now


@pytest.mark.parametrize("before", list(Phase))
@pytest.mark.parametrize("next_", list(Phase))
def test_phase_table(before: Phase, next_: Phase) -> None:
    legal = before is next_ or next_ is Phase.PAUSED or next_ in EDGES[before]
    if legal:
        assert transition(before, next_) is next_
        return
    with pytest.raises(IllegalTransition, match=f"{before} cannot be followed by {next_}"):
        transition(before, next_)


@pytest.mark.parametrize(
    ("before", "next_"),
    [
        (Phase.INITIALIZING, Phase.ROLLING_BACK),
        (Phase.HEALTHY, Phase.VERIFYING),
        (Phase.HEALTHY, Phase.ROLLED_BACK),
        (Phase.ROLLING_BACK, Phase.ROLLED_BACK),
        (Phase.HEALTHY, Phase.INITIALIZING),
    ],
)
def test_illegal_edge(before: Phase, next_: Phase) -> None:
    with pytest.raises(IllegalTransition):
        transition(before, next_)


def test_every_phase_has_its_edges() -> None:
    assert set(EDGES) == set(Phase)


def told(found: Facts) -> list[Notice]:
    status, decision = after(found), decide(found)
    return list(notices(found, status, decision))


def test_decision_is_told_once() -> None:
    first = facts(reports=(bad(),), revisions=(SECOND,))
    assert [n.reason for n in told(first)] == [Reason.NO_TARGET]
    assert told(checked(first)) == []


def test_metric_that_comes_back_is_told() -> None:
    out = facts(reports=(silent(),))
    back = checked(out, reports=(report(),))
    assert [(n.warning, n.reason) for n in told(out)] == [(True, "MetricsUnavailable")]
    assert [(n.warning, n.reason) for n in told(back)] == [(False, "MetricsMeasured")]


def test_first_values_are_no_news() -> None:
    assert told(facts()) == []


@pytest.mark.parametrize(
    ("action", "count"),
    [(MetricAction.NOTIFY, 1), (MetricAction.NONE, 0)],
    ids=["Notify", "None"],
)
def test_breach_is_notified_once(action: MetricAction, count: int) -> None:
    metric = {"name": "drift", "query": "psi", "max": 0.2, "action": action.value}
    first = facts(spec=spec(metrics=[metric]), reports=(bad("drift", action=action),))
    assert [n.reason for n in told(first)] == [Reason.METRIC_BREACHED] * count
    assert told(checked(first)) == []


@pytest.mark.parametrize(
    ("action", "reason", "warning"),
    [
        ("Record", "NewRevision", False),
        ("Conclude", "Succeeded", False),
        ("Conclude", "StillBreached", True),
        ("Hold", "NoTarget", True),
        ("RollBack", "MetricBreached", True),
        ("Note", "SwitchFlipped", False),
        ("Note", "UnquarantineRefused", True),
    ],
)
def test_event_of_a_stored_decision(action: str, reason: str, warning: bool) -> None:
    last = LastDecision(action=action, reason=reason, message="why", time=NOW)
    assert decided(last) == Notice(warning, reason, action, "why", NOW)


def test_flips_at_two_times_are_two_events() -> None:
    once = told(facts(spec=spec(killSwitch="Pause")))
    later = told(facts(spec=spec(killSwitch="Pause"), now=NOW + 60.0))
    assert [n.note for n in once] == [n.note for n in later]
    assert once != later
