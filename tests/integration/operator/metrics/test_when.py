"""`analysis.when`: which metrics together are a reason to roll back."""

from typing import Any

from support.metrics_source import quality
from support.scenario import BAD, GOOD, Json, Scenario


def two(case: Scenario) -> list[Json]:
    """Two gauges with the same limit; the first bad sample decides."""
    return [
        {"name": name, "query": _query(case, name), "min": 0.8, "for": "0s"}
        for name in ("accuracy", "freshness")
    ]


def _query(case: Scenario, name: str) -> str:
    return quality(case.namespace).replace("}", f',of="{name}"}}')


def show(case: Scenario, **values: float | None) -> None:
    for name, value in values.items():
        case.site.source.publish(case.namespace, value, of=name)


def edit(case: Scenario, **spec: Any) -> None:
    case.edit({"spec": spec}, kind="ModelRollout")


def guarded(case: Scenario, when: str) -> None:
    """Two revisions, the second is measured; nothing is wrong yet."""
    show(case, accuracy=GOOD, freshness=GOOD)
    case.stable("v1", metrics=two(case), analysis={"when": when})
    case.deploy("v2")
    case.wait_for(
        lambda s: s["current"]["revision"] == 2 and s["reason"] == "Watching", "v2 is Stable"
    )
    # Whoever is restored is good.
    case.proxy.committed = lambda write: (
        show(case, accuracy=GOOD, freshness=GOOD)
        if write.request.resource == "deployments"
        else None
    )


def test_all_waits_until_every_metric_is_breached(case: Scenario) -> None:
    guarded(case, "All")
    show(case, accuracy=BAD)
    status = case.wait_for_reason("Suspicious")
    assert "accuracy is 0.4" in status["message"]
    assert "analysis.when (All) is not met" in status["message"]
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    show(case, freshness=BAD)
    last = case.wait_for_outcome("Succeeded")
    assert "accuracy is 0.4" in last["message"]
    assert "freshness is 0.4" in last["message"]
    assert case.version() == "v1"


def test_expression_says_which_breaches_count(case: Scenario) -> None:
    guarded(case, "accuracy.breached && !freshness.suspect")
    show(case, accuracy=BAD, freshness=BAD)
    case.wait_for_reason("Suspicious")
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    show(case, freshness=GOOD)
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"], case.version()) == (2, 1, "v1")


def test_metric_without_data_leaves_the_verdict_unknown_and_unknown_holds(case: Scenario) -> None:
    guarded(case, "accuracy.breached && freshness.breached")
    show(case, freshness=None)
    case.wait_for(lambda s: s["metrics"][1]["state"] == "NoData", "no data")
    show(case, accuracy=BAD)
    status = case.wait_for_reason("Undecided")
    assert "accuracy is 0.4" in status["message"]
    assert "cannot be decided without data of freshness" in status["message"]
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    show(case, freshness=BAD)
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"


def test_misspelt_metric_is_named_and_its_correction_takes_effect(case: Scenario) -> None:
    guarded(case, "Any")
    edit(case, analysis={"when": "acuracy.breached"})
    status = case.wait_for_reason("SpecInvalid")
    assert "analysis.when names acuracy; the metrics are accuracy, freshness" in status["message"]
    assert case.condition("Ready")["status"] == "False"
    show(case, accuracy=BAD)
    case.operator.wait_for_checks(3)
    assert case.patches(committed=False) == []
    edit(case, analysis={"when": "accuracy.breached"})
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"
