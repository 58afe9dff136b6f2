"""`kill -9` of the operator before and after every write of a rollback: one rollback, every time.

The rollback is one of three components in two objects: image and variable in the Deployment, and a
prompt in a ConfigMap. All pairs of writes are killed in `unit/engine/test_crash_pairs.py`.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from localcluster.waiting import wait_until
from support.bundle import EVIL, PROMPT, Bundle, held, is_snapshot, objects_written
from support.faults import Broken, Match, Request, intent
from support.scenario import NAME, Scenario, Site, scenario

_AT_ONCE = 6
"""Cases that run side by side: they mostly wait."""

_NOT_COUNTED = frozenset({"leases", "events"})


@dataclass(frozen=True)
class End:
    """What a rollback leaves behind, however often the operator died on the way."""

    phase: str
    reason: str
    current: int
    attempts: int
    rollbacks: int
    outcome: str
    quarantine: tuple[tuple[int, str, str], ...]
    phases: tuple[tuple[int, str], ...]
    template: Any
    config_map: Any
    snapshots: int
    written: tuple[str, ...]
    """The writes of the Deployment and of the prompt."""
    records: tuple[tuple[int, str, str, str], ...]
    """Not their digests: a process that dies before it wrote one decides at another time."""


@dataclass(frozen=True)
class Crash:
    """Kill the operator at its write number `index`, counted from the intent."""

    index: int
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} write {self.index}"


class WriteNumber:
    """Match the write with this number, counted from the intent. Leases and Events do not count."""

    def __init__(self, index: int, first: Match = intent) -> None:
        self._index = index
        self._first = first
        self._seen = -1

    def __call__(self, request: Request) -> bool:
        if not request.mutates or request.resource in _NOT_COUNTED:
            return False
        if self._seen >= 0 or self._first(request):
            self._seen += 1
        return self._seen == self._index


def arm(case: Scenario, crash: Crash, first: Match = intent) -> Callable[[], bool]:
    """Prepare a crash; return a function that tells whether it happened."""

    def die(_: Request) -> Broken:
        case.operator.kill()
        return Broken.DROPPED

    place = case.proxy.after if crash.after else case.proxy.before
    fault = place(WriteNumber(crash.index, first), die)
    return lambda: fault.hits > 0 and not case.operator.is_running


def begin(case: Scenario, crash: Crash | None) -> Callable[[], bool]:
    """Bring a case to the breach of v2."""
    # A long cooldown keeps the phase at RolledBack, and shows that a restart keeps it, too.
    bundle = Bundle(case)
    bundle.stable(rollback={"cooldown": "1h"}, analysis={"settle": "2s"})
    happened = arm(case, crash) if crash else lambda: True
    bundle.deploy("v2", EVIL)
    return happened


def end(case: Scenario) -> End:
    """Wait until the rollback is over, whatever its outcome, and return what it left."""
    wait_until(
        lambda: (s := case.status()).get("lastTransaction") and s["reason"] == "Watching",
        40,
        "the rollback is over",
    )
    # The phases of ModelRevisions may lag behind the status by a check.
    case.operator.wait_for_checks(2)
    status = case.status()
    return End(
        phase=status["phase"],
        reason=status["reason"],
        current=status["current"]["revision"],
        attempts=status["attempts"],
        rollbacks=len(status["rollbacks"]),
        outcome=status["lastTransaction"]["outcome"],
        quarantine=tuple(
            (entry["revision"], entry["phase"], entry["reason"]) for entry in status["quarantine"]
        ),
        phases=tuple(sorted(case.phases().items())),
        template=case.template(),
        config_map=held(case)["data"],
        snapshots=sum(map(is_snapshot, case.site.kube.items("ConfigMap", case.namespace))),
        written=tuple(objects_written(case, committed=True)),
        records=tuple(case.recorded()),
    )


def undisturbed(site: Site) -> tuple[End, list[str]]:
    """Run one rollback without a fault; return its end and its writes from the intent on."""
    with scenario(site, "crash") as case:
        begin(case, None)
        result = end(case)
        requests = [write.request for write in case.proxy.writes()]
        first = next(index for index, request in enumerate(requests) if intent(request))
        return result, [str(request) for request in requests[first:]]


def crashed(site: Site, crash: Crash, again: Crash | None = None) -> End | None:
    """Run one rollback with a crash; None when it has no write with that number.

    `again` counts from the first write of the process that recovers, and may not be reached: by
    then little may be left to write.
    """
    with scenario(site, "crash") as case:
        happened = begin(case, crash)
        wait_until(lambda: happened() or _is_over(case), 40, f"the operator dies {crash}")
        if not happened():
            return None
        if again is not None:
            happened_again = arm(case, again, first=lambda _: True)
            case.start_operator()
            wait_until(lambda: happened_again() or _is_over(case), 40, f"the next one dies {again}")
            if not happened_again():
                return end(case)
        case.start_operator()
        return end(case)


def _is_over(case: Scenario) -> bool:
    status = case.status()
    return bool(status.get("lastTransaction")) and status["reason"] == "Watching"


@pytest.fixture(scope="module")
def fault_free(site: Site) -> tuple[End, list[str]]:
    return undisturbed(site)


def test_undisturbed_rollback_writes_each_object_once(fault_free: tuple[End, list[str]]) -> None:
    result, writes = fault_free
    assert (result.phase, result.outcome, result.current) == ("RolledBack", "Succeeded", 1)
    assert (result.attempts, result.rollbacks) == (1, 1)
    assert result.written == (f"PATCH configmaps {PROMPT}", f"PATCH deployments {NAME}")
    assert [stage for _, stage, _, _ in result.records] == ["Intent", "Outcome"]
    assert writes[0].startswith("PUT modelrollouts/status")


@pytest.mark.timeout(300)
def test_crash_before_and_after_every_write_leads_to_one_rollback(
    site: Site, fault_free: tuple[End, list[str]]
) -> None:
    expected, writes = fault_free
    began = time.monotonic()
    crashes = [Crash(index, after) for index in range(len(writes)) for after in (False, True)]
    ends = all_of(lambda crash: crashed(site, crash), crashes)
    wrong = {
        f"{crash} ({writes[crash.index]})": found
        for crash, found in ends.items()
        if found not in (expected, None)
    }
    reached = [found for found in ends.values() if found is not None]
    duration = time.monotonic() - began
    print(f"{len(reached)} crashes at {len(writes)} writes of a rollback, in {duration:.0f} s")
    assert not wrong
    # How many status writes there are while pods come up depends on timing; a few may be missing.
    assert len(reached) >= len(crashes) - 4


@pytest.mark.timeout(240)
def test_crash_during_recovery_leads_to_one_rollback(
    site: Site, fault_free: tuple[End, list[str]]
) -> None:
    expected, writes = fault_free
    prompt, patch = (writes.index(write) for write in expected.written)
    first = (Crash(0, True), Crash(prompt, True), Crash(patch, False), Crash(patch, True))
    pairs = [
        (one, Crash(index, after)) for one in first for index, after in ((0, True), (1, False))
    ]
    ends = all_of(lambda pair: crashed(site, *pair), pairs)
    wrong = {f"{one}, then {two}": end for (one, two), end in ends.items() if end != expected}
    print(f"{len(ends)} crashes during recovery")
    assert not wrong


def all_of(run: Callable[[Any], End | None], cases: Sequence[Any]) -> dict[Any, End | str | None]:
    """Run all cases, some at once; one that fails must not hide the others."""

    def attempt(case: Any) -> End | str | None:
        try:
            return run(case)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(cases, pool.map(attempt, cases), strict=True))
