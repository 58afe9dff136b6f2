import pytest

from model_rollout.analysis.measurement import Question, Sample, Series, Shape
from model_rollout.backtest.clock import Grid, SimulatedClock
from model_rollout.backtest.groups import RecordedGroups
from model_rollout.backtest.history import History
from model_rollout.backtest.recorded import RecordedPrometheus
from model_rollout.engine.measure import with_range
from unit.backtest.made_up import ENDPOINT, MadeUpHistory, labels

GROUP = labels(app="model", namespace="ml")


async def asked(question: Question) -> str:
    """Return the expression that reaches the server."""
    made_up = MadeUpHistory()
    clock = SimulatedClock(0.0)
    prometheus = RecordedPrometheus(History(made_up, ENDPOINT), clock, Grid(0.0, 30.0, 10))
    groups = RecordedGroups(prometheus, clock)
    await groups.ask(ENDPOINT, question, with_range(question), 28.5)
    prometheus.close()
    return made_up.asked[0][0]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("errors_total", 'errors_total{app="model",namespace="ml"}'),
        ("errors_total{}", 'errors_total{app="model",namespace="ml"}'),
        ('errors_total{code="5"}', 'errors_total{code="5",app="model",namespace="ml"}'),
        ('errors_total{code="5", } ', 'errors_total{code="5",app="model",namespace="ml"}'),
    ],
)
async def test_counters_are_selected_by_the_labels_of_the_guard(
    selector: str, expected: str
) -> None:
    assert await asked(Question(selector, Shape.WINDOW, 300.0, GROUP)) == expected


async def test_of_an_expression_the_series_of_the_guard_are_kept() -> None:
    promql = await asked(Question("avg by (app, namespace) (x)", Shape.VALUE, 0.0, GROUP))
    assert promql == (
        "(avg by (app, namespace) (x)\n) and on (app, namespace) "
        'label_replace(label_replace(vector(1), "app", "model", "", ""), "namespace", "ml", "", "")'
    )


async def test_values_of_labels_cannot_get_out_of_their_strings() -> None:
    group = labels(app='a"b\\c$1')
    assert await asked(Question("x", Shape.WINDOW, 300.0, group)) == 'x{app="a\\"b\\\\c$1"}'
    assert '"a\\"b\\\\c$$1"' in await asked(Question("x", Shape.VALUE, 0.0, group))


async def test_answers_are_those_of_the_guard() -> None:
    made_up = MadeUpHistory()
    made_up.scrape('x{app="model",namespace="ml"}', [(10.0, 1.0)], app="model", namespace="ml")
    clock = SimulatedClock(30.0)
    prometheus = RecordedPrometheus(History(made_up, ENDPOINT), clock, Grid(0.0, 30.0, 10))
    groups = RecordedGroups(prometheus, clock)
    question = Question("x", Shape.WINDOW, 300.0, GROUP)
    found = await groups.ask(ENDPOINT, question, with_range(question), 28.5)
    assert found == (Series(GROUP, (Sample(10.0, 1.0),)),)
    prometheus.close()
