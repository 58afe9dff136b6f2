"""Scenario 4: no metrics after a deploy hold everything; an outage of Prometheus is nobody's fault."""

from localcluster.waiting import wait_until
from support.prometheus_proxy import Fault, PrometheusProxy
from support.scenario import BAD, GOOD, Scenario

SILENT = {"noDataAfter": "3s"}


def test_revision_without_metrics_is_neither_rolled_back_nor_proven(case: Scenario) -> None:
    case.quality["v3"] = None
    case.stable("v1", metric=SILENT)
    case.deploy("v3")
    case.wait_for(lambda s: s["current"]["revision"] == 2, "revision 2")
    case.wait_for_reason("MetricsUnavailable")
    case.wait_for_event("MetricsUnavailable", "quality")
    condition = wait_until(
        lambda: case.condition("MetricsAvailable"),
        15,
        "MetricsAvailable is False",
        until=lambda found: found.get("status") == "False",
    )
    assert "quality" in condition["message"]
    case.operator.wait_for_checks(5)
    assert case.phases()[2] == "Candidate", "bakeTime is 1s, and it is long over"
    assert case.patches(committed=False) == []

    case.site.source.publish(case.namespace, GOOD)
    case.wait_for(lambda s: s["reason"] == "Watching", "revision 2 is Stable once it is measured")
    assert case.phases()[2] == "Stable"


def test_outage_of_prometheus_rolls_nothing_back(case: Scenario) -> None:
    with PrometheusProxy(case.site.prometheus.url) as prometheus:
        case.stable("v1", metric=SILENT, prometheus={"url": prometheus.url})
        case.quality["v2"] = GOOD
        case.deploy("v2")
        case.wait_for(
            lambda s: s["current"]["revision"] == 2 and s["reason"] == "Watching", "2 is Stable"
        )
        prometheus.inject(Fault.REFUSED)
        case.wait_for_reason("MetricsUnavailable")
        case.wait_for_event("MetricsUnavailable")
        case.site.source.publish(case.namespace, BAD)  # nobody can know
        case.operator.wait_for_checks(5)
        assert case.condition("MetricsAvailable")["status"] == "False"
        assert case.status().get("attempts", 0) == 0
        assert case.patches(committed=False) == []
        assert case.phases() == {1: "Stable", 2: "Stable"}
        case.site.source.publish(case.namespace, GOOD)
        prometheus.clear()
        case.wait_for_reason("Watching")
        assert case.version() == "v2"
        assert case.quarantined() == []
