"""What may begin a transaction, how often, and where a chain goes."""

from model_rollout.api.rollout import KillSwitch, RollbackMode
from model_rollout.api.status import Transaction, TransactionKind
from model_rollout.decision.reasons import Reason
from unit.decision.machine.watcher import Stored, Watcher

WARM_UP, DEADLINE = 20.0, 120.0


class Brakes(Watcher):
    """Budget and cooldown of automatic rollbacks; a chain counts once."""

    def __init__(self) -> None:
        self._starts: list[float] = []

    def stored(self, stored: Stored) -> None:
        begun = stored.begun
        if begun is None or stored.chained or begun.kind is not TransactionKind.ROLLBACK:
            return
        rollback, now = stored.facts.spec.rollback, stored.facts.now
        if self._starts:
            assert now - self._starts[-1] >= rollback.cooldown, "within the cooldown"
        recent = [start for start in self._starts if now - start < rollback.budget.per]
        assert len(recent) < rollback.budget.max_rollbacks, "over the budget"
        self._starts.append(now)


class Mode(Watcher):
    """Who may begin: in DryRun, and while the switch is Rollback, nobody but the switch."""

    def stored(self, stored: Stored) -> None:
        begun, spec = stored.begun, stored.facts.spec
        if begun is None or stored.chained:
            return
        by_switch = begun.kind is TransactionKind.SWITCH
        if spec.rollback.mode is RollbackMode.DRY_RUN:
            assert by_switch
        if spec.kill_switch is KillSwitch.ROLLBACK:
            assert begun.kind is not TransactionKind.ROLLBACK
        assert by_switch <= (spec.kill_switch is KillSwitch.ROLLBACK)


class OncePerFlip(Watcher):
    """A flip of the switch leads to one transaction at most."""

    def __init__(self) -> None:
        self._begun = 0

    def flipped(self) -> None:
        self._begun = 0

    def stored(self, stored: Stored) -> None:
        begun = stored.begun
        if begun is not None and not stored.chained and begun.kind is TransactionKind.SWITCH:
            self._begun += 1
            assert self._begun <= 1, "two transactions for one flip"


class Chain(Watcher):
    """A chain never goes to a revision that it left or went to before."""

    def __init__(self) -> None:
        self._been: set[int] = set()

    def stored(self, stored: Stored) -> None:
        begun, before = stored.begun, stored.before.transaction
        if begun is None:
            return
        if before is not None and stored.chained:
            assert begun.reason in (Reason.TARGET_UNUSABLE, Reason.TARGET_REFUSED)
            assert begun.tried[: len(before.tried)] == before.tried
        else:
            self._been = set()
        self._been |= {begun.from_}
        assert begun.to not in self._been, "the chain was there before"
        assert begun.result not in self._been
        self._been |= {begun.to, begun.result}


class Evidence(Watcher):
    """An automatic rollback has a reason that can be seen in the facts."""

    def stored(self, stored: Stored) -> None:
        begun, facts, current = stored.begun, stored.facts, stored.before.current
        if begun is None or begun.kind is not TransactionKind.ROLLBACK or stored.chained:
            return
        assert current is not None
        if begun.reason == Reason.ROLLOUT_FAILED:
            since = current.since if current.serving_since is None else current.failing_since
            assert since is not None
            assert facts.now - since >= DEADLINE
            return
        assert begun.reason in (Reason.METRIC_BREACHED, Reason.METRIC_SILENT)
        guilty = [r for r in facts.guarding if r.breached or r.silence_counts]
        assert {r.name for r in guilty} == set(begun.metrics) != set()
        assert current.serving_since is not None
        assert facts.now - current.serving_since >= WARM_UP


class Latch(Watcher):
    """After a rollback that did not help, none by itself until the metrics were clear or a deploy."""

    def __init__(self) -> None:
        self._latched: tuple[frozenset[str], frozenset[int]] | None = None

    def stored(self, stored: Stored) -> None:
        self._fall(stored)
        begun = stored.begun
        if begun is not None:
            by_itself = begun.kind is TransactionKind.ROLLBACK and not stored.chained
            assert not (self._latched and by_itself), "the failure is latched"
        last = stored.after.last_transaction
        if stored.ended is None or last is None or last.outcome != Reason.STILL_BREACHED:
            return
        wanted = stored.ended.metrics or tuple(r.name for r in stored.facts.guarding)
        breached = {r.name for r in stored.facts.guarding if r.breached}
        names = frozenset(breached.intersection(wanted))
        self._latched = (names, frozenset(_known(stored.ended)))

    def _fall(self, stored: Stored) -> None:
        if self._latched is None:
            return
        names, revisions = self._latched
        clear = all(r.clear for r in stored.facts.reports if r.name in names)
        current = stored.before.current
        assert current is not None
        described_anew = stored.decision.reason is Reason.COMPONENTS_CHANGED
        if described_anew and current.revision in revisions and stored.after.current is not None:
            self._latched = (names, revisions | {stored.after.current.revision})
        # A person who uses the switch, or applies what is reverted, takes over.
        begun = stored.begun
        by_person = begun is not None and begun.kind is not TransactionKind.ROLLBACK
        if clear or current.revision not in revisions or by_person:
            self._latched = None


def _known(transaction: Transaction) -> set[int]:
    return {transaction.from_, transaction.to, transaction.result, *transaction.tried}
