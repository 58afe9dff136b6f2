"""A paged LIST every few minutes: lost deletions, lost changes, a silent watch."""

import asyncio
from collections.abc import Callable

import pytest

from model_rollout.engine.store import Store
from model_rollout.engine.sweep import Sweeper
from model_rollout.ports.kubernetes import Key, Unavailable
from unit.engine.fakes import FakeCluster, rollout_body
from unit.engine.virtual import run

PERIOD, GRACE = 300.0, 30.0
A, B = Key("ml", "a"), Key("ml", "b")


class Watched:
    """A cluster, and a store that a watch fills (or does not)."""

    def __init__(self, *names: str) -> None:
        self.cluster, self.store = FakeCluster(), Store()
        self.sweeper = Sweeper(self.cluster, self.store, PERIOD)
        for name in names:
            self.create(name)
        self.removed: list[Key] = []
        self.store.removed = self.removed.append

    def create(self, name: str, *, seen: bool = True) -> None:
        body = self.cluster.changed(rollout_body(name))
        self.cluster.rollouts_[Key("ml", name)] = body
        if seen:
            self.store.put_rollout(body)

    def change(self, name: str, *, seen: bool = True) -> None:
        key = Key("ml", name)
        body = self.cluster.changed(self.cluster.rollouts_[key])
        self.cluster.rollouts_[key] = body
        if seen:
            self.store.put_rollout(body)

    def catch_up(self) -> None:
        for body in self.cluster.rollouts_.values():
            self.store.put_rollout(body)

    def sweep(self, moment: float, *steps: tuple[float, Callable[[], None]]) -> None:
        """Sweep in virtual time until `moment`."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            for at, do in steps:
                loop.call_at(at, do)
            try:
                async with asyncio.timeout_at(moment):
                    await self.sweeper.run()
            except TimeoutError:
                pass

        run(main())


def test_store_is_filled_before_anything_is_guarded() -> None:
    watched = Watched()
    watched.create("a", seen=False)
    run(watched.sweeper.fill())
    assert watched.store.rollout(A) is not None


def test_filling_needs_the_api_server() -> None:
    watched = Watched()
    watched.cluster.fail["rollouts"] = [Unavailable("503")]
    with pytest.raises(Unavailable):
        run(watched.sweeper.fill())


def test_lost_deletion_is_found() -> None:
    watched = Watched("a", "b")
    del watched.cluster.rollouts_[B]
    watched.sweep(PERIOD + 1.0)
    assert watched.removed == [B]
    assert watched.store.rollout(A) is not None


def test_rollout_that_was_created_after_the_list_is_kept() -> None:
    watched = Watched("a")
    late = watched.cluster.changed(rollout_body("b"))
    watched.store.put_rollout(late)

    async def there(key: Key) -> object:
        return late

    watched.cluster.rollout = there  # type: ignore[assignment, method-assign]
    watched.sweep(PERIOD + 1.0)
    assert watched.removed == []


def test_quiet_cluster_is_no_silent_watch() -> None:
    watched = Watched("a", "b")
    watched.sweep(3 * PERIOD)
    assert watched.sweeper.silent == ""
    assert watched.cluster.calls.count("rollouts") == 2


def test_watch_that_lags_for_a_moment_is_not_silent() -> None:
    watched = Watched("a")
    watched.change("a", seen=False)
    watched.sweep(PERIOD + GRACE + 1.0, (PERIOD + 10.0, watched.catch_up))
    assert watched.sweeper.silent == ""


@pytest.mark.parametrize("lost", ["change", "create"])
def test_watch_that_missed_something_is_silent_and_the_store_is_corrected(lost: str) -> None:
    watched = Watched("a", "b")
    if lost == "change":
        watched.change("a", seen=False)
    else:
        watched.create("c", seen=False)
    watched.sweep(PERIOD + GRACE + 1.0)
    assert watched.sweeper.silent == "the watch missed 1 changes"
    for key, body in watched.cluster.rollouts_.items():
        assert watched.store.rollout(key) is body


def test_watch_that_is_back_is_healthy_after_the_next_sweep() -> None:
    watched = Watched("a")
    watched.change("a", seen=False)
    watched.sweep(2 * PERIOD + GRACE + 1.0)
    assert watched.sweeper.silent == ""


def test_api_server_that_is_away_is_tried_again() -> None:
    watched = Watched("a", "b")
    del watched.cluster.rollouts_[B]
    watched.cluster.fail["rollouts"] = [Unavailable("503")]
    watched.sweep(2 * PERIOD + 1.0)
    assert watched.removed == [B]
