from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from model_rollout.analysis.measurement import Sample
from model_rollout.backtest.states import State, Steps, states, steps


def found(
    pods: dict[str, Steps],
    ready: dict[str, Steps] | None = None,
    desired: Steps = (),
    created: dict[str, float] | None = None,
) -> list[State]:
    return list(states(pods, pods if ready is None else ready, desired, created or {}))


def test_a_number_changes_when_its_samples_do() -> None:
    samples = tuple(Sample(30.0 * n, v) for n, v in enumerate([1, 1, 2, 2, 1]))
    assert steps(samples, 30.0, end=120.0) == ((0.0, 1), (60.0, 2), (120.0, 1))


def test_a_number_that_is_missing_is_zero() -> None:
    samples = (Sample(0.0, 2.0), Sample(30.0, 2.0), Sample(120.0, 2.0))
    assert steps(samples, 30.0, end=300.0) == ((0.0, 2), (60.0, 0), (120.0, 2), (150.0, 0))


def test_without_an_end_it_stays_what_it_was() -> None:
    samples = (Sample(0.0, 2.0), Sample(120.0, 3.0))
    assert steps(samples, 30.0) == ((0.0, 2), (120.0, 3))


def test_a_rollout_moves_to_the_replica_set_that_began_last() -> None:
    pods: dict[str, Steps] = {"old": ((0.0, 2), (90.0, 0)), "new": ((60.0, 2),)}
    ready: dict[str, Steps] = {"old": ((0.0, 2), (120.0, 0)), "new": ((90.0, 2),)}
    told = [(s.time, s.newest, s.rolled_out) for s in found(pods, ready, ((0.0, 2),))]
    assert told == [
        (0.0, "old", True),
        (60.0, "new", False),
        (90.0, "new", False),
        (120.0, "new", True),
    ]


def test_going_back_by_hand_is_a_rollout_too() -> None:
    pods: dict[str, Steps] = {"a": ((0.0, 1), (60.0, 0), (120.0, 1)), "b": ((60.0, 1), (120.0, 0))}
    assert [(s.time, s.newest) for s in found(pods)] == [(0.0, "a"), (60.0, "b"), (120.0, "a")]


def test_a_gap_of_kube_state_metrics_changes_nothing() -> None:
    pods: dict[str, Steps] = {"a": ((0.0, 2), (60.0, 0), (90.0, 2))}
    assert [s.time for s in found(pods, desired=((0.0, 2),))] == [0.0]


def test_zero_replicas_are_seen_where_the_deployment_says_so() -> None:
    pods: dict[str, Steps] = {"a": ((0.0, 2), (60.0, 0))}
    last = found(pods, desired=((0.0, 2), (60.0, 0)))[-1]
    assert (last.newest, last.desired, last.pods, last.rolled_out) == ("a", 0, {}, True)


def test_scaling_is_no_rollout() -> None:
    pods: dict[str, Steps] = {"a": ((0.0, 2), (60.0, 8))}
    assert [(s.newest, s.desired) for s in found(pods)] == [("a", 2), ("a", 8)]


def test_at_first_the_largest_one_is_taken_and_of_two_equal_ones_the_younger() -> None:
    pods: dict[str, Steps] = {"a": ((0.0, 3),), "b": ((0.0, 1),)}
    assert found(pods)[0].newest == "a"
    equal: dict[str, Steps] = {"a": ((0.0, 1),), "b": ((0.0, 1),)}
    assert found(equal, created={"a": 5.0, "b": 3.0})[0].newest == "a"
    assert found(equal, created={"a": 3.0, "b": 5.0})[0].newest == "b"


def test_nothing_known_is_no_state() -> None:
    assert found({}, desired=((0.0, 2),)) == []


_STEPS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=8).map(
    lambda found: tuple(sorted((float(t), n) for t, n in dict(found).items()))
)


@given(pods=st.dictionaries(st.sampled_from("abc"), _STEPS), desired=_STEPS)
def test_states_are_in_order_and_each_says_something_new(
    pods: dict[str, Steps], desired: Steps
) -> None:
    made = found(pods, desired=desired)
    times = [state.time for state in made]
    assert times == sorted(set(times))
    shown = [(s.newest, s.desired, s.pods, s.ready) for s in made]
    assert all(before != after for before, after in pairwise(shown))
    assert all(number > 0 for state in made for number in state.pods.values())
