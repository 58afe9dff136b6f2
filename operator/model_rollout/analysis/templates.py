"""From a metric as it was written to one that can be measured: templates and placeholders resolved.

A metric with `templateRef` takes everything from its template, and what is written beside the
reference wins. Of counts there is one limit: a written `min` or `max` takes the place of whatever
limit or baseline the template has.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from model_rollout.analysis.limits import limit_problem
from model_rollout.analysis.measurement import Labels
from model_rollout.analysis.placeholders import (
    Problem,
    Refused,
    Values,
    expanded,
    filled,
    used,
    versioned,
)
from model_rollout.api.metric import (
    Counts,
    Histogram,
    Measurement,
    Metric,
    TemplateRef,
    WorkloadRef,
)
from model_rollout.api.template import MetricTemplateSpec, TemplateMetric

_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_INHERITED = set(Measurement.model_fields) - {"name"}
_OVERRIDES = {
    "min",
    "max",
    "for_",
    "every",
    "delay",
    "no_data_after",
    "on_no_data",
    "action",
}


@dataclass(frozen=True, slots=True)
class ResolvedMetric:
    """A metric without template and placeholders."""

    metric: Metric
    group: Labels
    """Picks this guard's series out of an answer that many share; empty: all of it is ours."""
    versioned: bool
    """Every selector names the revision: what it selects is of that revision only."""
    baseline: Metric | None = None
    """With a baseline from: Workload the same metric of the other Deployment."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A metric with its template merged in; its texts still hold placeholders."""

    metric: Metric
    group_by: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)


def resolve(
    metric: Metric, templates: Mapping[str, MetricTemplateSpec], values: Values
) -> ResolvedMetric | Problem:
    """Return a metric that can be measured.

    Args:
        metric: As it was written.
        templates: The templates that the guard can see, by name; where two have a name, the one of
            the guard's own namespace.
        values: What the placeholders stand for; its `args` are not used.

    Returns:
        A Problem, as a sentence that does not name the metric, when something is missing.
    """
    try:
        source = _source(metric, templates)
        if sentence := limit_problem(source.metric):
            raise Refused(Problem(sentence))
        return _resolved(source, values)
    except Refused as refused:
        return refused.problem


def uses_pod_template_hash(
    metrics: Iterable[Metric], templates: Mapping[str, MetricTemplateSpec]
) -> bool:
    """Tell whether a metric, or a template that it names, selects by `{{podTemplateHash}}`."""
    return any(
        "podTemplateHash" in used(text)
        for metric in metrics
        for text in _all_texts(metric, templates)
    )


def _source(metric: Metric, templates: Mapping[str, MetricTemplateSpec]) -> _Source:
    ref = metric.template_ref
    if ref is None:
        return _Source(metric)
    spec = templates.get(ref.name)
    if spec is None:
        raise Refused(
            Problem(
                f"there is no MetricTemplate {ref.name} in this namespace or in that of the "
                "operator: create it, or correct templateRef.name"
            )
        )
    name = ref.metric or metric.name
    template = next((found for found in spec.metrics if found.name == name), None)
    if template is None:
        names = ", ".join(found.name for found in spec.metrics)
        raise Refused(
            Problem(
                f"MetricTemplate {ref.name} has no metric {name}: write templateRef.metric, one of "
                f"{names}"
            )
        )
    return _Source(_merged(metric, template), template.group_by, _arguments(ref, spec))


def _merged(metric: Metric, template: TemplateMetric) -> Metric:
    written = {name: getattr(metric, name) for name in metric.model_fields_set & _OVERRIDES}
    written = {name: value for name, value in written.items() if value is not None}
    inherited = {name: getattr(template, name) for name in _INHERITED}
    if template.counts is not None and written.keys() & {"min", "max"}:
        inherited |= {"min": None, "max": None, "baseline": None}
    return metric.model_copy(update=inherited | written | {"template_ref": None})


