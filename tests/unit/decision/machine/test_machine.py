"""Whatever happens, in whatever order: what must hold at every moment, and that it comes to rest."""

from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from unit.decision.machine.rules import Guarding

RUNS = 600

REACHED = frozenset(
    {
        "BudgetExhausted",
        "Contested",
        "Cooldown",
        "NoTarget",
        "Overtaken",
        "Paused",
        "QuarantinedApplied",
        "Reapplied",
        "Refused",
        "RolloutFailed",
        "StillBreached",
        "Succeeded",
        "SwitchRollback",
        "Unquarantined",
        "Unverified",
        "WorkloadReplaced",
    }
)
"""What so many runs must come to: a machine that reaches less proves less."""


@pytest.mark.timeout(0)
def test_whatever_happens(request: pytest.FixtureRequest) -> None:
    runs: int | None = request.config.getoption("--machine-runs")

    class Run(Guarding):
        reached: ClassVar[Counter[str]] = Counter()

    profile = settings(
        max_examples=runs or RUNS,
        stateful_step_count=30,
        deadline=None,
        derandomize=runs is None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=runs is not None,
    )
    run_state_machine_as_test(Run, settings=profile)  # type: ignore[no-untyped-call]
    if (runs or RUNS) >= RUNS:
        assert REACHED - Run.reached.keys() == set()
