"""Clocks that stand still, and latches that fall by themselves: facts brought up to date first."""

from dataclasses import replace

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import CurrentRevision, ModelRolloutStatus
from model_rollout.decision.facts import Facts

_LAG = 5.0
"""Seconds after a change in which the controller may not have seen it yet without that being odd."""


def brought_up_to_date(facts: Facts) -> Facts:
    """Return the facts with clocks stopped or started and with fallen latches removed."""
    status = facts.status
    if status.current is not None:
        current = _breached(facts, _failing(facts, _held(facts, status.current)))
        status = status.model_copy(update={"current": current})
    if status.transaction is not None and facts.switch is not KillSwitch.PAUSE:
        going_on = status.transaction.model_copy(update={"interrupted": False})
        status = status.model_copy(update={"transaction": going_on})
    status = _without_fallen_failure(facts, status)
    status = _without_expired(facts, status)
    return facts if status == facts.status else replace(facts, status=status)


def _stands_still(facts: Facts, current: CurrentRevision) -> bool:
    if facts.workload is None:
        return True
    # One that serves waits for no controller: every scaling would stop and start its clocks.
    waits = current.serving_since is None and facts.now - current.since > _LAG
    lagging = waits and not facts.workload.caught_up
    interrupted = (
        facts.status.transaction is not None
        and facts.switch is KillSwitch.PAUSE
        and facts.status.transaction.interrupted
    )
    # Somebody has yet to restart the pods; until then the old contents serve.
    unread = current.serving_since is None and bool(facts.unread_config_map)
    still = facts.workload.desired == 0 or bool(facts.workload.waits)
    return still or lagging or interrupted or unread


def _held(facts: Facts, current: CurrentRevision) -> CurrentRevision:
    still = _stands_still(facts, current)
    if still and current.held_since is None:
        return current.model_copy(update={"held_since": facts.now})
    if not still and current.held_since is not None:
        held = current.held_seconds + max(0.0, facts.now - current.held_since)
        return current.model_copy(update={"held_since": None, "held_seconds": round(held, 3)})
    return current


def _failing(facts: Facts, current: CurrentRevision) -> CurrentRevision:
    """Note since when the pods of a revision that already served crash."""
    if current.serving_since is None or facts.workload is None:
        return current
    # Where clocks stand still, nobody waits for the pods: the deadline begins anew afterwards.
    fine = facts.workload.rolled_out or current.held_since is not None
    if fine:
        return current.model_copy(update={"failing_since": None})
    stuck = facts.pods is not None and bool(facts.pods.stuck)
    if stuck and current.failing_since is None:
        return current.model_copy(update={"failing_since": facts.now})
    return current


def _breached(facts: Facts, current: CurrentRevision) -> CurrentRevision:
    """Note a breach that was not acted on: what follows it is a fresh bake."""
    if facts.breaches and current.breached_since is None:
        return current.model_copy(update={"breached_since": facts.now, "clear_since": None})
    clear = facts.guarding and all(report.clear for report in facts.guarding)
    if clear and current.breached_since is not None:
        return current.model_copy(update={"breached_since": None, "clear_since": facts.now})
    return current


def _without_fallen_failure(facts: Facts, status: ModelRolloutStatus) -> ModelRolloutStatus:
    """A failure latch falls when its metrics were clear once, or something new is deployed."""
    failure = status.failure
    if failure is None:
        return status
    reports = [report for report in facts.reports if report.name in failure.metrics]
    clear = all(report.clear for report in reports)
    measured = bool(facts.reports) and clear
    current = status.current
    elsewhere = current is not None and current.revision not in failure.revisions
    return status.model_copy(update={"failure": None}) if measured or elsewhere else status


def _without_expired(facts: Facts, status: ModelRolloutStatus) -> ModelRolloutStatus:
    kept = tuple(e for e in status.quarantine if e.expires is None or e.expires > facts.now)
    if len(kept) == len(status.quarantine):
        return status
    return status.model_copy(update={"quarantine": kept})
