"""What people say: the kill switch, and the clearing of a quarantine."""

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.rollout import KillSwitch
from model_rollout.api.status import SwitchStatus, Transaction, TransactionKind
from model_rollout.decision.begin import Cause, begin, without_entries
from model_rollout.decision.conclude import conclude
from model_rollout.decision.facts import UNQUARANTINE_ANNOTATION, Facts
from model_rollout.decision.lifecycle import record
from model_rollout.decision.outcome import Decision
from model_rollout.decision.reasons import Reason
from model_rollout.decision.resting import hold, note
from model_rollout.decision.targets import eligible, find_target
from model_rollout.revisions.history import Revision

_OBEYED = (UNQUARANTINE_ANNOTATION,)


def switch_flipped(facts: Facts) -> Decision | None:
    """Write down every flip of the kill switch, before anything else happens."""
    seen = facts.status.kill_switch
    if seen is None and facts.switch is KillSwitch.NONE:
        return None
    if seen is not None and seen.value is facts.switch:
        return None
    before = seen.value.value if seen else KillSwitch.NONE.value
    flipped = SwitchStatus(value=facts.switch, since=facts.now)
    return note(
        facts,
        Reason.SWITCH_FLIPPED,
        f"The kill switch was flipped from {before} to {facts.switch.value}",
        {"kill_switch": flipped},
    )


def unquarantine(facts: Facts) -> Decision | None:
    """A person clears a quarantine by annotation; the annotation is removed once it is applied."""
    wanted = facts.unquarantine
    if wanted is None:
        return None
    entries = facts.status.quarantine
    entry = next((e for e in entries if str(e.revision) == wanted.strip()), None)
    if entry is None and _cleared(facts, wanted.strip()):
        last = facts.status.last_decision
        assert last is not None
        return note(facts, Reason.UNQUARANTINED, last.message, drop=_OBEYED, of=last.from_)
    if entry is None:
        numbers = ", ".join(str(e.revision) for e in entries) or "none is quarantined"
        message = (
            f"the unquarantine annotation names {wanted.strip()[:40]!r}; write the number of a "
            f"quarantined revision: {numbers}"
        )
        return note(facts, Reason.UNQUARANTINE_REFUSED, message, drop=_OBEYED)
    return note(
        facts,
        Reason.UNQUARANTINED,
        f"The quarantine of revision {entry.revision} ({entry.reason}) was cleared by a person",
        {"quarantine": without_entries(facts.status, (entry.revision,))},
        drop=_OBEYED,
        of=entry.revision,
    )


def _cleared(facts: Facts, wanted: str) -> bool:
    """It was cleared before, and only the removal of the annotation did not happen."""
    last = facts.status.last_decision
    return last is not None and last.reason == Reason.UNQUARANTINED and str(last.from_) == wanted


def switch_rollback(facts: Facts) -> Decision | None:
    """`killSwitch: Rollback`: one transaction per flip, without waiting for metrics."""
    seen = facts.status.kill_switch
    if facts.switch is not KillSwitch.ROLLBACK or seen is None or facts.live is None:
        return None
    if seen.transaction is not None:
        return None
    transaction = facts.status.transaction
    if transaction is not None:
        return _adopt(facts, seen, transaction)
    if facts.current is None or facts.current.digest != facts.live.digest:
        # The revision that is left must be known, to be quarantined and to be shown: no settling.
        return record(facts, facts.live)
    begun = _begun(facts)
    # Where there is no way back, `switch_holds` says so; revisions are recorded all the same.
    return begun if begun is not None and begun.writes_workload else None


def _begun(facts: Facts) -> Decision | None:
    """The switch's rollback, or why nothing can be restored; None without a target."""
    target = _wanted(facts)
    if target is None:
        return None
    cause = Cause(
        kind=TransactionKind.SWITCH,
        reason=Reason.SWITCH_ROLLBACK,
        sentence="killSwitch: Rollback",
        condemn=RevisionPhase.QUARANTINED,
    )
    return begin(facts, cause, target)


def _adopt(facts: Facts, seen: SwitchStatus, transaction: Transaction) -> Decision | None:
    wanted = facts.spec.rollback.to_revision
    if wanted is not None and wanted != transaction.to:
        if _wanted(facts) is None:
            return None  # a target that cannot be is no reason to give up the way back
        message = f"the kill switch asks for revision {wanted} instead of {transaction.to}"
        return conclude(facts, transaction, Reason.SUPERSEDED, message)
    adopted = seen.model_copy(update={"transaction": transaction.id})
    message = f"The kill switch adopts the rollback to revision {transaction.to} that is under way"
    return note(facts, Reason.SWITCH_ROLLBACK, message, {"kill_switch": adopted})


def _wanted(facts: Facts) -> Revision | None:
    number = facts.spec.rollback.to_revision
    if number is None:
        return find_target(facts)
    revision = facts.by_number.get(number)
    return revision if revision is not None and eligible(facts, revision) else None


def _no_target(facts: Facts) -> str:
    number = facts.spec.rollback.to_revision
    if number is None:
        return "killSwitch is Rollback, and there is no revision to go back to; nothing was changed"
    usable = ", ".join(str(r.number) for r in facts.revisions if eligible(facts, r)) or "none"
    return (
        f"killSwitch is Rollback, and revision {number} is missing, quarantined or deployed already; "
        f"nothing was changed. Write in rollback.toRevision one of: {usable}"
    )


def switch_holds(facts: Facts) -> Decision | None:
    """While it is Rollback the switch keeps all other automation off, also after its rollback."""
    seen = facts.status.kill_switch
    if facts.switch is not KillSwitch.ROLLBACK or seen is None:
        return None
    if seen.transaction is None:
        settled = facts.current is not None and facts.live is not None
        begun = _begun(facts) if settled else None
        return begun or hold(facts, Reason.NO_TARGET, _no_target(facts))
    last = facts.status.last_transaction
    ended = last.outcome if last is not None and last.id == seen.transaction else "done"
    return hold(
        facts,
        Reason.SWITCHED_BACK,
        f"killSwitch is Rollback and its rollback has ended ({ended}); set it to None to turn "
        "automation on",
    )
