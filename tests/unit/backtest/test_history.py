import asyncio

import pytest

from model_rollout.analysis.measurement import Ambiguous, ErrorKind, QueryError
from model_rollout.backtest import history as module
from model_rollout.backtest.history import History, HistoryError, Tape
from unit.backtest.made_up import ENDPOINT, MadeUpHistory


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TRIES", (0.0, 0.0))


@pytest.mark.parametrize("most", [10_000.0, 1_000.0, 700.0])
async def test_what_is_too_large_is_asked_in_halves(most: float) -> None:
    made_up = MadeUpHistory({"up": lambda time: {(): time}}, most_seconds=most)
    [series] = await History(made_up, ENDPOINT).vectors("up", 0.0, 3_000.0, 30.0)
    assert [sample.time for sample in series.samples] == [30.0 * n for n in range(101)]


@pytest.mark.parametrize("most", [10_000.0, 1_000.0, 700.0])
async def test_samples_are_put_together_again(most: float) -> None:
    made_up = MadeUpHistory(most_seconds=most)
    made_up.scrape("x", [(time + 0.5, time) for time in range(0, 3_000, 15)])
    [series] = await History(made_up, ENDPOINT).raw("x", 0.0, 3_000.0)
    assert series == made_up.selectors["x"][0]


async def test_it_gives_up_where_even_a_short_range_is_too_large() -> None:
    history = History(MadeUpHistory(most_seconds=1.0), ENDPOINT)
    with pytest.raises(HistoryError) as caught:
        await history.raw("x", 0.0, 5_000.0)
    assert caught.value.error.kind is ErrorKind.TOO_LARGE
    assert caught.value.promql == "x"


async def test_a_server_that_stumbles_is_asked_again() -> None:
    stumbles = [QueryError(ErrorKind.SERVER, "HTTP 503"), QueryError(ErrorKind.TIMEOUT, "")]
    made_up = MadeUpHistory({"up": lambda time: {(): 1.0}}, failures=stumbles)
    assert await History(made_up, ENDPOINT).vectors("up", 0.0, 30.0, 30.0)


async def test_one_that_stays_away_is_an_error() -> None:
    made_up = MadeUpHistory(failures=[QueryError(ErrorKind.REFUSED, "nobody there")] * 3)
    with pytest.raises(HistoryError, match="nobody there"):
        await History(made_up, ENDPOINT).raw("x", 0.0, 30.0)


async def test_what_will_not_get_better_is_not_asked_again() -> None:
    made_up = MadeUpHistory(failures=[QueryError(ErrorKind.BAD_QUERY, "HTTP 400")])
    with pytest.raises(HistoryError):
        await History(made_up, ENDPOINT).vectors("sum(", 0.0, 30.0, 30.0)
    assert len(made_up.asked) == 1


class Loader:
    """Loads parts and remembers which."""

    def __init__(self) -> None:
        self.loaded: list[tuple[float, float]] = []

    async def __call__(self, begin: float, end: float) -> str:
        self.loaded.append((begin, end))
        await asyncio.sleep(0)
        return f"{begin:g}-{end:g}"


async def test_a_tape_holds_the_part_of_now_and_fetches_the_next_one() -> None:
    loader = Loader()
    tape = Tape(loader, 100.0, 400.0, 120.0)
    assert tape.held(100.0) is None
    assert await tape.part(100.0) == "100-220"
    await asyncio.sleep(0)
    assert loader.loaded == [(100.0, 220.0), (220.0, 340.0)]
    assert tape.held(219.0) == "100-220"
    assert tape.held(220.0) is None
    assert await tape.part(220.0) == "220-340"
    assert await tape.part(390.0) == "340-400"
    assert loader.loaded == [(100.0, 220.0), (220.0, 340.0), (340.0, 400.0)]


async def test_a_tape_can_jump() -> None:
    loader = Loader()
    tape = Tape(loader, 0.0, 1000.0, 100.0)
    await tape.part(0.0)
    assert await tape.part(750.0) == "700-800"
    tape.close()


async def test_an_error_of_a_part_that_nobody_fetches_is_no_noise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def load(begin: float, end: float) -> str:
        if begin:
            raise HistoryError("x", QueryError(ErrorKind.REFUSED, ""))
        return "first"

    tape = Tape(load, 0.0, 1000.0, 100.0)
    await tape.part(0.0)
    await asyncio.sleep(0.01)
    tape.close()
    assert not caplog.records


def test_something_that_holds_no_numbers_is_said_as_such() -> None:
    class Histograms(MadeUpHistory):
        async def raw(self, *_: object) -> Ambiguous:  # type: ignore[override]
            return Ambiguous("a native histogram")

    found = asyncio.run(History(Histograms(), ENDPOINT).raw("x", 0.0, 30.0))
    assert found == Ambiguous("a native histogram")
