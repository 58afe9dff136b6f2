"""Long ranges are asked for in parts, and nothing is lost or doubled between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.adapters.prometheus.walk import MAX_POINTS, joined, number_of_points, walk
from model_rollout.analysis.measurement import Ambiguous, ErrorKind, QueryError, Sample, Series

TOO_LARGE = QueryError(ErrorKind.TOO_LARGE, "")


@given(total=st.integers(0, 500), width=st.integers(1, 100), fits=st.integers(1, 100))
def test_parts_cover_everything_once_also_when_some_are_too_large(
    total: int, width: int, fits: int
) -> None:
    def ask(first: int, end: int) -> list[int] | QueryError:
        return list(range(first, end)) if end - first <= fits else TOO_LARGE

    parts = list(walk(total, ask, width=width))
    assert [number for part in parts for number in part] == list(range(total))


def test_asks_no_smaller_parts_than_allowed() -> None:
    asked: list[int] = []

    def ask(first: int, end: int) -> QueryError:
        asked.append(end - first)
        return TOO_LARGE

    assert list(walk(1000, ask, width=1000, least=60)) == [TOO_LARGE]
    assert asked == [1000, 500, 250, 125, 62, 60]


def test_an_error_ends_the_walk() -> None:
    error = QueryError(ErrorKind.REFUSED, "")
    answers = iter([[1], error])
    assert list(walk(3, lambda first, end: next(answers), width=1)) == [[1], error]


def test_a_part_never_has_more_points_than_prometheus_answers() -> None:
    assert max(walk(100_000, lambda first, end: end - first)) == MAX_POINTS


@pytest.mark.parametrize(
    ("end", "step", "expected"),
    [(-1, 1, 0), (0, 1, 1), (10, 3, 4), (0.3, 0.1, 4), (1e9, 0.1, 10**10 + 1), (59.9, 60, 1)],
)
def test_number_of_points(end: float, step: float, expected: int) -> None:
    assert number_of_points(0, end, step) == expected


@pytest.mark.parametrize("step", [0, -1])
def test_a_step_must_be_positive(step: float) -> None:
    with pytest.raises(ValueError, match="step"):
        number_of_points(0, 1, step)


A, B = (("pod", "a"),), (("pod", "b"),)


def test_parts_of_a_series_are_put_together() -> None:
    parts = [
        (Series(A, (Sample(1, 1),)), Series(B, ())),
        (Series(B, (Sample(2, 2),)), Series(A, (Sample(2, 1), Sample(3, 1)))),
    ]
    expected = (
        Series(A, (Sample(1, 1), Sample(2, 1), Sample(3, 1))),
        Series(B, (Sample(2, 2),)),
    )
    assert joined(iter(parts), 100) == expected


def test_a_series_without_samples_is_left_out() -> None:
    assert joined(iter([(Series(A, ()),)]), 1) == ()


@pytest.mark.parametrize("failure", [TOO_LARGE, Ambiguous("a native histogram")])
def test_a_failed_part_is_the_result(failure: QueryError | Ambiguous) -> None:
    assert joined(iter([(Series(A, (Sample(1, 1),)),), failure]), 100) == failure


def test_no_more_samples_are_held_than_allowed() -> None:
    parts = iter([(Series(A, (Sample(n, 1),)),) for n in range(10)])
    assert joined(parts, 3) == QueryError(ErrorKind.TOO_LARGE, "more than 3 samples")
