"""The life of a revision that nobody has to interfere with: settle, record, serve, warm up, bake."""

from dataclasses import replace

from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.report import MetricReport
from model_rollout.api.revision import ComponentKind
from model_rollout.api.status import CurrentRevision, ModelRolloutStatus, Phase
from model_rollout.api.types import duration_text
from model_rollout.decision.begin import KEPT_ENTRIES
from model_rollout.decision.facts import Facts
from model_rollout.decision.goals import fallback_problem
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold, resting_phase, wait
from model_rollout.decision.sentences import listed, of_unavailable
from model_rollout.revisions.content import Content, same_value, shape
from model_rollout.revisions.history import NewRevision, Revision, new_revision
from model_rollout.revisions.places import ComponentProblem


def workload_missing(facts: Facts) -> Decision | None:
    """The target does not exist (yet, or any more)."""
    if facts.workload is not None:
        return None
    if facts.workload_problem:
        return hold(facts, Reason.WORKLOAD_MISSING, facts.workload_problem)
    target = facts.spec.target_ref
    return hold(
        facts,
        Reason.WORKLOAD_MISSING,
        f"there is no {target.kind} {target.name} in namespace {facts.namespace}; create it, or "
        "correct spec.targetRef.name in a new ModelRollout",
    )


def target_taken(facts: Facts) -> Decision | None:
    """Two guards of one workload would undo each other: the younger is refused."""
    if not facts.taken_by:
        return None
    return hold(
        facts,
        Reason.TARGET_TAKEN,
        f"ModelRollout {facts.taken_by} guards {facts.spec.target_ref.kind} "
        f"{facts.spec.target_ref.name} already; delete one of the two",
    )


def component_unreadable(facts: Facts) -> Decision | None:
    """A component has no single literal value in the workload."""
    if not isinstance(facts.content, ComponentProblem):
        return None
    return hold(facts, Reason.COMPONENT_UNREADABLE, facts.content.message)


def spec_invalid(facts: Facts) -> Decision | None:
    """What the API server cannot check: the expression over the metrics, names in fallbacks."""
    problem = (
        facts.when.message if isinstance(facts.when, Problem) else fallback_problem(facts.spec)
    )
    return hold(facts, Reason.SPEC_INVALID, problem) if problem else None


def content_changed(facts: Facts) -> Decision | None:
    """The workload holds something else than the current revision: wait until it settles."""
    live, current = facts.live, facts.current
    if live is None or _unchanged(facts, live):
        return None
    if current is not None and _components_edited(facts, live):
        return record(facts, live, inherit=True)
    settle = facts.spec.analysis.settle
    if facts.unchanged_for < settle:
        message = (
            f"the pod template changed; it counts once nothing changes for {duration_text(settle)}"
        )
        return replace(wait(facts, Reason.SETTLING, message), status=_serves_no_more(facts))
    return record(facts, live)


def _serves_no_more(facts: Facts) -> ModelRolloutStatus:
    """A revision serves until its content changes: what is measured now is not about it.

    Should it come back before the change settled, it serves, warms up and bakes anew.
    """
    current = facts.current
    if current is None or current.serving_since is None:
        return facts.status
    ended = {"since": facts.now, "serving_since": None, "failing_since": None}
    clocks = {"held_since": None, "held_seconds": 0.0, "breached_since": None, "clear_since": None}
    return facts.status.model_copy(update={"current": current.model_copy(update=ended | clocks)})


def _unchanged(facts: Facts, live: Content) -> bool:
    """The same content in a workload that was deleted and created again has yet to come up.

    One whose ModelRevision was deleted is recorded anew: without it, it can neither become Stable
    nor be a target.
    """
    current, workload = facts.current, facts.workload
    if current is None or workload is None or current.digest != live.digest:
        return False
    if facts.current_revision is None:
        return False
    return current.workload_uid in ("", workload.uid)


def _components_edited(facts: Facts, live: Content) -> bool:
    """The owner edited spec.components: the same deployment is described in another way."""
    revision, current = facts.current_revision, facts.current
    if revision is None or current is None:
        return False
    same_template = current.template_digest == live.template_digest
    values = {value.source: value for value in revision.spec.components}
    # What stands beside the template may have changed although the template did not.
    same_maps = all(
        same_value(values[value.source], value)
        for value in live.components
        if value.kind is ComponentKind.CONFIG_MAP and value.source in values
    )
    edited = shape(revision.spec.components) != shape(live.components)
    return same_template and same_maps and edited


