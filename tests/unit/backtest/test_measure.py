"""That measuring without tasks is the same as the way the operator does it."""

from unittest.mock import patch

from model_rollout.backtest import replay as module
from model_rollout.backtest.clock import Grid
from model_rollout.engine.measure import all_at_once
from unit.backtest.test_replay import BEGIN, COUNTS, SWITCH, VALUE, eventful, replayed, rollout


async def test_measuring_one_by_one_is_the_same() -> None:
    period = Grid(SWITCH - 3600.0, 30.0, 600)
    body = rollout(COUNTS, VALUE)
    ours = await replayed(eventful(1), body, period=period)
    with patch.object(module, "one_by_one", all_at_once):
        theirs = await replayed(eventful(1), body, period=period)
    assert period.begin > BEGIN
    assert ours.episodes == theirs.episodes
    assert [list(t.shares) for t in ours.traces] == [list(t.shares) for t in theirs.traces]
    assert max(ours.traces[0].shares) > 0.5
