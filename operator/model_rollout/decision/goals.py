"""What a transaction makes of the workload: a revision, a part of one, or a fallback."""

from dataclasses import dataclass

from model_rollout.api.revision import ComponentValue
from model_rollout.api.rollout import Fallback, ModelRolloutSpec
from model_rollout.decision.facts import Facts
from model_rollout.decision.plan import Values, different, merged
from model_rollout.decision.targets import find_target
from model_rollout.revisions.content import Content, identity
from model_rollout.revisions.history import NewRevision, Revision, new_revision


@dataclass(frozen=True, slots=True)
class Goal:
    """The components that are to be live after a transaction."""

    components: Values
    revision: Revision | None
    """The revision that they come from; None: a fallback."""
    scope: tuple[str, ...] = ()
    """The components that are restored, where it is not all of them."""
    fallback: str = ""
    """Name of the fallback."""


def best_goal(
    facts: Facts, metrics: tuple[str, ...], tried: frozenset[int], *, fallbacks: bool
) -> Goal | None:
    """Return where a transaction should lead: a revision, else the first fallback that is left.

    Args:
        facts: with readable content.
        metrics: the breached ones; what they blame is restored alone, where that changed.
        tried: revisions of the same chain.
        fallbacks: whether fallbacks may be used.
    """
    target = find_target(facts, tried)
    if target is not None:
        return restoring(facts, target, metrics)
    return _fallback(facts, tried) if fallbacks else None


def restoring(facts: Facts, target: Revision, metrics: tuple[str, ...] = ()) -> Goal:
    """Return the goal to restore a revision, or only what the breached metrics blame."""
    assert facts.live is not None
    whole = Goal(target.spec.components, target)
    scope = _blamed(facts, target, metrics)
    if not scope:
        return whole
    components = merged(facts.live.components, target.spec.components, scope)
    if facts.quarantined(identity(components, facts.live.observed_digest)):
        return whole
    return Goal(components, target, scope=tuple(sorted(scope)))


def _blamed(facts: Facts, target: Revision, metrics: tuple[str, ...]) -> frozenset[str]:
    """Return the union of what all these metrics blame; empty when one of them blames no change."""
    assert facts.live is not None
    changed = different(facts.live.components, target.spec.components)
    blames = {metric.name: frozenset(metric.blames) & changed for metric in facts.spec.metrics}
    parts = [blames.get(name, frozenset()) for name in metrics]
    if not parts or not all(parts):
        return frozenset()
    scope = frozenset().union(*parts)
    return frozenset() if scope == changed else scope


def _fallback(facts: Facts, tried: frozenset[int]) -> Goal | None:
    live = facts.live
    assert live is not None
    if fallback_problem(facts.spec):
        return None
    digests = {revision.spec.digest for revision in facts.revisions if revision.number in tried}
    for fallback in facts.spec.fallbacks:
        components = tuple(_alternative(value, fallback) for value in live.components)
        reached = identity(components, live.observed_digest)
        spent = reached in digests or facts.quarantined(reached) is not None
        if not spent and different(live.components, components):
            return Goal(components, None, fallback=fallback.name)
    return None


def _alternative(value: ComponentValue, fallback: Fallback) -> ComponentValue:
    text = fallback.alternative.get(value.name)
    if text is None:
        return value
    return ComponentValue(name=value.name, kind=value.kind, source=value.source, value=text)


def fallback_problem(spec: ModelRolloutSpec) -> str:
    """Return what is wrong with the fallbacks, as a sentence; empty when nothing is."""
    kinds = {
        component.name: component.config_map is not None or component.pod_template is not None
        for component in spec.components
    }
    texts = ", ".join(name for name, composite in kinds.items() if not composite) or "none"
    for fallback in spec.fallbacks:
        for name in fallback.alternative:
            if kinds.get(name, True):
                return (
                    f"fallback {fallback.name}: {name!r} is no component with a single value; write "
                    f"one of: {texts}"
                )
    return ""


def resulting(facts: Facts, goal: Goal, live: Content) -> tuple[int, tuple[NewRevision, ...]]:
    """Return the revision that results: the target, or the goal's components over the live rest."""
    wanted = identity(goal.components, live.observed_digest)
    known = (goal.revision, *facts.revisions) if goal.revision else facts.revisions
    for revision in known:
        if revision.spec.digest == wanted:
            return revision.number, ()
    content = Content(goal.components, live.observed_digest, live.observed)
    created = new_revision(
        facts.ref,
        facts.next_number(),
        content,
        restored_from=goal.revision.number if goal.revision else None,
    )
    return created.spec.number, (created,)
