"""From the metrics of a spec to the rules that judge them: templates, placeholders, baselines."""

from dataclasses import dataclass

from model_rollout.analysis.evidence import Rule
from model_rollout.analysis.placeholders import Problem, Values
from model_rollout.analysis.rules import FEWEST, Record, metric_rule, unusable_rule
from model_rollout.analysis.templates import resolve, uses_pod_template_hash
from model_rollout.analysis.when import When, compile_when
from model_rollout.api.metric import Metric, MetricAction
from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.template import MetricTemplateSpec
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Key
from model_rollout.revisions.history import Revision


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rules of one guard depend on, beside its spec."""

    namespace: str
    name: str
    revision: Revision | None = None
    """The current one: placeholders take their values from it."""
    template_hash: str | None = None
    """`pod-template-hash` of the current pods; None: not known (yet), or not asked for."""
    stable: Revision | None = None
    """Baselines take their records from it, see `newest_stable`."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one guard, and what they were made from."""

    spec: ModelRolloutSpec
    given: tuple[object, ...]
    rules: tuple[Rule, ...]
    when: When | Problem
    by_template_hash: bool
    """A query selects by `{{podTemplateHash}}`."""


class RuleBook:
    """Makes the rules of a guard, and only again when something that they depend on changed."""

    def __init__(self, store: Store, namespace: str) -> None:
        """`namespace` is the operator's own: MetricTemplates there are for everybody."""
        self._store = store
        self._namespace = namespace

    def needs_template_hash(
        self, spec: ModelRolloutSpec, namespace: str, known: RuleSet | None
    ) -> bool:
        """Tell whether a query selects by `{{podTemplateHash}}`; `known` as for `rules`."""
        if known and known.spec is spec and known.given[-1] == self._store.templates_version:
            return known.by_template_hash
        return uses_pod_template_hash(spec.metrics, self._templates(spec.metrics, namespace))

    def rules(self, spec: ModelRolloutSpec, found: Circumstances, known: RuleSet | None) -> RuleSet:
        """Return the rules; `known` itself when nothing changed since it was made."""
        given = (
            found.revision.name if found.revision else None,
            found.template_hash,
            found.stable.name if found.stable else None,
            found.stable.status.metrics if found.stable else None,
            self._store.templates_version,
        )
        if known is not None and known.spec is spec and known.given == given:
            return known
        templates = self._templates(spec.metrics, found.namespace)
        values = _values(spec, found)
        made = tuple(_rule(m, spec, templates, values, found) for m in spec.metrics)
        return RuleSet(
            spec,
            given,
            made,
            _when(spec, made),
            uses_pod_template_hash(spec.metrics, templates),
        )

    def _templates(
        self, metrics: tuple[Metric, ...], namespace: str
    ) -> dict[str, MetricTemplateSpec]:
        """The templates that metrics name: of their own namespace first, then of the operator's."""
        found = {}
        for name in {m.template_ref.name for m in metrics if m.template_ref is not None}:
            for place in (namespace, self._namespace):
                body = self._store.template(Key(place, name))
                if body is not None:
                    found[name] = MetricTemplateSpec.model_validate(body["spec"])
                    break
        return found


def _when(spec: ModelRolloutSpec, rules: tuple[Rule, ...]) -> When | Problem:
    acting = tuple(rule.name for rule in rules if rule.action is MetricAction.ROLLBACK)
    return compile_when(spec.analysis.when, tuple(rule.name for rule in rules), acting)


def _values(spec: ModelRolloutSpec, found: Circumstances) -> Values:
    components = found.revision.spec.components if found.revision else ()
    return Values(
        namespace=found.namespace,
        name=found.name,
        workload=spec.target_ref.name,
        pod_template_hash=found.template_hash,
        revision=found.revision.number if found.revision else None,
        components={component.name: component.value for component in components},
        args={},
    )


def _rule(
    metric: Metric,
    spec: ModelRolloutSpec,
    templates: dict[str, MetricTemplateSpec],
    values: Values,
    found: Circumstances,
) -> Rule:
    resolved = resolve(metric, templates, values)
    if isinstance(resolved, Problem):
        return unusable_rule(metric, resolved)
    rule = metric_rule(resolved, spec, _record(metric.name, found))
    return unusable_rule(metric, rule) if isinstance(rule, Problem) else rule


def _record(name: str, found: Circumstances) -> Record | None:
    metrics = found.stable.status.metrics if found.stable else ()
    for metric in metrics:
        if metric.name == name and metric.total is not None and metric.bad is not None:
            # Nobody has to act because the first revision was proven on few outcomes.
            few = metric.total < FEWEST and found.stable is found.revision
            return None if few else Record(bad=metric.bad, total=metric.total)
    return None


def newest_stable(revisions: tuple[Revision, ...], current: str) -> Revision | None:
    """Return the Stable revision that served last, other than the one named `current`.

    Where there is no other one, itself: it is compared with what was recorded when it was proven.
    """
    stable = [r for r in revisions if r.phase is RevisionPhase.STABLE]
    others = [r for r in stable if r.name != current]
    return max(others or stable, key=lambda r: (r.last_served, r.number), default=None)
