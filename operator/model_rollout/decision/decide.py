"""The decision: a visible, ordered list of checks. The first that finds something decides."""

from collections.abc import Callable
from dataclasses import replace

from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import Phase
from model_rollout.decision import breach, lifecycle, persons, transaction
from model_rollout.decision.approval import answered
from model_rollout.decision.clocks import brought_up_to_date
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Decision
from model_rollout.decision.resting import unrecorded

Check = Callable[[Facts], Decision | None]

CHECKS: tuple[Check, ...] = (
    persons.switch_flipped,  # what people do is written down first
    persons.unquarantine,
    lifecycle.target_taken,  # two guards would undo each other
    lifecycle.workload_missing,
    persons.switch_rollback,  # 1. a switch is on: what it says (Pause masks writes, see `decide`)
    transaction.in_flight,  # 2. finish, verify or abandon
    lifecycle.component_unreadable,  # 3. something is missing
    lifecycle.content_changed,  # 5. settling, then a revision of its own
    breach.quarantined_applied,  # 3. allow or revert what must not serve, then Contested
    lifecycle.serve,  # the current revision begins to serve
    persons.switch_holds,  # 1. no other automation until the switch is None
    breach.did_not_help,  # a rollback that did not help latches
    breach.rollout_failed,  # 4. by the deadline, or crash-looping
    lifecycle.rolling_out,  # 5. being rolled out
    lifecycle.warming_up,  # 5. warming up
    lifecycle.spec_invalid,  # 3. analysis.when cannot be compiled: no breach can be judged
    breach.metric_breached,  # 6. brakes, 7. act; not masked by another metric's missing data
    breach.undecided,  # 8. hold: analysis.when depends on a metric without data
    lifecycle.metrics_unavailable,  # 8. hold
    lifecycle.baked,  # 9. promote
    lifecycle.nothing_wrong,  # 9. continue
)


def decide(facts: Facts) -> Decision:
    """Return the one decision for these facts.

    The same facts give the same decision: there is no clock, no randomness and no input or output
    in here.
    """
    facts = brought_up_to_date(facts)
    decision = next(found for check in CHECKS if (found := check(facts)) is not None)
    paused = facts.switch is KillSwitch.PAUSE
    if paused and decision.writes_workload:
        decision = transaction.interrupted(facts, decision)
    decision = answered(facts, decision)
    if facts.unrecorded:
        decision = unrecorded(facts, decision)
    return replace(decision, phase=Phase.PAUSED) if paused else decision
