"""The phases of a ModelRollout and the edges between them: one table."""

from model_rollout.api.status import Phase

_BUSY = frozenset({Phase.ROLLING_BACK, Phase.VERIFYING})
_CALM = frozenset({Phase.PROGRESSING, Phase.HEALTHY, Phase.SUSPECT, Phase.FAILED})

EDGES: dict[Phase, frozenset[Phase]] = {
    # Nothing is recorded yet: only a settled revision, or a hold, leads out.
    Phase.INITIALIZING: frozenset({Phase.PROGRESSING, Phase.HEALTHY, Phase.SUSPECT, Phase.FAILED}),
    Phase.PROGRESSING: _CALM | {Phase.ROLLING_BACK},
    Phase.HEALTHY: _CALM | {Phase.ROLLING_BACK},
    Phase.SUSPECT: _CALM | {Phase.ROLLING_BACK},
    # Applying ends in verification, or in a hold (refused, overtaken by a person).
    Phase.ROLLING_BACK: _CALM | {Phase.VERIFYING},
    # The next candidate of a chain leads back to applying.
    Phase.VERIFYING: _CALM | {Phase.ROLLING_BACK, Phase.ROLLED_BACK},
    Phase.ROLLED_BACK: _CALM | {Phase.ROLLING_BACK},
    # A stalled rollback that comes up after all goes on with its verification.
    Phase.FAILED: _CALM | _BUSY | {Phase.ROLLED_BACK},
    # Paused masks whatever goes on behind it.
    Phase.PAUSED: frozenset(Phase),
}


class IllegalTransition(Exception):
    """A decision asked for a phase that cannot follow the one before: a defect of the core."""


def transition(before: Phase, after: Phase) -> Phase:
    """Return `after`; raises IllegalTransition when it cannot follow `before`."""
    if before is after or after is Phase.PAUSED or after in EDGES[before]:
        return after
    raise IllegalTransition(f"{before.value} cannot be followed by {after.value}")
