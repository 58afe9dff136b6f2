"""What is wrong with several metrics is said once where it is the same."""

import pytest

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricReport
from model_rollout.decision.sentences import of_unavailable
from unit.decision.builders import report

REFUSED = "cannot be measured: ConnectionRefused: nothing accepts connections; start Prometheus"


def failed(name: str, why: str = REFUSED) -> MetricReport:
    return report(name, state=State.ERROR, message=f"{name} {why}")


@pytest.mark.parametrize(
    ("names", "listed"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_one_failure_of_all_metrics_is_said_once(names: list[str], listed: str) -> None:
    assert of_unavailable(failed(name) for name in names) == f"{listed} {REFUSED}"


def test_different_failures_are_said_one_after_the_other() -> None:
    slow = "cannot be measured: Timeout: 5s; write a cheaper query"
    found = of_unavailable([failed("a"), failed("b", slow), failed("c")])
    assert found == f"a and c {REFUSED}; b {slow}"


def test_metrics_without_data_keep_their_own_sentences() -> None:
    silent = [report(n, state=State.NO_DATA, message=f"{n} has no data (empty)") for n in "ab"]
    assert of_unavailable(silent) == "a has no data (empty); b has no data (empty)"


def test_a_metric_named_as_the_beginning_of_another_one_is_not_mistaken_for_it() -> None:
    short = report("a", state=State.ERROR, message="ab cannot be measured: x")
    assert of_unavailable([short]) == "ab cannot be measured: x"
