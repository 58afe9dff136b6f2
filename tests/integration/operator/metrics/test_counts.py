"""Rule 1 on what a real Prometheus counts: who is rolled back, who is left alone, and why."""

import re
from itertools import pairwise

from localcluster.waiting import wait_until
from support.metrics_source import selector
from support.scenario import FEW, MANY, Json, Scenario


def told(text: str) -> tuple[float, float]:
    """The wrong answers and all answers that a sentence names."""
    found = re.search(r"([\d,.]+) of ([\d,.]+) answers were wrong", text)
    assert found, text
    wrong, total = (float(number.replace(",", "")) for number in found.groups())
    return wrong, total


def metric(status: Json) -> Json:
    [found] = status["metrics"]
    return dict(found)


def test_bad_revision_is_rolled_back_with_counts_period_limit_and_strength(case: Scenario) -> None:
    case.wrong = {"v1": FEW, "v2": MANY}
    case.stable("v1", metrics=[case.errors()])
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    assert (last["from"], last["to"], case.version()) == (2, 1, "v1")
    sentence = re.compile(
        r"errors: since \d\d:\d\d UTC, [\d,]+ of [\d,]+ answers were wrong \([\d.]+ %, limit 20 %\); "
        r"a model at the limit would trigger this less than once in 100 days"
    )
    event = case.wait_for_event("MetricBreached", "Rolling back revision 2 to revision 1")
    for text in (last["message"], event):
        assert sentence.search(text), text
    wrong, total = told(event)
    assert abs(wrong / total - MANY) < 0.02
    # Four checks at least, and no more than the revision can have answered.
    assert 2 * case.rate < total < 30 * case.rate
    assert len(case.patches(committed=False)) == 1
    assert case.quarantined() == [2]
    # What was counted stays with the revision.
    [kept] = case.revisions()[2]["status"]["metrics"]
    assert (kept["bad"], kept["total"]) == (wrong, total)
    assert re.search(r"It helped: errors: [45].* wrong lately \(limit 20 %\)", last["message"])


def test_healthy_revision_is_stable_only_after_enough_outcomes(case: Scenario) -> None:
    case.wrong, case.rate = {"v1": FEW}, 20.0
    case.deploy("v1")
    case.guard(metrics=[case.errors()], analysis={"minOutcomes": 160})
    operator = case.start_operator()
    status = case.wait_for_reason("Baking")
    operator.wait_for_checks(3)  # longer than it has to bake
    assert case.phases() == {1: "Candidate"}
    assert "160 outcomes of each metric (errors has " in status["message"]
    case.wait_for_reason("Watching")
    assert case.phases() == {1: "Stable"}
    [kept] = case.revisions()[1]["status"]["metrics"]
    assert 160 <= kept["total"] < 260
    assert case.patches(committed=False) == []


def test_noisy_healthy_traffic_writes_nothing(case: Scenario) -> None:
    """A rule that looks at each check by itself would have fired."""
    case.wrong, case.rate, case.seed = {"v1": 0.1}, 12.0, 4
    operator = case.stable("v1", metrics=[case.errors()], analysis={"minOutcomes": 20})
    operator.wait_for_checks(2)
    before = len(case.proxy.writes()) + len(case.proxy.writes("events"))
    operator.wait_for_checks(20)
    after = len(case.proxy.writes(committed=False)) + len(case.proxy.writes("events"))
    assert after == before, case.written_after(before)
    assert metric(case.status())["class"] == "Clear"
    assert max(shares(case)) > 0.2


def shares(case: Scenario) -> list[float]:
    """The share of wrong answers from one second to the next, as Prometheus has it."""
    bad, total = (
        [float(value) for _, value in case.site.prometheus.query(f"{chosen}[30s:1s]")[0]["values"]]
        for chosen in (
            selector("wrong_total", case.namespace),
            selector("answers_total", case.namespace),
        )
    )
    bad = [0.0] * (len(total) - len(bad)) + bad  # it exists from the first error on
    found = zip(pairwise(bad), pairwise(total), strict=True)
    return [(b - a) / (d - c) for (a, b), (c, d) in found if d > c]


