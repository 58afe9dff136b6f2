"""What auditors read: every beginning and every end is recorded, in one chain without a gap."""

from model_rollout.api.record import RecordStage, RolloutRecordSpec
from model_rollout.decision.recorded import DECISIONS
from model_rollout.records.chain import as_json, content_digest, record_name
from model_rollout.revisions.history import Revision
from unit.decision.machine.watcher import Patched, Stored, Watcher


class Records(Watcher):
    """Keeps all records as RolloutRecords would be kept: from each status that was written."""

    def __init__(self) -> None:
        self._chain: list[RolloutRecordSpec] = []

    def stored(self, stored: Stored) -> None:
        new = stored.after.records if stored.after.records != stored.before.records else ()
        for record in new:
            self._follows(record)
            self._chain.append(record)
        assert [(r.stage, r.transaction) for r in new] == _wanted(stored), stored.decision.reason
        assert all(len(record.message.split()) > 1 for record in new)

    def _follows(self, record: RolloutRecordSpec) -> None:
        assert record.digest == content_digest(as_json(record))
        assert record.sequence == len(self._chain) + 1
        if self._chain:
            before = self._chain[-1]
            assert record.previous is not None
            assert (record.previous.name, record.previous.digest) == (
                record_name(as_json(before)),
                before.digest,
            )

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        transaction = patched.status.transaction
        assert transaction is not None
        intents = [r.transaction for r in self._chain if r.stage is RecordStage.INTENT]
        assert intents.count(transaction.id) == 1


def _wanted(stored: Stored) -> list[tuple[RecordStage, str]]:
    """What this status must have recorded, in this order."""
    found = []
    before = stored.before.transaction
    if before is not None and (stored.ended or stored.chained):
        found.append((RecordStage.OUTCOME, before.id))
    if stored.begun is not None:
        approve = stored.facts.approve
        if approve is not None and approve.strip() == stored.begun.id:
            found.append((RecordStage.DECISION, stored.begun.id))
        found.append((RecordStage.INTENT, stored.begun.id))
    told = stored.after.last_decision != stored.before.last_decision
    if not found and told and stored.decision.reason in DECISIONS:
        found.append((RecordStage.DECISION, ""))
    return found
