"""A metric and its template become one metric that can be measured, or one sentence."""

from typing import Any

import pytest

from model_rollout.analysis.placeholders import Problem, Values
from model_rollout.analysis.templates import ResolvedMetric, resolve, uses_pod_template_hash
from model_rollout.api.metric import Metric, MetricAction, OnNoData
from model_rollout.api.template import MetricTemplateSpec

VALUES = Values(
    namespace="ml",
    name="guard",
    workload="sentiment",
    pod_template_hash="5d4f",
    revision=7,
    components={"model": "registry/m:2"},
)
REF = {"name": "safety"}
RATE: dict[str, Any] = {
    "name": "complaints",
    "counts": {
        "bad": 'complaints_total{app="{{args.app}}"}',
        "total": 'answers_total{app="{{args.app}}"}',
    },
    "max": 0.1,
    "every": "1h",
    "action": "Notify",
    "onNoData": "Rollback",
}
SPEC: dict[str, Any] = {
    "parameters": [{"name": "app", "default": "{{workload}}"}],
    "metrics": [
        RATE,
        {"name": "open", "query": 'psi{app="{{args.app}}"}'},
        {"name": "both", "query": "length", "min": 1, "max": 2},
        {"name": "slow", "histogram": {"metric": "s_bucket", "quantile": 0.9}, "max": 0.5},
    ],
}


def metric(name: str = "complaints", **fields: Any) -> Metric:
    return Metric.model_validate({"name": name, **fields})


def templates(**changes: Any) -> dict[str, MetricTemplateSpec]:
    return {"safety": MetricTemplateSpec.model_validate({**SPEC, **changes})}


def resolved(written: Metric, spec: Any = None, values: Values = VALUES) -> ResolvedMetric:
    found = resolve(written, templates() if spec is None else spec, values)
    assert isinstance(found, ResolvedMetric), found
    return found


def problem(written: Metric, spec: Any = None, values: Values = VALUES) -> str:
    found = resolve(written, templates() if spec is None else spec, values)
    assert isinstance(found, Problem), found
    return found.message


def counted(found: ResolvedMetric) -> tuple[str | None, str | None]:
    assert found.metric.counts
    return found.metric.counts.bad, found.metric.counts.total


def test_metric_without_template_is_expanded_everywhere() -> None:
    found = resolved(
        metric(
            query='x{a="{{workload}}"}', sampleTime='t{a="{{name}}"}', max=1, every="5m", delay="1h"
        )
    )
    assert found.metric == metric(
        query='x{a="sentiment"}', sampleTime='t{a="guard"}', max=1, every="5m", delay="1h"
    )
    assert (found.group, found.versioned, found.baseline) == ((), False, None)


def test_histogram_is_expanded() -> None:
    found = resolved(
        metric(histogram={"metric": 'b{a="{{workload}}"}', "quantile": 0.5}, max=1)
    ).metric.histogram
    assert found
    assert (found.metric, found.quantile) == ('b{a="sentiment"}', 0.5)


def test_problem_of_a_placeholder_is_handed_on() -> None:
    assert "{{app}} is no placeholder" in problem(metric(query='x{a="{{app}}"}', max=1))


def test_problem_that_passes_says_so() -> None:
    early = Values("ml", "guard", "sentiment")
    found = resolve(metric(query='x{r="{{revision}}"}', max=1), {}, early)
    assert isinstance(found, Problem)
    assert found.passing


def test_template_gives_everything_that_is_not_written() -> None:
    found = resolved(metric(templateRef=REF))
    assert counted(found) == (
        'complaints_total{app="sentiment"}',
        'answers_total{app="sentiment"}',
    )
    assert found.metric == metric(
        counts={
            "bad": 'complaints_total{app="sentiment"}',
            "total": 'answers_total{app="sentiment"}',
        },
        max=0.1,
        every="1h",
        action="Notify",
        onNoData="Rollback",
    )


def test_metric_keeps_its_own_name() -> None:
    found = resolved(metric("grumbling", templateRef={**REF, "metric": "complaints"}))
    assert found.metric.name == "grumbling"


def test_what_is_written_wins_over_the_template() -> None:
    written = metric(
        templateRef=REF,
        max=0.2,
        every="2h",
        delay="3h",
        noDataAfter="4h",
        onNoData="Hold",
        action="Rollback",
        **{"for": "5m"},
    )
    found = resolved(written).metric
    assert (found.max, found.every, found.delay, found.for_) == (0.2, 7200, 10800, 300)
    assert found.no_data_after == 14400
    assert found.on_no_data is OnNoData.HOLD
    assert found.action is MetricAction.ROLLBACK


