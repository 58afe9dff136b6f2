"""The story of a rollback, told to the pure core: what is written, and what a kill changes."""

from collections.abc import Callable

import pytest

from model_rollout.api.revision import RevisionPhase
from model_rollout.api.status import Phase
from unit.decision.world import Killed, World


def good_then(image: str) -> World:
    """Revision 1 is Stable; another image was deployed a moment ago."""
    world = World()
    world.run(20)
    assert world.parsed[1].phase is RevisionPhase.STABLE
    world.deploy(image)
    return world


def reverted() -> World:
    """A quarantined revision was applied again a moment ago."""
    world = good_then("bad:2")
    world.run(20)
    world.deploy("bad:2")
    return world


def switched() -> World:
    """A person flips the switch while a good revision 2 serves."""
    world = good_then("good:2")
    world.run(20)
    world.switch("Rollback")
    return world


STORIES: dict[str, tuple[Callable[[], World], int]] = {
    "metric breached": (lambda: good_then("bad:2"), 25),
    "rollout failed": (lambda: good_then("stuck:2"), 35),
    "reverted": (reverted, 20),
    "switched": (switched, 20),
}


def told(world: World) -> tuple[object, ...]:
    """What must be the same however often the operator died."""
    status = world.status
    last, seen = status.last_transaction, status.kill_switch
    assert last is not None
    records = [(r.sequence, r.stage, r.reason, r.outcome) for r in world.records.values()]
    return (
        records,
        status.phase,
        status.reason,
        status.current and status.current.revision,
        status.attempts,
        len(status.rollbacks),
        [(e.revision, e.phase, e.reverts) for e in status.quarantine],
        (last.from_, last.to, last.outcome, last.id),
        seen and (seen.value, seen.transaction),
    )


@pytest.mark.parametrize(("begin", "ticks"), STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_it_ends_the_same(
    begin: Callable[[], World], ticks: int, after: bool
) -> None:
    whole = begin()
    first = len(whole.writes)
    whole.run(ticks + 10)
    patches = whole.writes[first:].count("patch")
    assert patches == 1
    for at in range(first, len(whole.writes)):
        world = begin()
        world.killed_at, world.killed_after = at, after
        _run(world, ticks + 12)
        assert world.image == "good:1"
        assert told(world) == told(whole), whole.writes[at]
        assert {n: r.phase for n, r in world.parsed.items()} == {
            n: r.phase for n, r in whole.parsed.items()
        }


def _run(world: World, ticks: int) -> None:
    for _ in range(ticks):
        try:
            world.tick()
        except Killed:
            world.crash()


def test_steady_state_writes_nothing() -> None:
    world = World()
    world.run(20)
    before = len(world.writes)
    world.run(60)
    assert world.writes[before:] == []


def test_restart_in_the_steady_state_writes_nothing() -> None:
    world = World()
    world.run(20)
    before = len(world.writes)
    world.crash()
    world.run(5)
    assert world.writes[before:] == []


def test_values_of_a_change_that_was_taken_back_are_not_held_against_the_revision() -> None:
    """Bad for a moment, then back to the good one before it settled: the good one is not blamed."""
    quick = {"metrics": [{"name": "accuracy", "query": "accuracy", "min": 0.85, "for": "0s"}]}
    world = World(**quick)
    world.run(20)
    world.deploy("bad:2")
    world.tick()
    world.deploy("good:1")
    world.check()
    world.run(20)
    assert world.status.attempts == 0
    assert world.status.phase is Phase.HEALTHY


def test_old_pods_that_still_answer_are_not_held_against_the_next_revision() -> None:
    world = good_then("bad:2")
    world.scale(2)
    world.run(2)
    world.deploy("good:3")
    world.run(20)
    assert world.status.phase is Phase.HEALTHY
    assert world.image == "good:3"


def test_outage_blames_nobody_and_ends_by_itself() -> None:
    world = good_then("good:2")
    world.run(20)
    world.outage = True
    world.run(40)
    assert world.status.phase is Phase.FAILED
    assert world.status.quarantine == ()
    assert world.status.attempts == 1
    world.outage = False
    world.run(5)
    assert world.status.phase is Phase.HEALTHY


def test_gitops_that_insists_is_contested_and_left_alone() -> None:
    world = good_then("bad:2")
    world.run(20)
    for _ in range(4):
        world.deploy("bad:2")
        world.run(10)
    assert world.image == "bad:2"
    assert world.writes.count("patch") == 2
    assert world.status.reason == "Contested"
    world.unquarantine = "2"
    world.tick()
    assert world.status.reason != "Contested"
