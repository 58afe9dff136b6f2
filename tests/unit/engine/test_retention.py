"""Old records are deleted from the oldest on, and only by the leader."""

import asyncio
from datetime import UTC, datetime

import pytest

from model_rollout.engine.retention import Retention
from model_rollout.ports.kubernetes import NotFound, Unavailable
from unit.engine.fakes import FakeCluster, FakeTime
from unit.engine.virtual import run
from unit.records.made_up import bodies

DAY = 86_400.0


class Aged:
    """A cluster with a chain of records, one a day; the newest is of today."""

    def __init__(self, count: int = 5, keep: float = 2.5 * DAY) -> None:
        self.cluster, self.clock, self.leads = FakeCluster(), FakeTime(), True
        self.retention = Retention(self.cluster, self.clock, lambda: self.leads, keep)
        for index, body in enumerate(bodies(count)):
            created = datetime.fromtimestamp(self.clock.now - (count - 1 - index) * DAY, UTC)
            metadata = {"uid": body["metadata"]["name"], "creationTimestamp": created.isoformat()}
            body["metadata"] |= metadata
            self.cluster.records_[body["metadata"]["name"]] = body

    @property
    def left(self) -> list[int]:
        return [body["spec"]["sequence"] for body in self.cluster.records_.values()]


def test_records_that_are_older_go() -> None:
    aged = Aged()
    run(aged.retention.sweep())
    assert aged.left == [3, 4, 5]


def test_newest_record_stays() -> None:
    aged = Aged(keep=0.0)
    aged.clock.now += DAY
    run(aged.retention.sweep())
    assert aged.left == [5]


def test_without_the_lease_nothing_is_deleted() -> None:
    aged = Aged()
    aged.leads = False
    run(aged.retention.sweep())
    assert aged.left == [1, 2, 3, 4, 5]


def test_deletion_that_fails_leaves_no_gap_and_is_made_by_the_next_sweep() -> None:
    aged = Aged()
    aged.cluster.fail["delete_record"] = [Unavailable("503")]

    async def two_sweeps() -> None:
        try:
            async with asyncio.timeout(6 * 3600.0 + 1.0):
                await aged.retention.run()
        except TimeoutError:
            pass

    with pytest.raises(Unavailable):
        run(aged.retention.sweep())
    assert aged.left == [1, 2, 3, 4, 5]
    aged.cluster.fail["delete_record"] = [Unavailable("503")]
    run(two_sweeps())
    assert aged.left == [3, 4, 5]


def test_kind_that_is_not_installed_is_noticed_at_the_start() -> None:
    aged = Aged()
    aged.cluster.fail["records"] = [NotFound("404")]
    with pytest.raises(NotFound):
        run(aged.retention.check())
