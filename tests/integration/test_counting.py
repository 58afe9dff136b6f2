"""Counts from a real Prometheus: what was counted is what the exporters counted, to the unit.

Exporters come, go and begin anew under a Prometheus that scrapes them twice a second. Before one
goes it stops counting and waits for its last scrape: what nobody scraped, nobody can count.
"""

import random
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from http.server import ThreadingHTTPServer

import pytest
import pytest_asyncio

from localcluster.processes import free_port
from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.analysis.evidence import (
    Evidence,
    Rule,
    begin,
    checkpoint,
    observe,
    past,
    questions,
    replay,
    report,
    restore,
)
from model_rollout.analysis.measurement import Answer, Window
from model_rollout.ports.prometheus import Endpoint
from support.exposition import handler_of
from unit.analysis.exporters import rule_of

REPLICAS = 8


class Exporter:
    """One address at which replicas of a model server answer, one pod after the other."""

    def __init__(self) -> None:
        self.port = free_port()
        self.pod = ""
        self.good, self.bad = 0, 0
        self.counted = [0, 0]
        """Good and bad outcomes of all its processes together."""
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *, pod: str | None = None, counters: tuple[int, int] = (0, 0)) -> None:
        """Begin as a new process does: with counters at zero, in a new pod or in a given one."""
        self.good, self.bad = counters
        self.pod = pod or f"pod-{uuid.uuid4().hex[:8]}"
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler_of(self.exposition))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def count(self, good: int, bad: int = 0) -> None:
        with self._lock:
            self.good += good
            self.bad += bad
            self.counted[0] += good
            self.counted[1] += bad

    def exposition(self) -> str:
        """As client libraries do it: a counter of bad outcomes is there once there was one."""
        with self._lock:
            good, bad = self.good, self.bad
        pod = f'pod="{self.pod}"'
        lines = [f'outcomes_total{{{pod},verdict="good"}} {good}']
        if bad:
            lines.append(f'outcomes_total{{{pod},verdict="bad"}} {bad}')
        return "\n".join((*lines, f"answered_total{{{pod}}} {good + bad}", ""))


class Workload:
    """The replicas, the Prometheus that scrapes them, and how evidence is gathered from it."""

    def __init__(self, replicas: list[Exporter], prometheus: Prometheus) -> None:
        self.replicas = replicas
        self.prometheus = prometheus
        self.endpoint = Endpoint(prometheus.url)
        self.client = PrometheusClient()
        self.history = PrometheusHistory()

    async def close(self) -> None:
        await self.client.close()
        self.history.close()

    def scale(self, wanted: int) -> None:
        """As a Deployment does: the last ones go, and new ones begin."""
        for number, replica in enumerate(self.replicas):
            if number < wanted and replica._server is None:
                replica.start()
            elif number >= wanted and replica._server is not None:
                self.wait_for_scrape(replica)
                replica.stop()

    def wait_for_scrape(self, *replicas: Exporter) -> None:
        """Wait until Prometheus has what the replicas counted."""
        for replica in replicas or [r for r in self.replicas if r._server is not None]:
            query = f'answered_total{{pod="{replica.pod}"}}'
            expected = replica.good + replica.bad
            wait_until(
                lambda query=query, expected=expected: (  # type: ignore[misc]
                    float(self.prometheus.query(query)[0]["value"][1]) == expected
                ),
                20,
                f"{replica.address} was scraped",
            )

    def wait_for_scrape_after(self, moment: float) -> None:
        """Wait until every replica was scraped after a moment."""
        for replica in (r for r in self.replicas if r._server is not None):
            query = f'timestamp(answered_total{{pod="{replica.pod}"}})'
            wait_until(
                lambda query=query: (  # type: ignore[misc]
                    float(self.prometheus.query(query)[0]["value"][1]) > moment
                ),
                20,
                f"{replica.address} was scraped later",
            )

    async def check(self, evidence: Evidence, rule: Rule) -> Evidence:
        """One check, as the engine does it."""
        now = time.time()
        evidence = await self.rebuild(evidence, rule, now)
        answers: list[Answer] = []
        for question in questions(rule, evidence):
            promql = f"{question.promql}[{question.lookback:.0f}s]"
            found = await self.client.series(self.endpoint, promql)
            assert isinstance(found, tuple), found
            answers.append(Window(now - question.lookback, now, found))
        return observe(evidence, rule, tuple(answers), now, counts=True)

    async def rebuild(self, evidence: Evidence, rule: Rule, now: float) -> Evidence:
        windows = []
        for asked in past(rule, evidence, now):
            found = await self.history.raw(self.endpoint, asked.promql, asked.begin, asked.end)
            assert isinstance(found, tuple), found
            windows.append(Window(asked.begin, asked.end, found))
        return replay(evidence, rule, tuple(windows), now) if windows else evidence


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[Exporter]]:
    found = [Exporter() for _ in range(REPLICAS)]
    yield found
    for replica in found:
        replica.stop()


@pytest.fixture(scope="module")
def prometheus(replicas: list[Exporter]) -> Iterator[Prometheus]:
    targets = {"model": [replica.address for replica in replicas]}
    with Prometheus(scrape_interval="500ms", static_targets=targets) as server:
        yield server


