"""Limits that are no numbers of a person: another workload, or the revision before."""

import re

from support.metrics_source import errors
from support.scenario import FEW, MANY, Json, Scenario

STABLE = {"from": "Workload", "ref": {"name": "{{name}}-stable"}, "maxRatio": 1.5}


def compared(case: Scenario, **changes: object) -> Json:
    """Wrong answers, compared with those of the Deployment model-stable."""
    counts = errors(case.namespace, workload="{{workload}}")
    return case.errors(counts=counts, max=None, baseline=STABLE, **changes)


def serve(case: Scenario, canary: float, stable: float) -> None:
    """Let both workloads answer; the canary has a fifth of the traffic."""
    source = case.site.source
    source.serve(case.namespace, 100.0, canary, workload="model")
    source.serve(case.namespace, 400.0, stable, workload="model-stable")


def test_canary_that_is_three_times_worse_is_rolled_back_and_a_common_dip_is_not(
    case: Scenario,
) -> None:
    serve(case, 0.05, 0.05)
    operator = case.stable("v1", metrics=[compared(case)])
    serve(case, 0.4, 0.4)
    operator.wait_for_checks(10)
    status = case.status()
    assert (status["reason"], status["metrics"][0]["class"]) == ("Watching", "Clear")
    assert status["metrics"][0]["limit"] == "<= 1.5 x model-stable"
    serve(case, 0.05, 0.05)
    case.deploy("v2")
    case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
    case.proxy.committed = lambda write: (
        serve(case, 0.05, 0.05) if write.request.resource == "deployments" else None
    )
    serve(case, 0.3, 0.1)
    last = case.wait_for_outcome("Succeeded")
    assert re.search(
        r"errors: since .*, [\d,]+ of [\d,]+ answers were wrong \([\d.]+ %\), and [\d,]+ of [\d,]+ of "
        r"model-stable \([\d.]+ %, limit 1.5 times as many\)",
        last["message"],
    ), last["message"]
    assert (case.version(), case.quarantined()) == ("v1", [2])


def against_the_record(case: Scenario) -> Json:
    baseline = {"from": "StableRevision", "maxWorse": 0.05}
    return case.errors(max=None, baseline=baseline)


def test_limit_comes_from_what_was_recorded_of_the_stable_revision(case: Scenario) -> None:
    case.wrong, case.rate = {"v1": 0.1, "v2": 0.3}, 500.0
    case.stable("v1", metrics=[against_the_record(case)], analysis={"minOutcomes": 1200})
    [own] = case.revisions()[1]["status"]["metrics"]
    status = case.wait_for(
        lambda s: s["metrics"][0]["limit"] != "none yet", "the only revision has a limit"
    )
    assert status["metrics"][0]["limit"] == f"<= {own['bad'] / own['total'] + 0.05:.4g}"
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    [recorded] = case.revisions()[1]["status"]["metrics"]
    limit = 100 * (recorded["bad"] / recorded["total"] + 0.05)
    assert f"limit {limit:.3g} %" in last["message"]
    assert case.version() == "v1"


def test_record_of_too_few_outcomes_asks_for_an_explicit_limit(case: Scenario) -> None:
    case.wrong, case.rate = {"v1": FEW, "v2": MANY}, 5.0
    case.stable("v1", metrics=[against_the_record(case)], analysis={"minOutcomes": 5})
    case.rate = 200.0
    case.deploy("v2")
    status = case.wait_for_reason("MetricsUnavailable")
    assert "outcomes, fewer than 200: too few to compare with" in status["message"]
    assert "write min or max instead of baseline" in status["message"]
    assert case.patches(committed=False) == []
    case.edit({"spec": {"metrics": [case.errors()]}}, kind="ModelRollout")
    last = case.wait_for_outcome("Succeeded")
    assert "limit 20 %" in last["message"]
    assert case.version() == "v1"