def test_one_bound_of_a_query_can_be_replaced() -> None:
    found = resolved(metric("both", templateRef=REF, max=3)).metric
    assert (found.min, found.max) == (1, 3)


def test_written_limit_takes_the_place_of_the_templates_baseline() -> None:
    compared = {**RATE, "max": None, "baseline": {"from": "StableRevision", "maxWorse": 0.1}}
    spec = templates(metrics=[compared])
    assert resolved(metric(templateRef=REF), spec).metric.baseline
    found = resolved(metric(templateRef=REF, max=0.3), spec).metric
    assert (found.max, found.baseline) == (0.3, None)


def test_limit_of_good_and_bad_is_replaced_by_that_of_the_other_side() -> None:
    either = {**RATE, "counts": {"good": "good_total", "bad": "bad_total"}}
    found = resolved(metric(templateRef=REF, min=0.8), templates(metrics=[either])).metric
    assert (found.min, found.max) == (0.8, None)


def test_limit_that_the_template_leaves_open_is_asked_for() -> None:
    assert problem(metric("open", templateRef=REF)) == (
        "the template leaves the limit open: write min or max beside templateRef"
    )
    assert resolved(metric("open", templateRef=REF, max=0.2)).metric.max == 0.2


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (metric("both", templateRef=REF, min=3), "min must not be greater than max"),
        (metric(templateRef=REF, min=0.9), "write max instead of min"),
        (metric(templateRef=REF, max=1), "write a limit below 1, for example 0.999"),
        (metric(templateRef=REF, max=0), "write a limit above 0, for example 0.001"),
        (metric("slow", templateRef=REF, min=1), "write max instead of min"),
        (metric("slow", templateRef=REF, max=0), "write a max above 0"),
    ],
)
def test_limit_that_does_not_fit_the_template_is_refused(written: Metric, sentence: str) -> None:
    assert sentence in problem(written)


def test_argument_wins_over_the_default_and_may_hold_placeholders() -> None:
    written = metric(templateRef={**REF, "args": {"app": "{{namespace}}-{{workload}}"}})
    assert counted(resolved(written))[0] == 'complaints_total{app="ml-sentiment"}'


def test_argument_cannot_leave_its_string() -> None:
    written = metric(templateRef={**REF, "args": {"app": '"} or vector(1) #'}})
    assert counted(resolved(written))[0] == r'complaints_total{app="\"} or vector(1) #"}'


def test_arguments_of_arguments_are_refused() -> None:
    written = metric(templateRef={**REF, "args": {"app": "{{args.app}}"}})
    assert "{{args.app}} is no placeholder: there are {{namespace}}" in problem(written)


def test_missing_template() -> None:
    assert problem(metric(templateRef={"name": "other"})) == (
        "there is no MetricTemplate other in this namespace or in that of the operator: create "
        "it, or correct templateRef.name"
    )


def test_missing_metric() -> None:
    assert problem(metric("x", templateRef=REF)) == (
        "MetricTemplate safety has no metric x: write templateRef.metric, one of complaints, open, "
        "both, slow"
    )


def test_missing_argument() -> None:
    spec = templates(parameters=[{"name": "app"}])
    assert problem(metric(templateRef=REF), spec) == (
        "MetricTemplate safety needs a value for app: write templateRef.args: {app: …}"
    )


def test_unknown_argument() -> None:
    written = metric(templateRef={**REF, "args": {"apps": "x"}})
    assert problem(written) == "MetricTemplate safety has no parameter apps: there are app"
    assert problem(written, templates(parameters=[])) == (
        "MetricTemplate safety has no parameter apps: it has none"
    )


def test_parameter_that_is_not_declared() -> None:
    assert "{{args.app}} is no placeholder" in problem(
        metric(templateRef=REF), templates(parameters=[])
    )


def test_group_picks_by_the_values_of_the_guard() -> None:
    grouped = {
        "name": "drift",
        "query": "max by (namespace, app) (psi)",
        "max": 0.2,
        "groupBy": {"namespace": "{{namespace}}", "app": "{{args.app}}"},
    }
    found = resolved(metric("drift", templateRef=REF), templates(metrics=[grouped]))
    assert found.group == (("app", "sentiment"), ("namespace", "ml"))
    assert found.metric.query == "max by (namespace, app) (psi)"


