"""Evidence of counts outlives the process: the next one decides what an undisturbed one decides."""

import re
import time
from dataclasses import dataclass
from datetime import datetime

from support.faults import intent
from support.metrics_source import errors
from support.scenario import FEW, Json, Scenario, scenario

INTERVAL = 1.0
WORSE = 0.24
"""Suspect after some 13 checks, Breached after some 23."""


def evidence(status: Json) -> str:
    [metric] = status["metrics"]
    return str(metric.get("evidence", ""))


def classes(case: Scenario) -> list[str]:
    """The class of the metric in every status that was written, oldest first."""
    statuses = [write.answer["status"] for write in case.proxy.writes("modelrollouts/status")]
    return [status["metrics"][0]["class"] for status in statuses if status.get("metrics")]


@dataclass(frozen=True)
class Decided:
    """What a breach was found on."""

    after: float
    """Seconds since the revision began to serve."""
    total: float
    """Answers that were counted."""


def decided(case: Scenario) -> Decided:
    write = next(write for write in case.proxy.writes() if intent(write.request))
    status = write.request.json["status"]
    found = re.search(r"[\d,]+ of ([\d,]+) answers were wrong", status["message"])
    assert found, status["message"]
    serving = seconds(status["current"]["servingSince"])
    began = seconds(status["transaction"]["startedAt"])
    return Decided(began - serving, float(found[1].replace(",", "")))


def seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def test_operator_killed_in_a_degradation_decides_as_one_that_lives_on(case: Scenario) -> None:
    """Both measure the very same counters; one of them is killed when it is Suspect."""
    case.wrong = {"v1": FEW, "v2": WORSE}
    watched = case.errors(counts=errors(case.namespace))
    with scenario(case.site, "undisturbed") as other:
        case.deploy("v1")
        for each in (case, other):
            each.stable("v1", metrics=[watched])
        # What one of them restores must not help the other one.
        case.proxy.committed = lambda write: None
        before = [len(classes(each)) for each in (case, other)]
        for each in (case, other):
            each.deploy("v2")
        suspect = case.wait_for(lambda s: s["metrics"][0]["class"] == "Suspect", "Suspect", 60)
        assert "more bad outcomes would decide" in suspect["message"]
        assert evidence(suspect), "the checkpoint is written with the class"
        assert not suspect.get("transaction")
        case.operator.kill()
        written = len(case.proxy.writes())
        case.start_operator()
        back = time.time() - seconds(suspect["current"]["servingSince"])
        for each in (case, other):
            each.wait_for(lambda status: status.get("transaction"), "a rollback", 60)
        again, undisturbed = decided(case), decided(other)
        # A machine so busy that the next process came too late decides as soon as it is there.
        assert undisturbed.after - 2 * INTERVAL < again.after
        assert again.after < max(undisturbed.after, back + INTERVAL) + 2 * INTERVAL
        assert again.total >= undisturbed.total - 2 * case.rate, "some answers were lost"
        for each, count in zip((case, other), before, strict=True):
            # One status for each class, and none for the checks in between.
            since_served = [found for found in classes(each)[count:] if found != "Clear"]
            assert since_served[:2] == ["Suspect", "Breached"]
        first = case.proxy.writes()[written]
        assert intent(first.request), "the next process had nothing to write until it decided"
