"""A backtest from files to a result."""

import time
from collections.abc import Callable, Iterator

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.types import duration_text
from model_rollout.backtest.clock import Grid, grid
from model_rollout.backtest.coverage import begin_of_data
from model_rollout.backtest.history import History
from model_rollout.backtest.manifests import InputError, Inputs
from model_rollout.backtest.policy import outside, replayed, templates
from model_rollout.backtest.replay import Progress, Replay, Replayed
from model_rollout.backtest.replicasets import Rollouts, read_rollouts
from model_rollout.backtest.result import Result
from model_rollout.backtest.text import length, moment
from model_rollout.backtest.trace import Trace
from model_rollout.backtest.workload import Workload
from model_rollout.ports.prometheus import Endpoint, RangeQueries

_COARSE = 1.5
"""Samples that are so many intervals apart decide later than those of an operator would have."""


async def run_backtest(
    inputs: Inputs,
    ranges: RangeQueries,
    endpoint: Endpoint,
    since: float,
    until: float,
    progress: Progress,
) -> Result:
    """Replay a policy; times in seconds since the epoch.

    Raises:
        InputError: what was written cannot be replayed.
        HistoryError: Prometheus gives no answer.
    """
    started = time.monotonic()
    body, spec = replayed(inputs)
    asked = grid(since, until, spec.analysis.interval)
    if asked.count < 2:
        wanted = duration_text(spec.analysis.interval)
        raise InputError(f"the period holds no two checks of {wanted}: write a longer --since")
    history = History(ranges, endpoint)
    rollouts = await read_rollouts(history, inputs.namespace, spec.target_ref.name, asked)
    manifest = inputs.deployment.body if inputs.deployment else None
    workload = Workload(spec, inputs.namespace, manifest, rollouts)

    def replay(period: Grid) -> Replay:
        objects = workload.objects(period.begin)
        return Replay(body, templates(inputs), objects, history, period)

    came = await _replayed(replay, history, asked, until, progress)
    period = came.period
    return Result(
        namespace=inputs.namespace,
        name=inputs.rollout.name,
        workload=spec.target_ref.name,
        period=period,
        spells=came.spells,
        images={name: dict(rs.images) for name, rs in rollouts.replica_sets.items()},
        episodes=came.episodes,
        traces=came.traces,
        unknown=tuple(_unknown(spec, inputs, rollouts, came, asked)),
        elapsed=time.monotonic() - started,
    )


async def _replayed(
    replay: Callable[[Grid], Replay],
    history: History,
    asked: Grid,
    until: float,
    progress: Progress,
) -> Replayed:
    """Make all checks, from the first one on at which there can be data."""
    found = replay(asked)
    try:
        await found.first()
        begin = await begin_of_data(history, found.prometheus.asked, asked)
        period = grid(max(begin, asked.begin), until, asked.interval)
        if period != asked:
            found.close()
            found = replay(period)
        return await found.run(progress)
    finally:
        found.close()


def _unknown(
    spec: ModelRolloutSpec, inputs: Inputs, rollouts: Rollouts, came: Replayed, asked: Grid
) -> Iterator[str]:
    """Yield what the history cannot tell, the most important first."""
    if came.period.begin > asked.begin:
        yield (
            f"anything before {moment(came.period.begin)}: Prometheus has no samples of these "
            f"metrics from {moment(asked.begin)} on, so the replay begins later than --since"
        )
    yield from rollouts.unknown
    if elsewhere := outside(inputs.rollout.body):
        yield (
            f"what {', '.join(elsewhere)} was: ConfigMaps and servers leave nothing in Prometheus, so "
            "a change of them is no revision in a replay"
        )
    if rollouts.states:
        yield from _before(rollouts, came.period)
        yield from _components(spec)
    for trace in came.traces:
        yield from _gaps(trace, came.period)
    yield from _spacings(came)
    if inputs.rollout.body["spec"].get("killSwitch", "None") != "None":
        yield "what people did with the kill switch: it is off in a replay, also where the file sets it"


def _before(rollouts: Rollouts, period: Grid) -> Iterator[str]:
    first = rollouts.states[0]
    if first.time > period.time(min(10, period.count - 1)):
        yield (
            f"which revision served before {moment(first.time)}: there is nothing of "
            f"kube-state-metrics, so ReplicaSet {first.newest} counts as having served since the "
            "beginning"
        )


def _components(spec: ModelRolloutSpec) -> Iterator[str]:
    literal = [c.name for c in spec.components if c.env or c.arg or c.field]
    if literal:
        names = ", ".join(literal)
        yield (
            f"the values of {names}: of a pod template only the images are in Prometheus, so each "
            "ReplicaSet counts as a value of its own"
        )
    if any(c.pod_template is not None for c in spec.components):
        yield (
            "what changed in the pod template beside its images, so each ReplicaSet counts as a "
            "template of its own"
        )


def _gaps(trace: Trace, period: Grid) -> Iterator[str]:
    if not trace.checks_with_data:
        yield f"anything about {trace.name}: it had no data in the whole period"
        return
    if not trace.gaps:
        return
    gaps = [(begin, period.end if end is None else end) for begin, end in trace.gaps]
    begin, end = max(gaps, key=lambda gap: gap[1] - gap[0])
    text = f"from {moment(begin)} to {moment(end)} ({length(end - begin)})"
    if len(gaps) > 1:
        whole = length(sum(end - begin for begin, end in gaps))
        text = f"{len(gaps)} times, {whole} in all, the longest {text}"
    yield f"what {trace.name} was while it had no data for longer than noDataAfter: {text}"


def _spacings(came: Replayed) -> Iterator[str]:
    for selector, found in sorted(came.spacings.items()):
        coarse = [spacing for spacing in found if spacing > _COARSE * came.period.interval]
        if coarse:
            yield (
                f"what {selector} was between its samples: they are up to "
                f"{duration_text(max(coarse))} apart, and checks come every "
                f"{duration_text(came.period.interval)}, so decisions may have come sooner"
            )
