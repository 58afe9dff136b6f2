"""What a policy would have done, as episodes: from the first check that says so to the last. Pure."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What kind of thing an episode is."""

    ROLLBACK = "Rollback"
    """It would have rolled back."""
    HOLD = "Hold"
    """Something should be done, and it would not have been; the reason says why."""
    NOTIFY = "Notify"
    """It would have told people of a breach, and done nothing."""
    SUSPECT = "Suspect"
    """There was evidence against a revision, not enough to act on."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one check says."""

    kind: Kind
    reason: str
    """One word, as in the status."""
    message: str
    """One sentence, as in the status."""
    revision: int | None
    target: int | None = None
    """Where a rollback would have gone."""
    metrics: tuple[str, ...] = ()
    """Those that caused it."""
    weight: float = 0.0
    """Of all checks of an episode, the sentence of the one with the greatest weight is kept."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal in consecutive checks that belong to one episode."""
        caused = self.kind in (Kind.ROLLBACK, Kind.HOLD)  # by whichever metrics
        metrics = () if caused else self.metrics
        return self.kind, self.reason, self.revision, self.target, metrics


@dataclass(frozen=True, slots=True)
class Episode:
    """What consecutive checks said. Times in seconds since the epoch."""

    sighting: Sighting
    begin: float
    end: float | None = None
    """The first check that no longer says so; None: it lasted until the end of the period."""

    def length(self, until: float) -> float:
        """Return its length in seconds; `until` is the end of the period."""
        return (until if self.end is None else self.end) - self.begin


class Episodes:
    """Puts consecutive sightings together.

    The evidence against a bad revision that stays deployed goes up and down around the strength that
    decides. Where the operator acts, it stops at the first time; so here one rollback (or what held
    it up) lasts until its metrics are Clear again, or another revision is deployed. What is suspect
    meanwhile belongs to it, and what is held as well: by then the revision would have been gone.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._open: dict[tuple[object, ...], Episode] = {}
        self._closed: list[Episode] = []

    def observe(
        self,
        now: float,
        sightings: Iterable[Sighting],
        revision: int | None = None,
        not_clear: Container[str] = (),
    ) -> None:
        """Take in all that the check at `now` says; what it does not say any more has ended.

        `revision` is the one that is deployed, `not_clear` are the metrics with evidence against it.
        """
        seen = {sighting.key: sighting for sighting in sightings}
        if not seen and not self._open:
            return
        for key, episode in list(self._open.items()):
            if key in seen or _goes_on(episode.sighting, revision, not_clear):
                continue
            self._closed.append(replace(self._open.pop(key), end=now))
        breaches = [s for s in (*seen.values(), *self._sightings()) if _is_breach(s)]
        for key, sighting in seen.items():
            if not _belongs_to(sighting, breaches):
                self._open[key] = _joined(self._open.get(key), sighting, now)

    def _sightings(self) -> list[Sighting]:
        return [episode.sighting for episode in self._open.values()]

    def all(self) -> tuple[Episode, ...]:
        """Return all episodes, oldest first; those that have not ended have no end."""
        found = [*self._closed, *self._open.values()]
        return tuple(sorted(found, key=lambda e: (e.begin, list(Kind).index(e.sighting.kind))))


def _is_breach(sighting: Sighting) -> bool:
    held = sighting.kind is Kind.HOLD and bool(sighting.metrics)
    return held or sighting.kind is Kind.ROLLBACK


def _goes_on(sighting: Sighting, revision: int | None, not_clear: Container[str]) -> bool:
    ours = _is_breach(sighting) and sighting.revision == revision
    return ours and any(metric in not_clear for metric in sighting.metrics)


def _belongs_to(sighting: Sighting, breaches: list[Sighting]) -> bool:
    if sighting.kind is Kind.HOLD:
        return any(breach.kind is Kind.ROLLBACK for breach in breaches)
    metrics = {metric for breach in breaches for metric in breach.metrics}
    return sighting.kind is Kind.SUSPECT and metrics.issuperset(sighting.metrics)


def _joined(known: Episode | None, sighting: Sighting, now: float) -> Episode:
    if known is None:
        return Episode(sighting, now)
    kept = known.sighting
    if sighting.weight > kept.weight:
        return replace(known, sighting=sighting)
    more = tuple(metric for metric in sighting.metrics if metric not in kept.metrics)
    return replace(known, sighting=replace(kept, metrics=kept.metrics + more)) if more else known


class PlainThreshold:
    """The rule that other tools have: so many samples in a row outside the bounds."""

    def __init__(self, in_a_row: int) -> None:
        """`in_a_row`: how many samples it takes to fire."""
        self._needed = in_a_row
        self._count = 0
        self.fired: list[float] = []
        """When it fired, each time after samples inside the bounds; in seconds since the epoch."""
        self.alone = 0
        """How often it fired while the evidence of the metric was Clear."""

    def observe(self, now: float, *, outside: bool, clear: bool) -> None:
        """Take in one more sample; checks that brought none are left out.

        `clear`: the policy sees no evidence against the revision.
        """
        self._count = self._count + 1 if outside else 0
        if self._count == self._needed:
            self.fired.append(now)
            self.alone += clear