def _arguments(ref: TemplateRef, spec: MetricTemplateSpec) -> Mapping[str, str]:
    names = [parameter.name for parameter in spec.parameters]
    for name in ref.args:
        if name not in names:
            there_are = f"there are {', '.join(names)}" if names else "it has none"
            raise Refused(
                Problem(f"MetricTemplate {ref.name} has no parameter {name}: {there_are}")
            )
    arguments = {}
    for parameter in spec.parameters:
        value = ref.args.get(parameter.name, parameter.default)
        if value is None:
            raise Refused(
                Problem(
                    f"MetricTemplate {ref.name} needs a value for {parameter.name}: write "
                    f"templateRef.args: {{{parameter.name}: …}}"
                )
            )
        arguments[parameter.name] = value
    return arguments


def _resolved(source: _Source, values: Values) -> ResolvedMetric:
    mine = _with_arguments(source, values)
    metric = _expanded(source.metric, mine)
    baseline = None
    compared = metric.baseline
    if compared is not None and compared.ref is not None:
        other = _other_workload(compared.ref, mine)
        metric = metric.model_copy(
            update={"baseline": compared.model_copy(update={"ref": WorkloadRef(name=other)})}
        )
        theirs = _with_arguments(source, replace(values, workload=other))
        baseline = _expanded(source.metric, theirs).model_copy(update={"baseline": None})
    group = ((label, filled(text, mine)) for label, text in source.group_by.items())
    return ResolvedMetric(metric, tuple(sorted(group)), _is_versioned(source), baseline)


def _with_arguments(source: _Source, values: Values) -> Values:
    """Return the values with the arguments, in which placeholders may stand as well."""
    plain = replace(values, args={})
    return replace(plain, args={name: filled(text, plain) for name, text in source.args.items()})


def _other_workload(ref: WorkloadRef, values: Values) -> str:
    name = filled(ref.name, values)
    if not _OBJECT_NAME.fullmatch(name):
        raise Refused(
            Problem(f"baseline.ref.name is {name!r}: write the name of another Deployment")
        )
    if name == values.workload:
        raise Refused(
            Problem(
                f"baseline.ref.name is {name}, the guarded Deployment itself: write the name of "
                "another one"
            )
        )
    return name


def _expanded(metric: Metric, values: Values) -> Metric:
    def text(promql: str | None) -> str | None:
        return None if promql is None else expanded(promql, values)

    counts, histogram = metric.counts, metric.histogram
    return metric.model_copy(
        update={
            "query": text(metric.query),
            "sample_time": text(metric.sample_time),
            "counts": counts
            and Counts(good=text(counts.good), bad=text(counts.bad), total=text(counts.total)),
            "histogram": histogram
            and Histogram(metric=expanded(histogram.metric, values), quantile=histogram.quantile),
        }
    )


def _is_versioned(source: _Source) -> bool:
    def by_revision(text: str) -> bool:
        arguments = (source.args.get(name.removeprefix("args."), "") for name in used(text))
        return versioned(text) or any(versioned(argument) for argument in arguments)

    selectors = tuple(_selectors(source.metric))
    return all(by_revision(text) for text in selectors) or any(
        by_revision(text) for text in source.group_by.values()
    )


def _selectors(metric: Measurement) -> Iterator[str]:
    counts, histogram = metric.counts, metric.histogram
    texts = (
        metric.query,
        *((counts.good, counts.bad, counts.total) if counts else ()),
        histogram.metric if histogram else None,
    )
    return (text for text in texts if text is not None)


def _all_texts(metric: Metric, templates: Mapping[str, MetricTemplateSpec]) -> Iterator[str]:
    """Every text that may hold a placeholder which the metric needs."""
    yield from _texts(metric)
    ref = metric.template_ref
    spec = templates.get(ref.name) if ref else None
    if ref is None or spec is None:
        return
    yield from ref.args.values()
    yield from (parameter.default or "" for parameter in spec.parameters)
    for template in spec.metrics:
        if template.name == (ref.metric or metric.name):
            yield from _texts(template)
            yield from template.group_by.values()


def _texts(metric: Measurement) -> Iterator[str]:
    yield from _selectors(metric)
    yield metric.sample_time or ""
    if metric.baseline is not None and metric.baseline.ref is not None:
        yield metric.baseline.ref.name
