"""The policy as it is replayed: in mode DryRun, asked of one server, and checked as far as it can be."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from model_rollout.analysis.placeholders import Problem, Values
from model_rollout.analysis.rules import metric_rule
from model_rollout.analysis.templates import resolve
from model_rollout.analysis.when import compile_when
from model_rollout.api import API_VERSION
from model_rollout.api.metric import Metric, MetricAction
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.template import MetricTemplateSpec
from model_rollout.backtest.manifests import InputError, Inputs, Manifest
from model_rollout.backtest.schema import Fault
from model_rollout.ports.kubernetes import Json

_UID = "backtest"


def replayed(inputs: Inputs) -> tuple[Json, ModelRolloutSpec]:
    """Return the ModelRollout of a replay, and its spec parsed. Raises InputError.

    `rollback.mode` is DryRun, so that the past stays as it was; the switch is off. Where Prometheus
    is, and who is let in there, says the command line.
    """
    written = inputs.rollout.body["spec"]
    left_out = ("killSwitch", "prometheus")
    spec = {name: value for name, value in written.items() if name not in left_out}
    spec["rollback"] = written.get("rollback", {}) | {"mode": "DryRun"}
    if gone := outside(inputs.rollout.body):
        kept = [c for c in written["components"] if c.get("name") not in gone]
        spec["components"] = kept or [{"name": "template", "podTemplate": {}}]
    try:
        parsed = ModelRolloutSpec.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        raise inputs.rollout.error(("spec", *first["loc"]), first["msg"]) from None
    known = {m.name: MetricTemplateSpec.model_validate(m.body["spec"]) for m in inputs.templates}
    for fault in policy_faults(inputs.rollout.name, inputs.namespace, parsed, known):
        raise inputs.rollout.error(fault.path, fault.message)
    return _body(inputs.rollout, inputs.namespace, "ModelRollout", spec), parsed


def outside(rollout: Json) -> tuple[str, ...]:
    """Return the names of the components that live outside of the workload: nobody recorded them."""
    components = rollout["spec"].get("components") or ()
    return tuple(c["name"] for c in components if "configMap" in c or "http" in c)


def templates(inputs: Inputs) -> tuple[Json, ...]:
    """Return the MetricTemplates, which serve whatever namespace they are written for."""
    return tuple(
        _body(manifest, inputs.namespace, "MetricTemplate", manifest.body["spec"])
        for manifest in inputs.templates
    )


def _body(manifest: Manifest, namespace: str, kind: str, spec: Json) -> Json:
    metadata = {
        "name": manifest.name,
        "namespace": namespace,
        "uid": _UID,
        "generation": 1,
        "resourceVersion": "1",
    }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def policy_faults(
    name: str, namespace: str, spec: ModelRolloutSpec, templates: Mapping[str, MetricTemplateSpec]
) -> Iterator[Fault]:
    """Yield what the operator itself would refuse of a ModelRollout whose schema is right."""
    values = stand_ins(name, namespace, spec)
    for index, metric in enumerate(spec.metrics):
        problem = _problem(metric, spec, templates, values)
        if problem is not None and not problem.passing:
            yield Fault(("spec", "metrics", index), problem.message)
    acting = tuple(m.name for m in spec.metrics if m.action is MetricAction.ROLLBACK)
    when = compile_when(spec.analysis.when, tuple(m.name for m in spec.metrics), acting)
    if isinstance(when, Problem):
        yield Fault(("spec", "analysis", "when"), when.message)


def stand_ins(name: str, namespace: str, spec: ModelRolloutSpec) -> Values:
    """Return values that stand for those to come."""
    return Values(
        namespace=namespace,
        name=name,
        workload=spec.target_ref.name,
        pod_template_hash="6d4f5b7c9",
        revision=1,
        components={component.name: "image:tag" for component in spec.components},
    )


def _problem(
    metric: Metric,
    spec: ModelRolloutSpec,
    known: Mapping[str, MetricTemplateSpec],
    values: Values,
) -> Problem | None:
    resolved = resolve(metric, known, values)
    if isinstance(resolved, Problem):
        return resolved
    rule = metric_rule(resolved, spec, None)
    return rule if isinstance(rule, Problem) else None


def where_written(inputs: Inputs, promql: str) -> InputError | None:
    """Return an error at the place where an expression is written; None when it was put together."""
    for manifest in (inputs.rollout, *inputs.templates):
        for path in manifest.lines:
            if path and path[0] == "spec" and _at(manifest.body, path) == promql:
                return manifest.error(path, "Prometheus cannot evaluate this: try it there")
    return None


def _at(body: Json, path: tuple[str | int, ...]) -> object:
    found: object = body
    for part in path:
        found = found[part]  # type: ignore[index]
    return found
