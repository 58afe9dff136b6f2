"""A real API server tells apart the metrics that can be measured from those that cannot."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster.controlplane import ControlPlane
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.template import MetricTemplateSpec
from support.admission import Admission, Manifest, admission, rollout, template
from support.selectors import NO_SELECTORS, SELECTORS

GOOD = 'predictions_correct_total{app="sentiment"}'
BAD = 'predictions_wrong_total{app="sentiment"}'
TOTAL = 'predictions_labeled_total{app="sentiment"}'
BUCKETS = 'request_seconds_bucket{app="sentiment"}'
MINE = 'predictions_wrong_total{app="{{workload}}"}'
ALL_MINE = 'predictions_labeled_total{app="{{ workload }}"}'
OTHER = {"from": "Workload", "ref": {"name": "sentiment-stable"}, "maxRatio": 1.5}
RECORDED = {"from": "StableRevision", "maxWorse": 0.02}


@pytest.fixture(scope="module")
def cluster(crds: ControlPlane) -> Iterator[Admission]:
    with admission(crds, "admission-metrics") as cluster:
        yield cluster


def named(**metric: Any) -> Manifest:
    return {"name": "quality", **metric}


def counts(*, good: str = "", bad: str = "", total: str = "", **metric: Any) -> Manifest:
    selectors = {"good": good, "bad": bad, "total": total}
    return named(counts={kind: text for kind, text in selectors.items() if text}, **metric)


def histogram(metric: str = BUCKETS, quantile: float = 0.95, **others: Any) -> Manifest:
    return named(histogram={"metric": metric, "quantile": quantile}, **others)


def selected(selector: str) -> Manifest:
    return counts(bad=selector, total=TOTAL, max=0.1)


def compared(baseline: Manifest, **metric: Any) -> Manifest:
    return counts(bad=MINE, total=ALL_MINE, baseline=baseline, **metric)


def from_template(**metric: Any) -> Manifest:
    return named(templateRef={"name": "genai-safety"}, **metric)


PLAIN = 'write a plain selector of a counter such as requests_total{app="x"}'
UNKNOWN = "write a placeholder that exists: {{namespace}}, {{name}}, {{workload}}"
ONE_MEASUREMENT = "write exactly one of query, counts, histogram or templateRef"

TAKEN = {
    "good-and-total": counts(good=GOOD, total=TOTAL, min=0.85),
    "bad-and-total": counts(bad=BAD, total=TOTAL, max=0.15),
    "good-and-bad-min": counts(good=GOOD, bad=BAD, min=0.85),
    "good-and-bad-max": counts(good=GOOD, bad=BAD, max=0.02),
    "nearly-all": counts(good=GOOD, total=TOTAL, min=0.99999),
    "histogram": histogram(max=0.8),
    "histogram-of-long-requests": histogram(max=120),
    "histogram-p95-by-default": named(histogram={"metric": BUCKETS}, max=0.8),
    "query-with-both-bounds": named(query="mean_length", min=-2, max=400),
    "query-with-age": named(
        query="psi", sampleTime="psi_time", max=0.2, maxAge="30h", delay="1h", **{"for": "15m"}
    ),
    "everything-about-counts": counts(
        good=GOOD,
        total=TOTAL,
        min=0.85,
        every="24h",
        delay="72h",
        minChecks=1,
        noDataAfter="50h",
        onNoData="Rollback",
        action="Notify",
        **{"for": "5m"},
    ),
    "against-a-workload": compared(OTHER),
    "against-a-workload-named-by-placeholder": compared(
        {**OTHER, "ref": {"name": "{{name}}-stable"}}
    ),
    "against-the-record": counts(good=GOOD, total=TOTAL, baseline=RECORDED),
    "against-the-record-by-ratio": counts(
        good=GOOD, bad=BAD, baseline={"from": "StableRevision", "maxRatio": 1.2}
    ),
    "slow-against-a-workload": histogram(
        'seconds_bucket{app="{{workload}}"}', max=0.8, baseline=OTHER
    ),
    "template": from_template(),
    "template-with-all-overrides": from_template(
        min=0.5,
        max=0.6,
        every="1h",
        delay="2h",
        noDataAfter="3h",
        onNoData="Notify",
        action="None",
        **{"for": "5m"},
    ),
    "template-with-arguments": named(
        templateRef={"name": "t", "metric": "other", "args": {"app": "{{workload}}"}}
    ),
}

REFUSED = {
    "nothing": (named(min=0.5), ONE_MEASUREMENT),
    "two-measurements": (
        counts(good=GOOD, total=TOTAL, min=0.5, query="accuracy"),
        ONE_MEASUREMENT,
    ),
    "query-and-template": (from_template(query="accuracy"), ONE_MEASUREMENT),
    "one-count": (counts(total=TOTAL, max=0.5), "write two of good, bad and total"),
    "three-counts": (
        counts(good=GOOD, bad=BAD, total=TOTAL, max=0.5),
        "write two of good, bad and total",
    ),
    "good-with-max": (
        counts(good=GOOD, total=TOTAL, max=0.5),
        "counts of good and total have a min, the share of good outcomes: write min instead of max",
    ),
    "bad-with-min": (
        counts(bad=BAD, total=TOTAL, min=0.5),
        "counts of bad and total have a max, the share of bad outcomes: write max instead of min",
    ),
    "counts-with-both": (
        counts(good=GOOD, bad=BAD, min=0.5, max=0.5),
        "counts have one limit: write min for the share of good outcomes or max for",
    ),
    "counts-without-limit": (counts(good=GOOD, total=TOTAL), "write min, max or both"),
    "any-error-at-all": (
        counts(good=GOOD, total=TOTAL, min=1),
        "write a limit below 1, for example 0.999",
    ),
    "percent": (
        counts(good=GOOD, total=TOTAL, min=85),
        "write a limit below 1, for example 0.999",
    ),
    "no-error-at-all": (
        counts(bad=BAD, total=TOTAL, max=0),
        "write a limit above 0, for example 0.001",
    ),
    "histogram-with-min": (
        histogram(min=0.1),
        "a histogram has an upper limit only: write max instead of min",
    ),
    "histogram-without-max": (
        histogram(),
        "write the max of a histogram: outcomes above it are the bad ones",
    ),
    "histogram-of-nothing": (histogram(max=0), "write a max above 0"),
    "quantile-in-percent": (
        histogram(quantile=95, max=1),
        "write a quantile between 0 and 1, for example 0.95",
    ),
    "quantile-of-all": (histogram(quantile=1, max=1), "write a quantile between 0 and 1"),
    "sum-of-a-histogram": (
        histogram("request_seconds_sum", max=1),
        'write the buckets of a histogram, such as request_seconds_bucket{app="x"}',
    ),
    "one-bucket": (
        histogram('request_seconds_bucket{app="x", le="0.5"}', max=1),
        "leave out the label le: the operator reads all buckets",
    ),
    "rate-of-buckets": (histogram("rate(request_seconds_bucket[5m])", max=1), PLAIN),
    "baseline-of-a-query": (
        named(query="accuracy", baseline=RECORDED),
        "a baseline compares outcomes: write counts or histogram with it",
    ),
    "baseline-and-limit": (
        counts(good=GOOD, total=TOTAL, min=0.8, baseline=RECORDED),
        "a baseline takes the place of a limit: leave out min and max",
    ),
    "baseline-of-a-histogram-without-max": (
        histogram(baseline=RECORDED),
        "write the max of a histogram",
    ),
    "workload-without-ref": (
        compared({"from": "Workload", "maxRatio": 1.5}),
        "a baseline from: Workload needs ref and maxRatio and takes no maxWorse",
    ),
    "workload-without-ratio": (
        compared({"from": "Workload", "ref": {"name": "stable"}, "maxWorse": 0.1}),
        "a baseline from: Workload needs ref and maxRatio and takes no maxWorse",
    ),
    "workload-without-placeholder": (
        counts(bad=MINE, total=TOTAL, baseline=OTHER),
        'write {{workload}} where its name stands, for example app="{{workload}}"',
    ),
    "workload-without-placeholder-in-buckets": (
        histogram(max=1, baseline=OTHER),
        'write {{workload}} where its name stands, for example app="{{workload}}"',
    ),
    "workload-name": (
        compared({**OTHER, "ref": {"name": "Sentiment_Stable"}}),
        "write the name of a Deployment, such as sentiment-stable or {{name}}-stable",
    ),
    "record-with-ref": (
        compared({**RECORDED, "ref": {"name": "stable"}}),
        "a baseline from: StableRevision is what was recorded: leave out ref",
    ),
    "record-without-margin": (
        compared({"from": "StableRevision"}),
        "needs maxWorse or maxRatio, one of them, for example maxWorse: 0.02",
    ),
    "record-with-two-margins": (
        compared({**RECORDED, "maxRatio": 2}),
        "needs maxWorse or maxRatio, one of them",
    ),
    "baseline-of-nobody": (
        compared({"from": "Previous", "maxRatio": 2}),
        'supported values: "Workload", "StableRevision"',
    ),
    "margin-in-percent": (
        compared({"from": "StableRevision", "maxWorse": 2}),
        "write maxWorse as a share between 0 and 1, for example 0.02",
    ),
    "ratio-below-one": (
        compared({**OTHER, "maxRatio": 0.5}),
        "write a maxRatio of at least 1, for example 1.5",
    ),
    "sample-time-of-counts": (
        counts(good=GOOD, total=TOTAL, min=0.5, sampleTime="t"),
        "sampleTime belongs to a query",
    ),
    "age-of-counts": (
        counts(good=GOOD, total=TOTAL, min=0.5, maxAge="1h"),
        "maxAge belongs to a query: leave it out, or write noDataAfter",
    ),
    "checks-of-a-query": (
        named(query="accuracy", min=0.5, minChecks=3),
        "minChecks belongs to counts or histogram: for a query write for, a duration",
    ),
    "too-many-checks": (
        counts(good=GOOD, total=TOTAL, min=0.5, minChecks=101),
        "should be less than or equal to 100",
    ),
    "on-no-data": (
        named(query="accuracy", min=0.5, onNoData="Ignore"),
        'supported values: "Hold", "Notify", "Rollback"',
    ),
    "unknown-placeholder": (named(query='a{b="{{workloda}}"}', min=1), UNKNOWN),
    "unclosed-placeholder": (named(query='a{b="{{workload"}', min=1), UNKNOWN),
    "empty-placeholder": (named(query='a{b="{{}}"}', min=1), UNKNOWN),
    "unknown-placeholder-in-sample-time": (
        named(query="a", sampleTime='a{b="{{app}}"}', min=1),
        UNKNOWN,
    ),
    "unknown-placeholder-in-selector": (selected('a_total{b="{{app}}"}'), UNKNOWN),
    "template-with-its-own-baseline": (
        from_template(baseline=RECORDED),
        "a metric with templateRef is measured as its template says: only min, max, for,",
    ),
    "template-with-its-own-age": (
        from_template(maxAge="1h"),
        "a metric with templateRef is measured as its template says",
    ),
    **{f"selector-{name}": (selected(text), PLAIN) for name, text in NO_SELECTORS.items()},
}

GROUPED = {"namespace": "{{namespace}}", "app": "{{workload}}"}
BY_LABELS = "max by (namespace, app) (feature_psi)"

TEMPLATES_TAKEN = {
    "limit-left-open": {"metrics": [named(query="accuracy")]},
    "parameters": {
        "parameters": [
            {"name": "app", "default": "{{workload}}", "description": "The label app."},
            {"name": "min_Length2"},
        ],
        "metrics": [counts(bad='b_total{a="{{args.app}}"}', total=TOTAL, max=0.1)],
    },
    "grouped": {"metrics": [named(query=BY_LABELS, max=0.2, groupBy=GROUPED)]},
    "grouped-counts": {"metrics": [counts(bad="b_total", total="t_total", groupBy=GROUPED)]},
    "against-a-workload": {"metrics": [compared(OTHER)]},
    "against-a-workload-by-parameter": {
        "parameters": [{"name": "stable"}],
        "metrics": [compared({**OTHER, "ref": {"name": "{{args.stable}}"}})],
    },
    "grouped-record": {
        "metrics": [counts(bad="b_total", total="t_total", baseline=RECORDED, groupBy=GROUPED)]
    },
}

TEMPLATES_REFUSED = {
    "no-metrics": ({"metrics": []}, "spec.metrics in body should have at least 1 items"),
    "same-name-twice": (
        {"metrics": [named(query="a", max=1), named(query="b", max=1)]},
        'spec.metrics[1]: Duplicate value: {"name":"quality"}',
    ),
    "same-parameter-twice": (
        {"parameters": [{"name": "app"}, {"name": "app"}], "metrics": [named(query="a")]},
        'spec.parameters[1]: Duplicate value: {"name":"app"}',
    ),
    "parameter-name": (
        {"parameters": [{"name": "my-app"}], "metrics": [named(query="a")]},
        "write a name of letters, digits and underscores, such as app",
    ),
    "of-a-template": (
        {"metrics": [from_template(query="a")]},
        'unknown field "spec.metrics[0].templateRef"',
    ),
    "two-measurements": (
        {"metrics": [histogram(query="a", max=1)]},
        "write exactly one of query, counts or histogram",
    ),
    "limit-of-counts": (
        {"metrics": [counts(good=GOOD, total=TOTAL, min=1)]},
        "write a limit below 1, for example 0.999",
    ),
    "grouped-query-of-one": (
        {"metrics": [named(query='max(psi{app="{{workload}}"})', groupBy=GROUPED)]},
        "with groupBy one query answers for all: write placeholders in the values of groupBy only",
    ),
    "grouped-counts-of-one": (
        {"metrics": [counts(bad=MINE, total="t_total", groupBy=GROUPED)]},
        "with groupBy one query answers for all",
    ),
    "grouped-histogram-of-one": (
        {"metrics": [histogram('s_bucket{a="{{args.app}}"}', groupBy=GROUPED)]},
        "with groupBy one query answers for all",
    ),
    "grouped-against-a-workload": (
        {"metrics": [counts(bad="b_total", total="t_total", baseline=OTHER, groupBy=GROUPED)]},
        "a baseline from: Workload is asked for separately: leave out groupBy",
    ),
    "group-of-nobody": (
        {"metrics": [named(query=BY_LABELS, groupBy={"app": "{{app}}"})]},
        UNKNOWN,
    ),
    "group-label": (
        {"metrics": [named(query=BY_LABELS, groupBy={"my-app": "x"})]},
        "write names of labels in groupBy, for example {app: '{{workload}}'}",
    ),
    "against-a-workload-without-placeholder": (
        {"metrics": [counts(bad=BAD, total=TOTAL, baseline=OTHER)]},
        "write {{workload}} where its name stands",
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_metric_is_taken_as_it_was_written(cluster: Admission, case: str) -> None:
    written = rollout(f"taken-{case}", metrics=[TAKEN[case]])
    stored = cluster.apply(written)["spec"]
    assert stored["metrics"][0].items() >= _without_defaulted(TAKEN[case]).items()
    assert ModelRolloutSpec.model_validate(stored) == ModelRolloutSpec.model_validate(
        written["spec"]
    )


def _without_defaulted(metric: Manifest) -> Manifest:
    """What the API server adds nothing to."""
    return {key: value for key, value in metric.items() if key not in ("histogram", "templateRef")}


@pytest.mark.parametrize("case", SELECTORS)
def test_selector_is_taken(cluster: Admission, case: str) -> None:
    cluster.apply(rollout(f"selector-{case}", metrics=[selected(SELECTORS[case])]))


@pytest.mark.parametrize("case", REFUSED)
def test_metric_is_refused_with_a_sentence(cluster: Admission, case: str) -> None:
    metric, sentence = REFUSED[case]
    assert sentence in cluster.refusal(rollout(f"refused-{case}", metrics=[metric]))


def test_nothing_written_stays_nothing(cluster: Admission) -> None:
    """Else a default would win over what the template says."""
    stored = cluster.apply(rollout("bare", metrics=[from_template()]))["spec"]["metrics"]
    assert stored == [{"name": "quality", "templateRef": {"name": "genai-safety", "args": {}}}]


def test_a_full_list_of_the_longest_metrics_is_taken(cluster: Admission) -> None:
    """The cost of the rules is bounded by what may be written, not by what mostly is."""
    long = 'x_total{app="' + "{{workload}}" * 80 + '"}'
    metrics = [
        {**counts(bad=long, total=long, baseline=OTHER), "name": f"metric_{number}"}
        for number in range(20)
    ]
    cluster.apply(rollout("longest", metrics=metrics))


@pytest.mark.parametrize("case", TEMPLATES_TAKEN)
def test_template_is_taken(cluster: Admission, case: str) -> None:
    written = template(f"taken-{case}", **TEMPLATES_TAKEN[case])
    stored = cluster.apply(written)["spec"]
    assert MetricTemplateSpec.model_validate(stored) == MetricTemplateSpec.model_validate(
        written["spec"]
    )


@pytest.mark.parametrize("case", TEMPLATES_REFUSED)
def test_template_is_refused_with_a_sentence(cluster: Admission, case: str) -> None:
    spec, sentence = TEMPLATES_REFUSED[case]
    assert sentence in cluster.refusal(template(f"refused-{case}", **spec))


def test_columns_of_a_template(cluster: Admission) -> None:
    metrics = [{**named(query="a"), "name": name} for name in ("accuracy", "complaint_rate")]
    cluster.apply(template("shown", parameters=[{"name": "app"}], metrics=metrics))
    heading, row = cluster.kubectl("get", "mtpl", "shown").splitlines()
    assert heading.split() == ["NAME", "METRICS", "PARAMETERS", "AGE"]
    assert "accuracy" in row
    assert "app" in row
    assert "metrictemplate.modelrollout.dev/shown" in cluster.kubectl("get", "ml", "-o", "name")


def test_checkpoint_of_evidence_has_its_place_in_the_status(cluster: Admission) -> None:
    cluster.apply(rollout("checkpoint"))
    metric = {"name": "accuracy", "state": "Good", "class": "Clear"}

    def patch(evidence: str) -> tuple[str, ...]:
        status = {"phase": "Healthy", "metrics": [{**metric, "evidence": evidence}]}
        body = json.dumps({"status": status})
        return ("patch", "mro", "checkpoint", "--subresource=status", "--type=merge", "-p", body)

    cluster.kubectl(*patch("x" * 2048))
    stored = json.loads(cluster.kubectl("get", "mro", "checkpoint", "--output", "json"))
    assert stored["status"]["metrics"][0]["evidence"] == "x" * 2048
