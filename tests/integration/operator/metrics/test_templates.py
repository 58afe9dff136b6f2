"""MetricTemplates: defined once, adapted by parameters, and one query for all who use them."""

import re
import time
from typing import Any

from support.metrics_source import selector
from support.prometheus_proxy import PrometheusProxy
from support.scenario import BAD, FEW, GOOD, MANY, Json, Scenario

GUARDS = 30
INTERVAL = 2.0


def template(name: str, *metrics: Json, parameters: tuple[Json, ...] = ()) -> Json:
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "MetricTemplate",
        "metadata": {"name": name},
        "spec": {"parameters": list(parameters), "metrics": list(metrics)},
    }


def wrong_answers(case: Scenario) -> Json:
    """A template of a platform team; what is measured is chosen by a parameter."""
    chosen = {
        kind: selector(counter, case.namespace, version="{{args.version}}")
        for kind, counter in (("bad", "wrong_total"), ("total", "answers_total"))
    }
    version = {"name": "version", "default": "{{component.image.tag}}"}
    return template("answers", {"name": "errors", "counts": chosen}, parameters=(version,))


def used(template: str, **changes: Any) -> Json:
    return {"templateRef": {"name": template}} | changes


def test_template_that_is_missing_is_told_and_measures_once_it_is_there(case: Scenario) -> None:
    case.wrong = {"v1": FEW, "v2": MANY}
    case.deploy("v1")
    case.guard(metrics=[used("answers", name="errors", max=0.2)])
    case.start_operator()
    status = case.wait_for_reason("MetricsUnavailable")
    assert "there is no MetricTemplate answers in this namespace" in status["message"]
    assert "create it, or correct templateRef.name" in status["message"]
    made = wrong_answers(case)
    [metric] = made["spec"]["metrics"]
    metric["name"] = "failures"
    case.site.kube.create(made, case.namespace)
    what_is_left = "MetricTemplate answers has no metric errors: write templateRef.metric, one of"
    case.wait_for(lambda status: what_is_left in status["message"], "what is left to correct")
    metric["name"] = "errors"
    case.edit({"spec": made["spec"]}, kind="MetricTemplate", name="answers")
    case.wait_for_reason("Watching")
    # The default of the parameter follows the revision: only its own answers are measured.
    case.deploy("v2")
    last = case.wait_for_outcome("Succeeded")
    assert re.search(r"answers were wrong \((49|50)", last["message"])
    assert case.version() == "v1"


def test_template_that_is_corrected_takes_effect(case: Scenario) -> None:
    case.wrong = {"v1": FEW}
    wrong = wrong_answers(case)
    [metric] = wrong["spec"]["metrics"]
    right = dict(metric["counts"])
    metric["counts"]["total"] = selector("answers_totall", case.namespace)
    case.site.kube.create(wrong, case.namespace)
    case.deploy("v1")
    metrics = [used("answers", name="errors", max=0.2, noDataAfter="2s")]
    metrics[0]["templateRef"]["args"] = {"version": "v1"}
    case.guard(metrics=metrics)
    operator = case.start_operator()
    case.wait_for_reason("MetricsUnavailable")
    operator.wait_for_checks(1)
    metric["counts"] = right
    case.edit({"spec": wrong["spec"]}, kind="MetricTemplate", name="answers")
    case.wait_for_reason("Watching")


def test_one_query_an_interval_answers_for_all_who_share_a_template(case: Scenario) -> None:
    names = [f"model-{number}" for number in range(GUARDS)]
    shared = {"name": "quality", "query": f"quality{{ns='{case.namespace}',of!=''}}", "min": 0.8}
    shared |= {"groupBy": {"of": "{{workload}}"}, "for": "0s"}
    kube, source = case.site.kube, case.site.source
    kube.create(template("shared", shared), case.namespace)
    for name in names:
        source.publish(case.namespace, GOOD, of=name)
        case.deploy("v1", name=name)
    with PrometheusProxy(case.site.prometheus.url) as prometheus:
        for name in names:
            case.guard(
                name,
                target=name,
                prometheus={"url": prometheus.url},
                metrics=[used("shared", name="quality")],
                analysis={"interval": f"{INTERVAL:.0f}s"},
            )
        operator = case.start_operator()
        for name in names:
            case.wait_for_reason("Watching", name=name)
        before, since = operator.checks(), time.time()
        asked = len(prometheus.questions("/query"))
        operator.wait_for_checks(GUARDS * 5)
        checks, intervals = operator.checks() - before, (time.time() - since) / INTERVAL
        asked = len(prometheus.questions("/query")) - asked
        assert checks >= 5 * GUARDS
        # An answer serves for a little less than an interval.
        assert intervals - 2 <= asked <= 1.1 * intervals + 2
        # Each takes its own: one is bad, and no other one is touched.
        for version in ("v2", "v3"):
            case.deploy(version, name=names[7])
            case.wait_for_reason("Watching", name=names[7])
        source.publish(case.namespace, BAD, of=names[7])
        case.wait_for_event("MetricBreached", "quality is 0.4 (limit >= 0.8)")
        patched = {write.request.name for write in case.patches(committed=False)}
        assert patched <= {names[7]}
        assert {q.promql for q in prometheus.questions("/query")} == {shared["query"]}


def test_restart_reads_back_only_what_is_of_the_guard(case: Scenario) -> None:
    """Another model of the template answers badly: what was counted of it is nobody else's."""
    counts = {
        kind: f'{counter}{{ns="{case.namespace}",of!=""}}'
        for kind, counter in (("bad", "wrong_total"), ("total", "answers_total"))
    }
    shared = {"name": "errors", "counts": counts, "max": 0.2, "groupBy": {"of": "{{workload}}"}}
    case.site.kube.create(template("shared", shared), case.namespace)
    case.site.source.serve(case.namespace, 100.0, FEW, of="model")
    case.site.source.serve(case.namespace, 400.0, MANY, of="another")
    operator = case.stable("v1", metrics=[used("shared", name="errors")])
    operator.wait_for_checks(5)
    operator.kill()
    again = case.start_operator()
    again.wait_for_checks(5)
    [metric] = case.status()["metrics"]
    assert (metric["state"], metric["class"]) == ("Good", "Clear")
    assert (case.status()["attempts"], case.patches(committed=False)) == (0, [])