def record(facts: Facts, live: Content, *, inherit: bool = False) -> Decision:
    """Return the decision to record `live` as the current revision.

    `inherit` keeps the clocks: the deployment did not change, only its description did.
    """
    known = next((r for r in facts.revisions if r.spec.digest == live.digest), None)
    before = facts.current.revision if inherit and facts.current else None
    create, number, name = _created(facts, live, known, before)
    current = CurrentRevision(
        revision=number,
        name=name,
        digest=live.digest,
        workload_uid=facts.workload.uid if facts.workload else "",
        template_digest=live.template_digest,
        since=facts.now,
    )
    quarantine, failure = facts.status.quarantine, facts.status.failure
    if inherit and facts.current is not None:
        names = {"revision": number, "name": name, "digest": live.digest}
        current = facts.current.model_copy(update=names)
        entry = facts.quarantined(facts.current.digest)
        if entry is not None:
            # Describing it in another way does not make it any better.
            again = entry.model_copy(update={"revision": number, "digest": live.digest})
            quarantine = (*quarantine, again)[-KEPT_ENTRIES:]
        if failure is not None:
            failure = failure.model_copy(update={"revisions": (*failure.revisions, number)[-100:]})
    if known is not None:
        reason, what = Reason.KNOWN_REVISION, f"Revision {number} is deployed again"
    elif inherit:
        reason, what = Reason.COMPONENTS_CHANGED, f"Revision {number}: spec.components was edited"
    else:
        reason, what = Reason.NEW_REVISION, f"Revision {number} is new"
    return Decision(
        Action.RECORD,
        reason,
        what,
        resting_phase(facts) if inherit else Phase.PROGRESSING,
        facts.status.model_copy(
            update={"current": current, "quarantine": quarantine, "failure": failure}
        ),
        create=create,
        again=True,
        from_=facts.current.revision if facts.current else None,
        to=number,
    )


def _created(
    facts: Facts, live: Content, known: Revision | None, inherits_from: int | None
) -> tuple[tuple[NewRevision, ...], int, str]:
    if known is not None:
        return (), known.number, known.name
    imported = _imported(facts, live)
    number = facts.next_number() + len(imported)
    # A quarantined content whose ModelRevision was pruned keeps the number that people know.
    entry = facts.quarantined(live.digest)
    number = entry.revision if entry else number
    created = new_revision(facts.ref, number, live, inherits_from=inherits_from)
    return (*imported, created), created.spec.number, created.name


def _imported(facts: Facts, live: Content) -> tuple[NewRevision, ...]:
    """The revisions before the operator came, so that there is somewhere to go back to."""
    if facts.current is not None:
        return ()
    known = {revision.spec.digest for revision in facts.revisions} | {live.digest}
    earlier = [content for content in facts.earlier if content.digest not in known]
    first = facts.next_number()
    kept = earlier[-(facts.spec.history.limit - 1) :]
    return tuple(
        new_revision(facts.ref, first + index, content, imported=True)
        for index, content in enumerate(kept)
    )


def serve(facts: Facts) -> Decision | None:
    """The current revision begins to serve: completely rolled out, no old pod left."""
    current, workload = facts.current, facts.workload
    if current is None or workload is None or current.serving_since is not None:
        return None
    if not workload.rolled_out or facts.pods is None or facts.pods.old > 0:
        return None
    if facts.unread_config_map:
        return None
    serving = current.model_copy(
        update={"serving_since": facts.now, "held_since": None, "held_seconds": 0.0}
    )
    return Decision(
        Action.SERVE,
        Reason.SERVES,
        f"Revision {current.revision} serves: {workload.progress}",
        resting_phase(facts),
        facts.status.model_copy(update={"current": serving}),
        again=True,
        to=current.revision,
    )


def rolling_out(facts: Facts) -> Decision | None:
    """The current revision does not serve yet, or nothing is to serve."""
    current, workload = facts.current, facts.workload
    if current is None or workload is None:
        return None
    if workload.desired == 0:
        message = "scaled to zero: nothing serves, and all clocks stand still"
        return hold(facts, Reason.SCALED_TO_ZERO, message)
    if current.serving_since is not None:
        return None
    if workload.waits:
        message = f"{workload.waits}: its rollout, and the deadline, wait"
        return hold(facts, Reason.WORKLOAD_PAUSED, message)
    old = facts.pods.old if facts.pods else 0
    left = f", {old} pods of an older template left" if old else ""
    why = f" ({facts.pods.why})" if facts.pods and facts.pods.why else ""
    if unread := facts.unread_config_map:
        why += (
            f"; the pods read ConfigMap {unread} when they start and started before it changed: "
            f"kubectl rollout restart {facts.spec.target_ref.kind.lower()}/"
            f"{facts.spec.target_ref.name}"
        )
    message = f"Revision {current.revision} is being rolled out: {workload.progress}{left}{why}"
    return wait(facts, Reason.ROLLING_OUT, message)


