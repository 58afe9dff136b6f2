"""The simulations behind the table, cut into seeded jobs that several processes share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.pool import Pool

import numpy as np
from figures import DROPS, MEANS, Drop
from generators import CHECKS_A_DAY, Counts, Numbers, bursty, constant, dip, nightly
from numpy.random import Generator
from product import NIGHTS, one_sample, two_sample, without_blocks
from rules import RULES, in_a_row

SEED = 20260501
HEALTHY_BEFORE = 600
"""Checks at 0.92 before each drop."""

Delays = dict[str, Numbers]
"""Checks until a rule fires, per run (0: never), by rule."""

TRAFFIC: dict[str, Callable[[Generator, int, int, int], Counts]] = {
    "healthy 0.92": lambda rng, mean, checks, runs: constant(rng, 0.92, mean, checks, runs),
    "near 0.86": lambda rng, mean, checks, runs: constant(rng, 0.86, mean, checks, runs),
    "bursty": bursty,
    "clusters of 2 checks": lambda *args: bursty(*args, persistence=0.5),
    "clusters of 5 checks": lambda *args: bursty(*args, persistence=0.8),
}
USUAL = ("healthy 0.92", "near 0.86", "bursty")
HARDER = ("clusters of 2 checks", "clusters of 5 checks")

RATIOS = ("3/2 of the other", "equal, both dip", "3 times the other")
ARMS = ((2, 20), (20, 200), (200, 2000))
"""Outcomes a check of the new and of the other workload."""


@dataclass(frozen=True, slots=True)
class Job:
    """So many runs of one simulation. `kind` names a method of this file, `key` its case."""

    kind: str
    key: tuple[str | float, ...]
    runs: int
    chunk: int = 0

    def rng(self) -> Generator:
        """Return a generator that depends on nothing but the job."""
        name = f"{self.kind} {self.key} {self.chunk}".encode()
        return np.random.default_rng([SEED, *name])


def all_jobs(healthy: int, drops: int) -> list[Job]:
    """Return the jobs of the full table, longest first; runs for healthy models and for each drop."""
    return [
        *_chunks("false", [(name, mean) for name in USUAL for mean in MEANS], healthy),
        *_chunks("false", [(name, mean) for name in HARDER for mean in MEANS], healthy // 4),
        *_chunks("first", [(name, mean) for name in HARDER for mean in MEANS], healthy // 4),
        *_chunks("ratio", [(name, *arms) for name in RATIOS for arms in ARMS], drops // 2),
        *_chunks("drop", [(drop.good, drop.mean) for drop in DROPS], drops),
        Job("nightly", (0.86,), healthy),
        Job("nightly", (0.70,), healthy),
    ]


def run_all(jobs: list[Job], pool: Pool, progress: Callable[[int], None]) -> dict[Job, Delays]:
    """Run all jobs; chunks of one case are put together under a job without chunk."""
    parts: dict[Job, list[Delays]] = {}
    for done, (job, delays) in enumerate(pool.imap_unordered(_run, jobs), 1):
        parts.setdefault(Job(job.kind, job.key, 0, job.chunk), []).append(delays)
        progress(done)
    merged: dict[Job, Delays] = {}
    for job in sorted(parts, key=lambda job: job.chunk):
        whole = Job(job.kind, job.key, 0)
        for rule, delays in parts[job][0].items():
            before = merged.setdefault(whole, {}).get(rule, np.zeros(0, dtype=np.int64))
            merged[whole][rule] = np.concatenate([before, delays])
    return merged


def _chunks(kind: str, keys: Iterable[tuple[str | float, ...]], runs: int) -> list[Job]:
    size = 50
    return [
        Job(kind, key, min(size, runs - begin), begin // size)
        for key in keys
        for begin in range(0, runs, size)
    ]


def _run(job: Job) -> tuple[Job, Delays]:
    return job, _KINDS[job.kind](job)


def _false(job: Job) -> Delays:
    name, mean = job.key
    counts = TRAFFIC[name](job.rng(), mean, CHECKS_A_DAY, job.runs)
    return {rule: fires(counts) for rule, fires in RULES.items()} | {"rule 1": one_sample(counts)}


def _first(job: Job) -> Delays:
    name, mean = job.key
    counts = TRAFFIC[name](job.rng(), mean, CHECKS_A_DAY, job.runs)
    with without_blocks():
        return {"rule 1": one_sample(counts)}


def _nightly(job: Job) -> Delays:
    counts = nightly(job.rng(), job.key[0], 100, job.runs)
    return {"rule 1": one_sample(counts, NIGHTS), "single sample": in_a_row(counts, 1, 1)}


def _drop(job: Job) -> Delays:
    good, mean = job.key
    rng = job.rng()
    before = constant(rng, 0.92, mean, HEALTHY_BEFORE, job.runs)
    counts = before.then(constant(rng, good, mean, CHECKS_A_DAY, job.runs))
    names = ("burn rate 2x, 30 m and 2.5 m (tuned)", "20 consecutive of 1 m (tuned)")
    return {rule: RULES[rule](counts) for rule in names} | {"rule 1": one_sample(counts)}


def _ratio(job: Job) -> Delays:
    name, mean, others = job.key
    rng, runs = job.rng(), job.runs
    if name == "equal, both dip":
        own = dip(rng, 0.05, 0.30, mean, CHECKS_A_DAY, runs)
        base = dip(rng, 0.05, 0.30, others, CHECKS_A_DAY, runs)
    else:
        bad = 0.075 if name == "3/2 of the other" else 0.15
        own = constant(rng, 1.0 - bad, mean, CHECKS_A_DAY, runs)
        base = constant(rng, 0.95, others, CHECKS_A_DAY, runs)
    return {"rule 1": two_sample(own, base)}


_KINDS: dict[str, Callable[[Job], Delays]] = {
    "false": _false,
    "first": _first,
    "nightly": _nightly,
    "drop": _drop,
    "ratio": _ratio,
}


def after_drop(delays: Numbers) -> Numbers:
    """Return the checks from a drop to the breach, per run; runs that breached before it are left out."""
    kept = delays[(delays == 0) | (delays > HEALTHY_BEFORE)]
    return np.where(kept > 0, kept - HEALTHY_BEFORE, 0)


def drop_job(drop: Drop) -> Job:
    """Return the key under which `run_all` gives the delays of a drop."""
    return Job("drop", (drop.good, drop.mean), 0)
