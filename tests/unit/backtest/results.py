"""A result to show, without a replay."""

from array import array

from model_rollout.backtest.clock import Grid
from model_rollout.backtest.episodes import Episode, Kind, Sighting
from model_rollout.backtest.replay import Spell
from model_rollout.backtest.result import Result
from model_rollout.backtest.trace import Trace

BEGIN = 1_700_000_010.0
PERIOD = Grid(BEGIN, 30.0, 2_881)
END = PERIOD.end
SWITCH = BEGIN + 43_200.0


def trace(name: str = "accuracy", *, checks: int = PERIOD.count) -> Trace:
    made = Trace(name, ">= 0.85", is_counted=True)
    made.times = array("d", [PERIOD.time(n) for n in range(checks)])
    made.values = array("d", [0.95 if t < SWITCH else 0.6 for t in made.times])
    made.weights = array("d", [20.0] * checks)
    made.lows = array("d", [0.85] * checks)
    made.highs = array("d", [float("nan")] * checks)
    made.shares = array("d", [0.0 if t < SWITCH + 600.0 else 1.05 for t in made.times])
    made.checks_with_data = checks
    made.plain[0].fired = [SWITCH, SWITCH + 60.0]
    made.plain[0].alone = 1
    made.gaps = [(BEGIN, BEGIN + 1800.0)]
    return made


def episode(kind: Kind, begin: float, end: float | None, **changes: object) -> Episode:
    sighting = Sighting(kind, "MetricBreached", "accuracy: 61 of 214 <wrong>", 2)
    fields = {name: getattr(sighting, name) for name in Sighting.__slots__} | changes
    return Episode(Sighting(**fields), begin, end)


ROLLBACK = episode(Kind.ROLLBACK, SWITCH + 600.0, None, target=1, metrics=("accuracy",))
SUSPECT = episode(Kind.SUSPECT, SWITCH + 300.0, SWITCH + 600.0, metrics=("accuracy",))
HOLD = episode(Kind.HOLD, BEGIN + 900.0, BEGIN + 1800.0, reason="MetricsUnavailable", revision=1)


def result(
    *,
    episodes: tuple[Episode, ...] = (HOLD, SUSPECT, ROLLBACK),
    traces: tuple[Trace, ...] | None = None,
    unknown: tuple[str, ...] = ("the values of weights: not in Prometheus",),
) -> Result:
    return Result(
        namespace="ml",
        name="sentiment",
        workload="sentiment",
        period=PERIOD,
        spells=(
            Spell(1, "sentiment-5c8f", BEGIN, BEGIN + 30.0, BEGIN + 3630.0, SWITCH),
            Spell(2, "sentiment-6d4f", SWITCH, SWITCH + 60.0),
        ),
        images={"sentiment-5c8f": {"server": "model:1"}, "sentiment-6d4f": {"server": "model:2"}},
        episodes=episodes,
        traces=(trace(), trace("toxicity")) if traces is None else traces,
        unknown=unknown,
        elapsed=1.26,
    )
