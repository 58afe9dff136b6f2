"""The steps of the demo, in their order, in one environment: the whole product, nothing replaced."""

from collections.abc import Callable, Iterator

import pytest

from demo.environment import Environment, LocalEnvironment
from demo.steps import STEPS
from localcluster.workspace import tail


@pytest.fixture(scope="module")
def env() -> Iterator[Environment]:
    with LocalEnvironment() as environment:
        yield environment


@pytest.fixture(scope="module")
def failed() -> list[str]:
    """Steps that failed: each begins where the one before ended, so the rest cannot be judged."""
    return []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_step_of_the_demo_is_seen(
    env: Environment, failed: list[str], step: Callable[[Environment], str]
) -> None:
    if failed:
        pytest.fail(f"{failed[0]} failed before")
    failed.append(step.__name__)
    try:
        seen = step(env)
    except BaseException:
        print(tail(env.operator.log, 40))
        raise
    assert seen
    failed.clear()
