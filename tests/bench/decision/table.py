"""Prints how often rules falsely roll back and how late they find a real drop, beside the design.

    python tests/bench/decision/table.py [--quick] [--processes 2]

Rule 1 is the operator's own `analysis/detector.py`; the rules of other tools are in `rules.py`, the
traffic in `generators.py`. Seeded: two runs print the same. The full table (1,000 healthy days a
cell, 500 runs a drop) takes less than eight minutes on two cores; `--quick` a fortieth of that.
"""

import argparse
import sys
import time
from multiprocessing import Pool

import numpy as np
from figures import DROPS, FALSE_ROLLBACKS, MEANS, NIGHTLY, Drop
from generators import Numbers
from jobs import ARMS, HARDER, RATIOS, Delays, Job, after_drop, all_jobs, drop_job, run_all
from rules import RULES

ALL_RULES = (*RULES, "rule 1")
CONSECUTIVE, BURN_RATE = "20 consecutive of 1 m (tuned)", "burn rate 2x, 30 m and 2.5 m (tuned)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="25 healthy days and 12 runs a drop")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    healthy, drops = (25, 12) if args.quick else (1000, 500)
    began = time.perf_counter()
    jobs = all_jobs(healthy, drops)
    with Pool(args.processes) as pool:
        results = run_all(jobs, pool, lambda done: _progress(done, len(jobs)))
    print(f"{healthy} healthy days a cell, {drops} runs a drop, checks of 30 s, min 0.85.\n")
    _print_false(results)
    _print_harder(results)
    _print_nightly(results)
    _print_delays(results)
    _print_ratio(results)
    print(f"\ntook {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return 0


def _print_false(results: dict[Job, Delays]) -> None:
    print("False rollbacks in % a day at 2/20/200 outcomes a check; in brackets the design's.\n")
    _row("rule", *FALSE_ROLLBACKS)
    for rule in ALL_RULES:
        cells = (
            f"{_percents(results, 'false', name, rule)} ({figures[rule]})"
            for name, figures in FALSE_ROLLBACKS.items()
        )
        _row(rule, *cells)
    print("\n0 of 1,000 runs: below 0.3 % with 95 % confidence.\n")


def _print_harder(results: dict[Job, Delays]) -> None:
    print(
        "The same where clusters outlast a check (bursty, mean length named), a quarter of the runs.\n"
    )
    _row("rule", *HARDER)
    for rule in ALL_RULES:
        _row(rule, *(_percents(results, "false", name, rule) for name in HARDER))
    first = (_percents(results, "first", name, "rule 1") for name in HARDER)
    _row("rule 1 with phi between single checks only", *first)
    print()


def _print_nightly(results: dict[Job, Delays]) -> None:
    near = results[Job("nightly", (0.86,), 0)]
    drop = results[Job("nightly", (0.70,), 0)]["rule 1"]
    print("Nightly batches of 5,000, true rate 0.86 with a standard deviation of 2 points:")
    print(f"  false rollbacks in 100 nights: {_percent(near['rule 1'])} % (design: {NIGHTLY})")
    print(f"  a plain threshold: {_percent(near['single sample'])} %")
    print(f"  at 0.70 the first night decides alone: {100 * np.mean(drop == 1):.3g} %\n")


def _print_delays(results: dict[Job, Delays]) -> None:
    print(
        "Checks from a drop from 0.92 to the breach, median/95th percentile; never: not in a day.\n"
    )
    _row("drop", "rule 1", "design", "deviation", "20 consecutive", "burn rate")
    for drop in DROPS:
        delays = results[drop_job(drop)]
        median, late = _quantiles(after_drop(delays["rule 1"]))
        others = (_text(*_quantiles(after_drop(delays[rule]))) for rule in (CONSECUTIVE, BURN_RATE))
        _row(
            f"{drop.good:.2f} at {drop.mean}",
            _text(median, late),
            _text(drop.median, drop.late),
            _deviation(drop, median, late),
            *others,
        )
    print()


def _print_ratio(results: dict[Job, Delays]) -> None:
    print("Against a concurrent workload with ten times the traffic, 5 % bad, maxRatio 1.5:\n")
    null, dips, worse = RATIOS
    _row(
        "outcomes a check", "false at 1.5, % a day", "both dip to 30 %, %", "3 times worse, checks"
    )
    for arms in ARMS:
        delays = {name: results[Job("ratio", (name, *arms), 0)]["rule 1"] for name in RATIOS}
        false = (_percent(delays[null]), _percent(delays[dips]))
        _row(f"{arms[0]} and {arms[1]}", *false, _text(*_quantiles(delays[worse])))


def _percents(results: dict[Job, Delays], kind: str, name: str, rule: str) -> str:
    return "/".join(_percent(results[Job(kind, (name, mean), 0)][rule]) for mean in MEANS)


def _percent(delays: Numbers) -> str:
    share = 100.0 * float(np.mean(delays > 0))
    return f"{share:.0f}" if share >= 10 else f"{share:.1f}".removesuffix(".0")


def _quantiles(delays: Numbers) -> tuple[int | None, int | None]:
    ordered = np.sort(np.where(delays > 0, delays, np.iinfo(np.int64).max))
    found = [int(ordered[int(q * (len(ordered) - 1))]) for q in (0.5, 0.95)]
    median, late = (None if f == np.iinfo(np.int64).max else f for f in found)
    return median, late


def _text(median: int | None, late: int | None) -> str:
    return "/".join("never" if value is None else str(value) for value in (median, late))


def _deviation(drop: Drop, median: int | None, late: int | None) -> str:
    pairs = ((median, drop.median), (late, drop.late))
    return "/".join(
        "same" if ours == design else "?" if not (ours and design) else f"{ours / design - 1:+.0%}"
        for ours, design in pairs
    )


def _row(first: str, *cells: str) -> None:
    print(f"{first:<56}" + "".join(f"{cell:>26}" for cell in cells))


def _progress(done: int, jobs: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {jobs} jobs", end="" if done < jobs else "\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