def test_only_series_of_the_new_pods_count(case: Scenario) -> None:
    """The pods before are still scraped, and still answer."""
    source, namespace = case.site.source, case.namespace
    chosen = {
        name: selector(counter, namespace, pod="{{podTemplateHash}}")
        for name, counter in (("bad", "wrong_total"), ("total", "answers_total"))
    }
    case.deploy("v1")
    old = template_hash(case, "v1")
    source.serve(namespace, 100.0, FEW, pod=old)
    case.guard(metrics=[case.errors(counts=chosen)])
    case.start_operator()
    case.wait_for_reason("Watching")
    source.serve(namespace, 100.0, MANY, pod=old)
    case.deploy("v2")
    new = template_hash(case, "v2")
    source.serve(namespace, 100.0, FEW, pod=new)
    case.wait_for(
        lambda status: status["current"]["revision"] == 2 and status["reason"] == "Watching",
        "revision 2 is Stable",
    )
    assert case.patches(committed=False) == []
    source.serve(namespace, 100.0, FEW, pod=old)
    source.serve(namespace, 100.0, MANY, pod=new)
    case.wait_for(lambda status: status.get("transaction"), "a rollback")
    wait_until(lambda: template_hash(case, "v1") != old, 15, "pods with the transaction's id")
    source.serve(namespace, 100.0, FEW, pod=template_hash(case, "v1"))
    case.wait_for_outcome("Succeeded")
    assert case.version() == "v1"


def template_hash(case: Scenario, version: str) -> str:
    """The label of the newest pods of a version."""

    def found() -> str:
        replica_sets = sorted(
            case.site.kube.items("ReplicaSet", case.namespace),
            key=lambda body: int(
                body["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            ),
        )
        templates = [replica_set["spec"]["template"] for replica_set in replica_sets]
        ours = [t for t in templates if t["spec"]["containers"][0]["image"].endswith(f":{version}")]
        return str(ours[-1]["metadata"]["labels"]["pod-template-hash"]) if ours else ""

    return wait_until(found, 15, f"the ReplicaSet of {version}")


# -- histograms ----------------------------------------------------------------------------------


def test_limit_that_is_no_bucket_is_told_with_the_nearest_bounds(case: Scenario) -> None:
    case.wrong = {"v1": FEW, "v2": MANY}
    buckets = selector("answer_seconds_bucket", case.namespace)
    latency = {"name": "latency", "histogram": {"metric": buckets, "quantile": 0.8}, "max": 0.5}
    case.stable("v1", metrics=[latency])
    case.edit({"spec": {"metrics": [latency | {"max": 0.6}]}}, kind="ModelRollout")
    status = case.wait_for_reason("MetricsUnavailable")
    assert metric(status)["state"] == "Ambiguous"
    advice = "the limit 0.6 is not the upper bound of a bucket: write max: 0.5 or 1"
    assert advice in status["message"]
    condition = case.condition("MetricsAvailable")
    assert (condition["status"], condition["reason"]) == ("False", "Ambiguous")
    assert advice in condition["message"]
    case.edit({"spec": {"metrics": [latency | {"max": 0.5}]}}, kind="ModelRollout")
    case.wait_for(lambda _: case.condition("MetricsAvailable")["status"] == "True", "corrected")
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    assert re.search(r"answers took longer than 0.5 s \((49|50).* %, limit 20 %\)", last["message"])
    assert case.version() == "v1"


# -- verification --------------------------------------------------------------------------------


def test_restored_revision_that_is_bad_as_well_lifts_the_quarantine(case: Scenario) -> None:
    case.wrong = {"v1": FEW, "v2": MANY, "v3": FEW}
    operator = case.stable("v1", metrics=[case.errors()])
    case.wrong["v1"] = MANY  # the cause is outside of both
    case.deploy("v2")
    last = case.wait_for_outcome("StillBreached")
    assert "the quarantine of revision 2 is lifted" in last["message"]
    assert told(last["message"])[1] < 30 * case.rate, (
        "outcomes of revision 2 count against the restored one"
    )
    status = case.wait_for_reason("RollbackDidNotHelp")
    operator.wait_for_checks(4)
    assert (status["phase"], case.quarantined()) == ("Failed", [])
    assert (case.version(), len(case.patches(committed=False))) == ("v1", 1)
    case.wrong["v1"] = FEW
    case.deploy("v3")
    case.wait_for(
        lambda status: status["current"]["revision"] == 3 and status["reason"] == "Watching",
        "the latch falls with another revision",
    )
    assert "failure" not in case.status()


def test_rollback_whose_outcomes_come_too_late_is_unverified_and_stands(case: Scenario) -> None:
    case.wrong = {"v1": FEW, "v2": MANY}
    operator = case.stable("v1", metrics=[case.errors()])
    case.wrong["v1"] = None  # no traffic, or labels that need longer than verification waits
    case.deploy("v2")
    last = case.wait_for_outcome("Unverified")
    assert "it could not be shown that it helped: errors has no data" in last["message"]
    operator.wait_for_checks(3)
    assert (case.version(), case.quarantined()) == ("v1", [2])
    assert len(case.patches(committed=False)) == 1
    case.site.source.serve(case.namespace, case.rate, FEW, version="v1")
    case.wait_for(lambda status: metric(status)["state"] == "Good", "the labels are there")
    operator.wait_for_checks(2)
    status = case.status()
    assert (status["reason"], case.version(), case.quarantined()) == ("Watching", "v1", [2])
