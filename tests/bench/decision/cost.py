"""Prints what a decision of rule 1 costs, beside the plain comparison that other tools make.

    python tests/bench/decision/cost.py

Every figure is CPU time, the best of several rounds, so that other processes disturb it little.
"""

import argparse
import random
import sys
import time
import timeit
from collections.abc import Callable

from product import CHECKS, RATIO

from model_rollout.analysis.detector import (
    FRESH,
    DetectorState,
    Outcomes,
    from_text,
    strength,
    to_text,
    update,
)

GUARDS, METRICS, INTERVAL = 10_000, 3, 30.0
_ROUNDS = 15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="of each function, a round")
    calls = parser.parse_args().calls
    one, two = _state(200, two=False), _state(200, two=True)
    outcomes = Outcomes(3.0, 20.0, 30.0, 200.0)
    plain = _micros(lambda: _plain(outcomes, 0.15), calls)
    single = _micros(lambda: update(one, CHECKS, outcomes), calls)
    pair = _micros(lambda: update(two, RATIO, outcomes), calls)
    strong = _micros(lambda: strength(one), calls)
    ten = _micros(lambda: _check(one, outcomes, 10), calls // 10)
    text = to_text(one)
    print(f"a plain comparison:                       {plain:8.2f} µs")
    print(f"one update, rule 1:                       {single:8.2f} µs, {single / plain:.0f} times")
    print(f"one update, against another workload:     {pair:8.2f} µs, {pair / plain:.0f} times")
    print(f"its strength:                             {strong:8.2f} µs")
    print(f"a check of ten metrics:                   {ten:8.2f} µs (update and strength)")
    print(
        f"a checkpoint of {len(text)} characters, written: {_micros(lambda: to_text(one), calls):8.2f} µs"
    )
    print(
        f"                            read back:    {_micros(lambda: from_text(text), calls):8.2f} µs"
    )
    share = GUARDS * METRICS / INTERVAL * (single + strong) / 1e6
    print(f"{GUARDS:,} guards with {METRICS} metrics every {INTERVAL:g} s: {share:.2%} of one core")
    return 0


def _plain(outcomes: Outcomes, limit: float) -> bool:
    return outcomes.bad > limit * outcomes.total


def _check(state: DetectorState, outcomes: Outcomes, metrics: int) -> float:
    return max(strength(update(state, CHECKS, outcomes)) for _ in range(metrics))


def _state(checks: int, *, two: bool) -> DetectorState:
    rng = random.Random(1)
    state = FRESH
    for _ in range(checks):
        own, base = (sum(rng.random() < 0.14 for _ in range(n)) for n in (20, 200))
        outcomes = Outcomes(own, 20.0, base, 200.0)
        state = update(state, RATIO if two else CHECKS, outcomes)
    return state


def _micros(call: Callable[[], object], calls: int) -> float:
    return (
        min(timeit.repeat(call, timer=time.process_time, number=calls, repeat=_ROUNDS))
        / calls
        * 1e6
    )


if __name__ == "__main__":
    sys.exit(main())
