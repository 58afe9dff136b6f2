"""Liveness: when everything works and nobody does anything, the machine comes to rest, and well."""

from collections.abc import Callable

from model_rollout.decision.reasons import Reason
from unit.decision.machine.cluster import Cluster

LONGEST = 150
"""Ticks within which everything must have come to rest: more than all waits one after the other."""
QUIET = 4
"""Ticks without a write after which nothing is expected to be written any more."""

_LEFT_ALONE = (Reason.CONTESTED, Reason.DRY_RUN, Reason.NO_TARGET, Reason.NOTHING_TO_RESTORE)
"""Why what must not serve is still deployed."""


def come_to_rest(cluster: Cluster, tick: Callable[[], tuple[str, int]]) -> None:
    """Assert that it rests: Watching, unless a person left something that must not serve."""
    last, same = ("", 0), 0
    for _ in range(LONGEST):
        found = tick()
        at_rest = found[0] in (Reason.WATCHING, *_LEFT_ALONE) and found == last
        last, same = found, same + 1 if at_rest else 0
        if same > QUIET:
            break
    else:
        raise AssertionError(f"no rest: {last[0]}")
    assert last[0] in _allowed(cluster), last[0]
    _assert_told(cluster)


def _allowed(cluster: Cluster) -> tuple[str, ...]:
    content = cluster.content
    assert content is not None
    return _LEFT_ALONE if content.digest in cluster.condemned else (Reason.WATCHING,)


def _assert_told(cluster: Cluster) -> None:
    """What is stored fits what is there, and no more is kept than the owner asked for."""
    status, revisions = cluster.status, cluster.parsed
    assert status.transaction is None
    assert status.failure is None
    # The current one, the newest stable one and the newest are kept in any case.
    assert len(revisions) <= max(cluster.spec.history.limit, 3)
    phases = {r.number: r.phase for r in revisions}
    for entry in status.quarantine:
        assert phases.get(entry.revision, entry.phase) is entry.phase
    if status.stable is not None:
        assert phases.get(status.stable.revision, "Stable") == "Stable"  # a person deleted it
