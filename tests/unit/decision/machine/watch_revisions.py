"""What becomes of revisions: numbers, quarantine, promotion, pruning."""

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import QuarantineEntry, TransactionKind
from model_rollout.decision.outcome import Action
from model_rollout.decision.reasons import Reason
from model_rollout.revisions.content import identity
from model_rollout.revisions.history import Revision
from unit.decision.machine.watcher import Patched, Stored, Watcher

BAKE = 120.0

_CONDEMNS_NOTHING = (Reason.ROLLOUT_FAILED, Reason.TARGET_REFUSED)
"""A full cluster says nothing about the revision, and a refusal nothing new about it."""


class Numbers(Watcher):
    """The number of a revision is never used for another content."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def created(self, number: int, digest: str) -> None:
        assert self._known.setdefault(number, digest) == digest, f"{number} is used twice"


class Targets(Watcher):
    """A rollback never goes to what is quarantined or unusable, by a book of its own."""

    def __init__(self) -> None:
        self._condemned: dict[str, tuple[RevisionPhase, float | None]] = {}

    def stored(self, stored: Stored) -> None:
        begun, now = stored.begun, stored.facts.now
        if begun is not None:
            target = stored.facts.by_number[begun.to]
            live = stored.facts.live
            assert live is not None
            result = identity(target.spec.components, live.observed_digest)
            for digest in (target.spec.digest, result):
                phase, expires = self._condemned.get(digest, (None, None))
                assert phase is None or (expires is not None and expires <= now), phase
        self._note(stored)

    def _note(self, stored: Stored) -> None:
        """Write down what is condemned; what a person or a rule sets free is crossed out."""
        before = {entry.digest for entry in stored.before.quarantine}
        after = {entry.digest: entry for entry in stored.after.quarantine}
        for gone in before - after.keys():
            self._condemned.pop(gone, None)  # that it may go is what `Quarantine` checks
        for digest, entry in after.items():
            self._condemned[digest] = (entry.phase, entry.expires)

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        assert patched.status.transaction is not None
        wanted = patched.status.transaction.to
        target = next(r for r in revisions if r.number == wanted)
        phase, expires = self._condemned.get(target.spec.digest, (None, None))
        assert phase is None or (expires is not None and expires <= patched.now)


class Quarantine(Watcher):
    """Who comes into quarantine, who gets out of it and why, and that reverts are bounded."""

    def __init__(self) -> None:
        self._before_chain = False
        self._reverts: dict[str, int] = {}

    def stored(self, stored: Stored) -> None:
        before = {entry.digest: entry for entry in stored.before.quarantine}
        after = {entry.digest: entry for entry in stored.after.quarantine}
        for digest in before.keys() - after.keys():
            self._reverts.pop(digest, None)
            self._let_out(stored, before[digest])
        begun = stored.begun
        if begun is None:
            return
        left = stored.facts.by_number.get(begun.from_)
        digest = stored.before.current.digest if stored.before.current else ""
        if not stored.chained:
            self._before_chain = digest in before
        if begun.kind is TransactionKind.REVERT:
            assert digest in before, "only what is condemned is reverted"
            self._reverts[digest] = self._reverts.get(digest, 0) + 1
            assert self._reverts[digest] <= stored.facts.spec.quarantine.max_reverts
        elif left is not None and begun.reason not in _CONDEMNS_NOTHING:
            assert digest in after, "what is left is condemned with the intent"

    def _let_out(self, stored: Stored, entry: QuarantineEntry) -> None:
        reason, ended = stored.decision.reason, stored.ended
        if entry.expires is not None and entry.expires <= stored.facts.now:
            return
        if reason is Reason.UNQUARANTINED:
            return
        assert ended is not None, f"{reason} let {entry.revision} out"
        assert reason in (Reason.STILL_BREACHED, Reason.REFUSED)
        assert entry.phase is RevisionPhase.QUARANTINED or reason is Reason.REFUSED
        assert not self._before_chain or ended.tried[0] != ended.from_, "it was condemned before"
        assert reason is Reason.REFUSED or ended.metrics, "no metric condemned it"


class Promotion(Watcher):
    """Stable is what served for `bakeTime` without a breach, measured by every metric."""

    def __init__(self) -> None:
        self._breached: tuple[int, float] = (0, 0.0)

    def stored(self, stored: Stored) -> None:
        facts, current = stored.facts, stored.before.current
        if current is not None and any(r.breached for r in facts.guarding):
            self._breached = (current.revision, facts.now)
        if stored.decision.action is not Action.PROMOTE:
            return
        assert current is not None
        assert current.serving_since is not None
        assert facts.now - current.serving_since >= BAKE
        assert not any(r.suspected for r in facts.guarding)
        number, last = self._breached
        assert number != current.revision or facts.now - last >= BAKE
        assert current.digest not in {entry.digest for entry in stored.after.quarantine}
