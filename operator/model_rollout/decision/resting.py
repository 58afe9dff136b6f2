"""Decisions that write nothing to the workload: wait, hold, note, and the phase meanwhile."""

from collections.abc import Mapping

from model_rollout.api.status import Phase, Stage
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Action, Decision
from model_rollout.decision.reasons import Reason


def resting_phase(facts: Facts) -> Phase:
    """Return the phase while nothing new is decided, from what is stored alone."""
    status = facts.status
    if status.transaction is not None:
        verifying = status.transaction.stage is Stage.VERIFYING
        return Phase.VERIFYING if verifying else Phase.ROLLING_BACK
    if status.failure is not None:
        return Phase.FAILED
    if status.current is None:
        return Phase.INITIALIZING
    if _cooling_down(facts):
        return Phase.ROLLED_BACK
    if any(report.suspicious for report in facts.reports):
        return Phase.SUSPECT
    return Phase.HEALTHY if facts.is_stable else Phase.PROGRESSING


def _cooling_down(facts: Facts) -> bool:
    """`RolledBack` lasts until the cooldown ends, while the restored revision is the current one."""
    last = facts.status.last_transaction
    if last is None or facts.status.phase not in (Phase.ROLLED_BACK, Phase.PAUSED):
        return False
    verified = last.outcome in (Reason.SUCCEEDED, Reason.UNVERIFIED)
    unchanged = facts.current is not None and facts.current.since <= last.ended_at
    return verified and unchanged and facts.now < last.started_at + facts.spec.rollback.cooldown


def wait(facts: Facts, reason: Reason, message: str) -> Decision:
    """Return the decision to wait for something that happens by itself."""
    return Decision(Action.WAIT, reason, message, resting_phase(facts), facts.status)


def unrecorded(facts: Facts, decision: Decision) -> Decision:
    """Return what is decided while a record is not written: nothing that touches the workload."""
    if not decision.writes_workload:
        return decision
    message = (
        f"{facts.unrecorded}; until then the workload is left alone, and the rollback of revision "
        f"{decision.from_} to revision {decision.to} waits"
    )
    return hold(facts, Reason.UNRECORDED, message, from_=decision.from_, to=decision.to)


def hold(
    facts: Facts,
    reason: Reason,
    message: str,
    *,
    phase: Phase | None = None,
    from_: int | None = None,
    to: int | None = None,
) -> Decision:
    """Return the decision to leave the workload as it is, with the reason."""
    return Decision(
        Action.HOLD,
        reason,
        message,
        resting_phase(facts) if phase is None else phase,
        facts.status,
        from_=from_,
        to=to,
    )


def note(
    facts: Facts,
    reason: Reason,
    message: str,
    changes: Mapping[str, object] | None = None,
    *,
    drop: tuple[str, ...] = (),
    of: int | None = None,
) -> Decision:
    """Return the decision to write down what a person did; `drop` names annotations."""
    return Decision(
        Action.NOTE,
        reason,
        message,
        resting_phase(facts),
        facts.status.model_copy(update=changes or {}),
        again=True,
        drop=drop,
        from_=of,
    )
