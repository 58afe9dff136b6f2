"""Scenario 9: what is said late of one revision condemns neither its successor nor the restored one.

A day is some seconds here; `tests/unit/scenarios` has the real times.
"""

import time

from localcluster.waiting import wait_until
from support.metrics_source import errors
from support.scenario import FEW, MANY, Json, Scenario

LATE = 12.0
DELAY = "13s"
SERVED = 10.0
"""Seconds for which v2 answers: less than `LATE`, so that nothing is known of it by then; and long
enough that a slow machine, which takes seconds to bring v3 up, does not miss most of its labels."""


def late(case: Scenario, **changes: object) -> list[Json]:
    """Wrong answers, of which is known some seconds later; two checks can decide."""
    return [case.errors(minChecks=2, **changes)]


def replace_before_its_labels_come(case: Scenario) -> None:
    """v2 answers for some seconds; v3 takes its place when nothing is known of it."""
    case.deploy("v2")
    begun = time.monotonic()
    case.wait_for(lambda status: status["current"]["revision"] == 2, "v2 is recorded")
    wait_until(lambda: time.monotonic() > begun + SERVED, 2 * SERVED, "v2 answered for a while")
    case.deploy("v3")
    case.wait_for(lambda status: status["current"]["revision"] == 3, "v3 is recorded")


def labels_of(case: Scenario, version: str) -> float:
    """How many answers of a version are known to Prometheus to be right or wrong."""
    found = case.site.prometheus.query(errors(case.namespace, version=version)["total"])
    return float(found[0]["value"][1]) if found else 0.0


def test_late_labels_condemn_neither_the_successor_nor_the_restored_revision(
    case: Scenario,
) -> None:
    case.wrong = {"v1": FEW, "v2": MANY, "v3": FEW, "v4": MANY}
    case.late = LATE
    operator = case.stable("v1", metrics=late(case, delay=DELAY))
    replace_before_its_labels_come(case)
    case.wait_for(
        lambda s: s["current"]["revision"] == 3 and s["reason"] == "Watching", "v3 is Stable"
    )
    assert labels_of(case, "v2") > 2 * case.rate, "otherwise nothing came late"
    assert (case.patches(committed=False), case.quarantined()) == ([], [])
    case.deploy("v4")
    last = case.wait_for_outcome("Succeeded", 60)
    assert (last["from"], last["to"]) == (4, 3)
    operator.wait_for_checks(3)
    assert (case.version(), case.quarantined()) == ("v3", [4])
    assert len(case.patches(committed=False)) == 1


def test_labels_are_held_against_the_successor_where_nobody_says_that_they_are_late(
    case: Scenario,
) -> None:
    """Without `delay` the successor would be condemned: that is what it is there for."""
    case.wrong = {"v1": FEW, "v2": MANY, "v3": FEW}
    case.late = LATE
    case.stable("v1", metrics=late(case))
    replace_before_its_labels_come(case)
    case.wait_for(lambda status: status.get("quarantine"), "one is condemned")
    assert case.quarantined() == [3]


def test_nightly_batch_that_is_clearly_bad_decides_alone(case: Scenario) -> None:
    source, namespace = case.site.source, case.namespace
    source.add(namespace, 1000, 50)
    case.deploy("v1")
    case.guard(metrics=[case.errors(every="10s", minChecks=1)], analysis={"minOutcomes": 500})
    case.start_operator()
    case.wait_for_reason("Baking")
    case.operator.wait_for_checks(2)
    source.add(namespace, 1000, 60)
    case.wait_for_reason("Watching")
    case.deploy("v2")
    case.wait_for(
        lambda s: s["current"]["revision"] == 2 and s["reason"] == "Baking", "v2 is measured"
    )
    case.operator.wait_for_checks(2)
    assert case.patches(committed=False) == []
    source.add(namespace, 1000, 400)
    last = case.wait_for(lambda status: status.get("transaction"), "one batch decides")
    assert "400 of 1,000 answers were wrong (40 %, limit 20 %)" in last["transaction"]["message"]
    wait_until(lambda: case.version() == "v1", 15, "it is rolled back")
