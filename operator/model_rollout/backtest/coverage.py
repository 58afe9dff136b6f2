"""How far back Prometheus remembers what the metrics ask for."""

from math import ceil

from model_rollout.analysis.measurement import Ambiguous
from model_rollout.backtest.clock import Grid
from model_rollout.backtest.history import History
from model_rollout.backtest.manifests import InputError
from model_rollout.backtest.text import moment

_POINTS = 1000


async def begin_of_data(
    history: History, asked: tuple[tuple[str, bool], ...], period: Grid
) -> float:
    """Return when the first data of any metric are there, to a thousandth of the period.

    Args:
        history: Whom to ask.
        asked: Expressions, and whether they are selectors of counters.
        period: The checks that are to be made.

    Raises:
        InputError: when there are no data at all.
        HistoryError: when Prometheus gives no answer.
    """
    step = period.interval * max(1, ceil(period.count / _POINTS))
    first = None
    for promql, is_selector in asked:
        # How many series there are says when there are some, at a fraction of the size.
        expression = f"count({promql})" if is_selector else promql
        found = await history.vectors(expression, period.begin, period.end, step)
        if isinstance(found, Ambiguous):
            return period.begin
        times = [series.samples[0].time for series in found if series.samples]
        first = min([*times, *([] if first is None else [first])], default=None)
    if first is None:
        raise InputError(
            f"no metric has any sample between {moment(period.begin)} and {moment(period.end)}: "
            "try the queries in Prometheus, or write another --since"
        )
    return first - step