def warming_up(facts: Facts) -> Decision | None:
    """Measurements do not count yet."""
    if facts.current is None or facts.warmed_up:
        return None
    warm_up = duration_text(facts.spec.analysis.warm_up)
    message = (
        f"Revision {facts.current.revision} warms up for {warm_up}; measurements are discarded"
    )
    return wait(facts, Reason.WARMING_UP, message)


def metrics_unavailable(facts: Facts) -> Decision | None:
    """A metric cannot be judged: never a reason to roll back, and none to promote either."""
    if facts.prometheus_problem:
        return hold(facts, Reason.PROMETHEUS_UNKNOWN, facts.prometheus_problem)
    missing = [r for r in facts.reports if r.unavailable and not r.silence_is_told]
    if not missing:
        return None
    message = f"{of_unavailable(missing)}; holding until it can be judged"
    return hold(facts, Reason.METRICS_UNAVAILABLE, message)


def baked(facts: Facts) -> Decision | None:
    """A candidate that served long enough without a breach is Stable."""
    current = facts.current
    if current is None or facts.is_stable or not _proven(facts, current):
        return None
    bake = duration_text(facts.spec.analysis.bake_time)
    measured = "; ".join(report.message for report in facts.reports)
    return Decision(
        Action.PROMOTE,
        Reason.PROVEN,
        f"Revision {current.revision} is Stable: it served {bake} without a breach; {measured}",
        Phase.HEALTHY,
        facts.status,
        again=True,
        to=current.revision,
    )


def _proven(facts: Facts, current: CurrentRevision) -> bool:
    bake = facts.spec.analysis.bake_time
    since_breach = facts.now - (current.clear_since or 0.0)
    baked_long_enough = facts.age(current) >= bake and since_breach >= bake
    measured = not few_checks(facts) and not few_outcomes(facts)
    suspicious = any(report.suspicious for report in facts.reports)
    entry = facts.quarantined(current.digest)
    return (
        baked_long_enough
        and measured
        and not suspicious
        and current.failing_since is None
        and current.breached_since is None
        and entry is None
    )


def nothing_wrong(facts: Facts) -> Decision:
    """The end of the list."""
    suspicious = [report for report in facts.reports if report.suspicious]
    if suspicious:
        message = "; ".join(report.message for report in suspicious)
        if facts.breaches:
            message += f"; analysis.when ({facts.spec.analysis.when}) is not met"
        return _continue(facts, Reason.SUSPICIOUS, message)
    if facts.is_stable:
        number = facts.current.revision if facts.current else 0
        return _continue(facts, Reason.WATCHING, f"Revision {number} is Stable and measured")
    number = facts.current.revision if facts.current else 0
    message = f"Revision {number} is measured; it is Stable after {_what_proves(facts)}"
    return _continue(facts, Reason.BAKING, message)


def few_outcomes(facts: Facts) -> tuple[MetricReport, ...]:
    """Return the metrics that have not seen `minOutcomes` yet: too few to call anything proven."""
    least = facts.spec.analysis.min_outcomes
    return tuple(r for r in facts.reports if r.total is not None and r.total < least)


def few_checks(facts: Facts) -> tuple[MetricReport, ...]:
    """Return the metrics that were not measured often enough for a breach to be possible.

    A single scrape can bring enough outcomes, and no single scrape ever decides.
    """
    return tuple(r for r in facts.reports if not r.enough or r.checks == 0)


def _what_proves(facts: Facts) -> str:
    missing = [f"{duration_text(facts.spec.analysis.bake_time)} without a breach"]
    if seldom := [report.name for report in few_checks(facts)]:
        missing.append(f"more checks of {listed(seldom)}")
    if few := [f"{r.name} has {r.total:.0f}" for r in few_outcomes(facts)]:
        least = facts.spec.analysis.min_outcomes
        missing.append(f"{least} outcomes of each metric ({', '.join(few)})")
    return listed(missing)


def _continue(facts: Facts, reason: Reason, message: str) -> Decision:
    return Decision(Action.CONTINUE, reason, message, resting_phase(facts), facts.status)
