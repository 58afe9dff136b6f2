"""What a backtest says: all that is shown, whatever it is shown as."""

from collections.abc import Mapping
from dataclasses import dataclass

from model_rollout.api.types import duration_text
from model_rollout.backtest.clock import Grid
from model_rollout.backtest.episodes import Episode, Kind
from model_rollout.backtest.replay import Spell
from model_rollout.backtest.trace import Trace


@dataclass(frozen=True, slots=True)
class Result:
    """One policy over one period."""

    namespace: str
    name: str
    workload: str
    period: Grid
    spells: tuple[Spell, ...]
    images: Mapping[str, Mapping[str, str]]
    """By ReplicaSet and container, as far as they are known."""
    episodes: tuple[Episode, ...]
    traces: tuple[Trace, ...]
    unknown: tuple[str, ...]
    """What the history cannot tell."""
    elapsed: float
    """Seconds that it took."""

    def of(self, kind: Kind) -> tuple[Episode, ...]:
        """Return the episodes of one kind, oldest first."""
        return tuple(e for e in self.episodes if e.sighting.kind is kind)

    @property
    def interval(self) -> str:
        """Time between two checks, as people write it."""
        return duration_text(self.period.interval)