@pytest_asyncio.fixture
async def workload(replicas: list[Exporter], prometheus: Prometheus) -> AsyncIterator[Workload]:
    found = Workload(replicas, prometheus)
    found.scale(2)
    for replica in replicas:
        replica.count(random.randrange(100), random.randrange(9))  # of the revision before
    found.wait_for_scrape()
    yield found
    found.scale(0)
    for replica in replicas:
        replica.counted = [0, 0]
    await found.close()


GOOD, BAD, ALL = 'outcomes_total{verdict="good"}', 'outcomes_total{verdict="bad"}', "answered_total"
FORMS = {
    "good and total": {"counts": {"good": GOOD, "total": ALL}, "min": 0.5},
    "bad and total": {"counts": {"bad": BAD, "total": ALL}, "max": 0.5},
    "good and bad": {"counts": {"good": GOOD, "bad": BAD}, "min": 0.5},
}


class Counting:
    """Evidence of every form of counts, from a start on at which nothing is counted."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.rules = {
            name: rule_of(form, interval="1s", warmUp="0s") for name, form in FORMS.items()
        }
        self.start = time.time()
        self.evidence = {n: begin(r, self.start, self.start) for n, r in self.rules.items()}
        self.before = self._counted()

    def _counted(self) -> tuple[int, int]:
        good = sum(replica.counted[0] for replica in self.workload.replicas)
        bad = sum(replica.counted[1] for replica in self.workload.replicas)
        return good, bad

    @property
    def truth(self) -> tuple[float, float]:
        """Bad and all outcomes that the exporters counted since the start."""
        good, bad = self._counted()
        bad -= self.before[1]
        return float(bad), float(good - self.before[0] + bad)

    async def check(self) -> None:
        for name, rule in self.rules.items():
            self.evidence[name] = await self.workload.check(self.evidence[name], rule)

    async def counted(self) -> dict[str, tuple[float | None, float | None]]:
        """What the evidence holds after everything was scraped."""
        self.workload.wait_for_scrape()
        await self.check()
        now = time.time()
        found = {n: report(self.evidence[n], rule, now) for n, rule in self.rules.items()}
        return {name: (each.bad, each.total) for name, each in found.items()}

    async def from_history(self) -> dict[str, tuple[float | None, float | None]]:
        """What a process that begins now reads back."""
        now, found = time.time(), {}
        for name, rule in self.rules.items():
            fresh = begin(rule, now, self.start)
            again = report(await self.workload.rebuild(fresh, rule, now), rule, now)
            found[name] = (again.bad, again.total)
        return found

    async def assert_exact(self) -> None:
        expected = dict.fromkeys(FORMS, self.truth)
        assert await self.counted() == expected
        assert await self.from_history() == expected


async def begun(workload: Workload) -> Counting:
    """Counting begins between two scrapes, and goes on after each replica was scraped once more."""
    counting = Counting(workload)
    await counting.check()
    workload.wait_for_scrape_after(counting.start)
    return counting


def traffic(workload: Workload) -> None:
    for replica in workload.replicas:
        if replica._server is not None:
            replica.count(random.randrange(20), random.randrange(4))


async def test_steady_traffic(workload: Workload) -> None:
    counting = await begun(workload)
    for _ in range(8):
        traffic(workload)
        await counting.check()
        time.sleep(0.3)  # noqa: ASYNC251 - nothing else runs in this loop
    await counting.assert_exact()


async def test_exporter_that_begins_anew(workload: Workload) -> None:
    counting = await begun(workload)
    again = workload.replicas[0]
    for _ in range(3):
        again.count(50, 10)
        traffic(workload)
        workload.wait_for_scrape()
        again.stop()
        again.start(pod=again.pod)
        again.count(3, 1)  # fewer than before: a counter that is no smaller shows no reset
        await counting.check()
        workload.wait_for_scrape()
    await counting.assert_exact()


async def test_exporter_that_is_away_for_a_while(workload: Workload) -> None:
    """Its counters go on: it was only not to be reached."""
    counting = await begun(workload)
    traffic(workload)
    workload.wait_for_scrape()
    away = workload.replicas[1]
    away.stop()
    query = f'up{{instance="{away.address}"}}'
    wait_until(lambda: workload.prometheus.query(query)[0]["value"][1] == "0", 20, "it is away")
    await counting.check()
    away.start(pod=away.pod, counters=(away.good, away.bad))
    traffic(workload)
    await counting.assert_exact()


async def test_scale_from_2_to_8_to_2(workload: Workload) -> None:
    counting = await begun(workload)
    for wanted in (8, 2, 8, 2):
        workload.scale(wanted)
        traffic(workload)
        await counting.check()
        traffic(workload)
    await counting.assert_exact()


async def test_new_replicas_during_the_warm_up(workload: Workload) -> None:
    """They answer before anything counts, and go on when it does."""
    workload.scale(2)
    workload.scale(6)
    traffic(workload)
    workload.wait_for_scrape()
    counting = await begun(workload)
    workload.scale(8)
    traffic(workload)
    await counting.assert_exact()


async def test_new_process_goes_on_from_a_checkpoint(workload: Workload) -> None:
    counting = await begun(workload)
    traffic(workload)
    await counting.counted()
    texts = {name: checkpoint(counting.evidence[name], r) for name, r in counting.rules.items()}
    workload.scale(5)
    traffic(workload)
    workload.scale(3)
    traffic(workload)
    now = time.time()
    for name, rule in counting.rules.items():
        again = restore(begin(rule, now, counting.start), rule, texts[name])
        assert again is not None
        counting.evidence[name] = again
    await counting.assert_exact()