@pytest.mark.parametrize(
    ("bad", "total", "expected"),
    [
        ('b{r="{{revision}}"}', 't{r="{{revision}}"}', True),
        ('b{r="{{podTemplateHash}}"}', 't{r="{{component.model.tag}}"}', True),
        ('b{r="{{revision}}"}', 't{a="{{workload}}"}', False),
        ("b", "t", False),
    ],
)
def test_versioned_when_every_selector_names_the_revision(
    bad: str, total: str, expected: bool
) -> None:
    found = resolved(metric(counts={"bad": bad, "total": total}, max=0.1))
    assert found.versioned is expected


def test_versioned_by_an_argument() -> None:
    written = metric(templateRef={**REF, "args": {"app": "{{workload}}-{{podTemplateHash}}"}})
    assert resolved(written).versioned


def test_versioned_by_a_group() -> None:
    grouped = {"name": "a", "query": "x", "max": 1, "groupBy": {"version": "{{component.model}}"}}
    assert resolved(metric("a", templateRef=REF), templates(metrics=[grouped])).versioned


def compared(name: str = "{{name}}-stable", **fields: Any) -> Metric:
    return metric(
        counts={"bad": 'b{a="{{workload}}"}', "total": 't{a=~"{{workload}}-.*"}'},
        baseline={"from": "Workload", "ref": {"name": name}, "maxRatio": 1.5},
        **fields,
    )


def test_baseline_is_the_same_metric_of_the_other_workload() -> None:
    found = resolved(compared())
    assert counted(found) == ('b{a="sentiment"}', 't{a=~"sentiment-.*"}')
    assert found.metric.baseline
    assert found.metric.baseline.ref
    assert found.metric.baseline.ref.name == "guard-stable"
    assert found.baseline
    assert found.baseline.counts
    assert found.baseline.counts.bad == 'b{a="guard-stable"}'
    assert found.baseline.counts.total == 't{a=~"guard-stable-.*"}'


def test_baseline_of_a_template_follows_into_arguments() -> None:
    template = {
        **RATE,
        "max": None,
        "baseline": {"from": "Workload", "ref": {"name": "stable"}, "maxRatio": 2},
    }
    found = resolved(metric(templateRef=REF), templates(metrics=[template]))
    assert found.baseline
    assert found.baseline.counts
    assert found.baseline.counts.bad == 'complaints_total{app="stable"}'


def test_recorded_baseline_asks_nothing() -> None:
    written = metric(
        counts={"bad": "b", "total": "t"}, baseline={"from": "StableRevision", "maxWorse": 0.1}
    )
    assert resolved(written).baseline is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("{{component.model}}", "baseline.ref.name is 'registry/m:2': write the name of another"),
        ("{{workload}}", "baseline.ref.name is sentiment, the guarded Deployment itself"),
        ("{{other}}", "{{other}} is no placeholder"),
    ],
)
def test_baseline_that_is_no_other_workload(name: str, sentence: str) -> None:
    assert sentence in problem(compared(name))


@pytest.mark.parametrize(
    ("written", "spec", "expected"),
    [
        (metric(query='x{h="{{podTemplateHash}}"}', max=1), {}, True),
        (metric(query="x", sampleTime='x{h="{{podTemplateHash}}"}', max=1), {}, True),
        (metric(query='x{h="{{revision}}"}', max=1), {}, False),
        (compared("stable-{{podTemplateHash}}"), {}, True),
        (metric(templateRef=REF), {}, False),
        (metric(templateRef=REF), templates(), False),
        (metric(templateRef={**REF, "args": {"app": "{{podTemplateHash}}"}}), templates(), True),
        (
            metric(templateRef=REF),
            templates(parameters=[{"name": "app", "default": "{{podTemplateHash}}"}]),
            True,
        ),
        (
            metric("a", templateRef=REF),
            templates(
                metrics=[{"name": "a", "query": "x", "groupBy": {"h": "{{podTemplateHash}}"}}]
            ),
            True,
        ),
    ],
)
def test_pod_template_hash_is_looked_up_only_where_it_is_used(
    written: Metric, spec: dict[str, MetricTemplateSpec], expected: bool
) -> None:
    assert uses_pod_template_hash([metric(query="y", max=1), written], spec) is expected
