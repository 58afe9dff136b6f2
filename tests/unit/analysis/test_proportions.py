"""Precision, recall and F1 as counts: the recipe of docs/metrics.md against scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

Confusion = tuple[int, int, int]


def confusion(truth: "np.ndarray", said: "np.ndarray") -> Confusion:
    """True positives, false positives, false negatives: what a labelled counter holds."""
    return (
        int(np.sum((truth == 1) & (said == 1))),
        int(np.sum((truth == 0) & (said == 1))),
        int(np.sum((truth == 1) & (said == 0))),
    )


def good_share(good: int, *bad: int) -> float:
    """What `counts: {good, bad}` with `min` looks at."""
    return good / (good + sum(bad))


def f1_limit(f1: float) -> float:
    """The share of TP in TP + FP + FN that is an F1 of `f1`."""
    return f1 / (2.0 - f1)


OUTCOMES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=300)
LIMITS = st.floats(0.01, 0.99)


def columns(outcomes: list[tuple[int, int]]) -> tuple["np.ndarray", "np.ndarray"]:
    truth, said = np.array(outcomes).T
    return truth, said


@given(OUTCOMES, LIMITS)
def test_f1_is_a_proportion(outcomes: list[tuple[int, int]], limit: float) -> None:
    truth, said = columns(outcomes)
    hits, false_alarms, misses = confusion(truth, said)
    assume(hits + false_alarms + misses > 0)
    f1 = f1_score(truth, said, zero_division=0.0)
    share = good_share(hits, false_alarms, misses)
    assert share == pytest.approx(f1_limit(f1))
    if f1 != pytest.approx(limit):
        assert (share >= f1_limit(limit)) is (f1 >= limit)


@given(OUTCOMES)
def test_precision_is_a_proportion(outcomes: list[tuple[int, int]]) -> None:
    truth, said = columns(outcomes)
    hits, false_alarms, _ = confusion(truth, said)
    assume(hits + false_alarms > 0)
    assert good_share(hits, false_alarms) == pytest.approx(precision_score(truth, said))


@given(OUTCOMES)
def test_recall_is_a_proportion(outcomes: list[tuple[int, int]]) -> None:
    truth, said = columns(outcomes)
    hits, _, misses = confusion(truth, said)
    assume(hits + misses > 0)
    assert good_share(hits, misses) == pytest.approx(recall_score(truth, said))


@pytest.mark.parametrize(
    ("f1", "limit"), [(0.8, 0.6667), (0.85, 0.7391), (0.9, 0.8182), (0.95, 0.9048)]
)
def test_limits_of_f1(f1: float, limit: float) -> None:
    assert f1_limit(f1) == pytest.approx(limit, abs=5e-5)
