"""Which records are old enough to go: the oldest of a chain, never the newest one."""

from collections.abc import Iterable
from dataclasses import dataclass

DAY = 86_400.0
LEAST_KEPT = DAY
LONGEST_KEPT = 3650 * DAY


@dataclass(frozen=True, slots=True)
class Kept:
    """What retention needs to know of one record."""

    namespace: str
    name: str
    uid: str
    chain: str
    """UID of the ModelRollout."""
    sequence: int
    time: float
    """When it was created, by the clock of the API server, in seconds since the epoch."""


def outdated(records: Iterable[Kept], before: float) -> tuple[Kept, ...]:
    """Return the records to delete, in this order: those created before `before`, oldest first.

    One that is younger ends it, so that a chain never gets a gap; the newest one always stays.
    """
    chains: dict[str, list[Kept]] = {}
    for record in records:
        chains.setdefault(record.chain, []).append(record)
    return tuple(record for chain in chains.values() for record in _oldest(chain, before))


def _oldest(chain: list[Kept], before: float) -> Iterable[Kept]:
    for record in sorted(chain, key=lambda record: record.sequence)[:-1]:
        if record.time >= before:
            return
        yield record
