from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_rollout.analysis.measurement import Ambiguous, NoData, Sample, Series
from model_rollout.backtest.clock import Grid, SimulatedClock
from model_rollout.backtest.history import History
from model_rollout.backtest.recorded import RecordedPrometheus
from unit.backtest.made_up import ENDPOINT, MadeUpHistory, labels

CHECKS = Grid(0.0, 30.0, 12_000)


def recorded(made_up: MadeUpHistory, clock: SimulatedClock) -> RecordedPrometheus:
    return RecordedPrometheus(History(made_up, ENDPOINT), clock, CHECKS)


async def test_an_expression_has_the_value_of_the_simulated_now() -> None:
    clock = SimulatedClock(0.0)
    prometheus = recorded(MadeUpHistory({"q": lambda time: {(): time * 2}}), clock)
    for clock.now in (0.0, 30.0, 60.0, 299_970.0, 300_000.0, 330_000.0):
        assert await prometheus.query(ENDPOINT, "q") == Sample(clock.now, clock.now * 2)
    prometheus.close()


async def test_values_are_asked_for_in_answers_that_prometheus_gives() -> None:
    clock, made_up = SimulatedClock(0.0), MadeUpHistory({"q": lambda time: {(): 1.0}})
    prometheus = recorded(made_up, clock)
    for clock.now in (0.0, 300_000.0):
        await prometheus.query(ENDPOINT, "q")
    assert all((end - begin) / 30.0 < 11_000 for _, begin, end in made_up.asked)
    prometheus.close()


async def test_no_series_and_several_are_told_apart_check_by_check() -> None:
    def vector(time: float) -> dict[tuple[tuple[str, str], ...], float]:
        pods = {0.0: ["a"], 30.0: [], 60.0: ["a", "b"], 90.0: ["b"]}
        return {labels(pod=pod): 1.0 for pod in pods.get(time, [])}

    clock = SimulatedClock(0.0)
    prometheus = recorded(MadeUpHistory({"q": vector}), clock)
    answers = []
    for clock.now in (0.0, 30.0, 60.0, 90.0):
        answers.append(await prometheus.query(ENDPOINT, "q"))
    assert answers == [Sample(0.0, 1.0), NoData("empty"), Ambiguous("2 series"), Sample(90.0, 1.0)]
    prometheus.close()


async def test_a_vector_has_all_its_series() -> None:
    vector = {labels(pod="a"): 1.0, labels(pod="b"): 2.0}
    clock = SimulatedClock(60.0)
    prometheus = recorded(MadeUpHistory({"q": lambda time: vector}), clock)
    assert await prometheus.series(ENDPOINT, "q") == (
        Series(labels(pod="a"), (Sample(60.0, 1.0),)),
        Series(labels(pod="b"), (Sample(60.0, 2.0),)),
    )
    prometheus.close()


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    times=st.sets(st.integers(0, 400_000), min_size=1, max_size=20),
    asked=st.sets(st.integers(0, 400_000), min_size=1, max_size=10),
    lookback=st.sampled_from([60, 300, 3_660, 90_000]),
)
async def test_a_window_is_what_prometheus_would_have_answered(
    times: set[int], asked: set[int], lookback: int
) -> None:
    made_up, clock = MadeUpHistory(), SimulatedClock(0.0)
    samples = [Sample(time / 1.0, float(time)) for time in sorted(times)]
    made_up.scrape("x", [(s.time, s.value) for s in samples], pod="a")
    prometheus = RecordedPrometheus(History(made_up, ENDPOINT), clock, Grid(0.0, 1.0, 400_001))
    for now in sorted(asked):
        clock.now = float(now)
        found = await prometheus.series(ENDPOINT, f"x[{lookback}s]")
        wanted = tuple(s for s in samples if now - lookback < s.time <= now)
        assert found == ((Series(labels(pod="a"), wanted),) if wanted else ())
    prometheus.close()


async def test_the_order_of_series_is_the_same_whatever_the_servers() -> None:
    answers = []
    for pods in (["a", "b"], ["b", "a"]):
        made_up = MadeUpHistory()
        for pod in pods:
            made_up.scrape("x", [(10.0, 1.0)], pod=pod)
        prometheus = recorded(made_up, SimulatedClock(30.0))
        answers.append(await prometheus.series(ENDPOINT, "x[300s]"))
        prometheus.close()
    assert answers[0] == answers[1]


async def test_what_was_asked_is_known_with_its_kind() -> None:
    prometheus = recorded(MadeUpHistory(), SimulatedClock(0.0))
    await prometheus.query(ENDPOINT, "q")
    await prometheus.series(ENDPOINT, 'x{a="["}[300s]')
    assert prometheus.asked == (("q", False), ('x{a="["}', True))
    prometheus.close()


async def test_history_ends_at_the_simulated_now() -> None:
    made_up, clock = MadeUpHistory({"q": lambda time: {(): 1.0}}), SimulatedClock(60.0)
    made_up.scrape("x", [(30.0, 1.0), (90.0, 2.0)])
    prometheus = recorded(made_up, clock)
    values = await prometheus.query_range(ENDPOINT, "q", 0.0, 600.0, 30.0)
    assert isinstance(values, tuple)
    assert [sample.time for sample in values] == [0.0, 30.0, 60.0]
    [series] = await prometheus.raw(ENDPOINT, "x", 0.0, 600.0)  # type: ignore[misc]
    assert series.samples == (Sample(30.0, 1.0),)


async def test_a_range_of_values_leaves_out_times_with_several_series() -> None:
    def vector(time: float) -> dict[tuple[tuple[str, str], ...], float]:
        return {labels(pod=pod): time for pod in ("ab" if time == 30.0 else "a")}

    prometheus = recorded(MadeUpHistory({"q": vector}), SimulatedClock(60.0))
    values = await prometheus.query_range(ENDPOINT, "q", 0.0, 60.0, 30.0)
    assert values == (Sample(0.0, 0.0), Sample(60.0, 60.0))


async def test_the_usual_spacing_of_samples_is_noted() -> None:
    made_up = MadeUpHistory()
    made_up.scrape("x", [(time, 0.0) for time in range(0, 6_000, 120)])
    prometheus = recorded(made_up, SimulatedClock(0.0))
    await prometheus.series(ENDPOINT, "x[300s]")
    assert prometheus.spacings == {"x": [120.0]}
    prometheus.close()
