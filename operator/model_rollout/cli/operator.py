"""Composes the operator and runs it until it is told to stop, or something that it needs ends."""

import asyncio
import contextlib
import logging
import os
import signal
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import kopf

from model_rollout.adapters.clock import SystemClock
from model_rollout.adapters.endpoints import serve_endpoints
from model_rollout.adapters.http_values import HttpValueClient
from model_rollout.adapters.kubernetes.client import KubernetesApi, load_api
from model_rollout.adapters.kubernetes.cluster import KubernetesCluster
from model_rollout.adapters.kubernetes.lease import Elector, LeaseLost
from model_rollout.adapters.kubernetes.login import login_for
from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.adapters.prometheus.instant import PrometheusClient
from model_rollout.adapters.telemetry import Telemetry
from model_rollout.decision.fleet import FleetLimits
from model_rollout.engine.act import Actor
from model_rollout.engine.checker import Checker
from model_rollout.engine.credentials import Credentials
from model_rollout.engine.fleet import Fleet
from model_rollout.engine.gather import Gatherer
from model_rollout.engine.grouped import GroupedQueries
from model_rollout.engine.measure import Measurer
from model_rollout.engine.metrics import Metrics
from model_rollout.engine.persist import NotLeading, Persister
from model_rollout.engine.retention import Retention
from model_rollout.engine.rulebook import RuleBook
from model_rollout.engine.scheduler import Scheduler, first_delay
from model_rollout.engine.servers import Servers
from model_rollout.engine.store import Store
from model_rollout.engine.sweep import Sweeper
from model_rollout.handlers import watch_settings, watches
from model_rollout.ports.kubernetes import ApiError, NotFound

log = logging.getLogger("model_rollout")

LEASE = "model-rollout-operator"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]
    lease_namespace: str
    prometheus_url: str | None
    http_address: str
    lease_duration: float
    """Seconds after which another process may take over from one that died."""
    fleet: FleetLimits
    keep_records: float
    """Seconds after which RolloutRecords are deleted."""


class Stopped(Exception):
    """Something that the operator cannot work without ended."""


class Operator:
    """All parts of one process, wired together."""

    def __init__(
        self,
        options: Options,
        telemetry: Telemetry,
        api: KubernetesApi,
        lease_api: KubernetesApi,
    ) -> None:
        """`lease_api` is its own: renewals must not queue behind other requests."""
        self.options = options
        self.telemetry = telemetry
        self.store = Store()
        self.identity = f"{os.uname().nodename}_{uuid.uuid4().hex[:8]}"
        self.elector = self._elector(lease_api)
        self.cluster = KubernetesCluster(api, options.namespaces)
        self.sweeper = Sweeper(self.cluster, self.store)
        self.retention = Retention(
            self.cluster, SystemClock(), self.elector.holds, options.keep_records
        )
        self.prometheus = PrometheusClient()
        self.history = PrometheusHistory()
        self.http_values = HttpValueClient()
        self.scheduler = Scheduler(lagged=self.telemetry.check_began)
        self.fleet = Fleet(self.store, options.fleet)
        self.checker = self._checker()
        self.watching = asyncio.Event()
        self.stop = asyncio.Event()
        self.store.removed = self._removed

    def _elector(self, api: KubernetesApi) -> Elector:
        duration = self.options.lease_duration
        return Elector(
            api,
            self.options.lease_namespace,
            LEASE,
            self.identity,
            duration=duration,
            # The proportions of Kubernetes' own components: 15 s, 10 s, 2 s.
            renew_deadline=duration * 2 / 3,
            retry=duration * 2 / 15,
        )

    def _checker(self) -> Checker:
        clock = SystemClock()
        grouped = GroupedQueries(self.prometheus, clock.monotonic)
        measurer = Measurer(self.prometheus, grouped, self.history, self.telemetry.query_ended)
        persister = Persister(self.cluster, self.store, self.elector.holds, self.identity)
        rules = RuleBook(self.store, self.options.lease_namespace)
        credentials = Credentials(self.cluster, clock.monotonic)
        metrics = Metrics(measurer, rules, credentials, self.options.prometheus_url, clock)
        servers = Servers(self.http_values, credentials)
        gatherer = Gatherer(self.cluster, self.store, metrics, servers, clock)
        actor = Actor(self.cluster, self.store, persister, servers)
        return Checker(self.store, gatherer, persister, actor, self.fleet, self.telemetry, clock)

    def _removed(self, key: Any) -> None:
        self.scheduler.remove(key)
        self.checker.forget(key)

    def healthy(self) -> str:
        """Return what is wrong with this process, for the liveness probe."""
        return self.sweeper.silent

    def ready(self) -> str:
        """Return what is still missing, for the readiness probe. A standby is ready too."""
        return "" if self.watching.is_set() else "the watches are not open yet"

    async def run(self) -> None:
        """Run until `stop` is set; raises when a part that is needed ends by itself."""
        runner, port = await serve_endpoints(
            self.options.http_address, self.telemetry.exposition, self.healthy, self.ready
        )
        log.info("serving /metrics, /healthz and /readyz", extra={"port": port})
        try:
            await self.sweeper.fill()
            await self.retention.check()
            await _first_to_end(
                self._watch(), self._guard(), self.sweeper.run(), self._until_stopped()
            )
        finally:
            await self._give_back()
            await self.prometheus.close()
            await self.http_values.close()
            self.history.close()
            await runner.cleanup()

    async def _until_stopped(self) -> None:
        await self.watching.wait()
        # Now, and not before: kopf installs its own handlers when it starts.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)
        await self.stop.wait()

    async def _watch(self) -> None:
        log_in = login_for(self.options.kubeconfig, self.options.context)
        await kopf.operator(
            registry=watches(self.store, log_in, self.telemetry),
            settings=watch_settings(),
            clusterwide=not self.options.namespaces,
            namespaces=self.options.namespaces,
            ready_flag=self.watching,
        )
        if not self.stop.is_set():
            self.stop.set()  # kopf took the signal before our handlers were there

    async def _guard(self) -> None:
        self.telemetry.leading(False)
        log.info("waiting for the Lease", extra={"identity": self.identity})
        await self.elector.acquire()
        self.telemetry.leading(True)
        log.info("leading", extra={"identity": self.identity, "guards": len(self.store)})
        self.fleet.seed(SystemClock().wall())
        # Thousands of guards that are due in the same instant would be a storm on Prometheus.
        for key, body in self.store.rollouts():
            self.scheduler.schedule(key, first_delay(body))
        self.store.changed = self.scheduler.wake
        await _first_to_end(
            self.elector.keep(), self.scheduler.run(self.checker.check), self.retention.run()
        )

    async def _give_back(self) -> None:
        try:
            await self.elector.release()
        except ApiError as error:
            log.warning("the Lease expires by itself", extra={"error": str(error)})


async def _first_to_end(*parts: Coroutine[Any, Any, Any]) -> None:
    """Run until one part ends, cancel the others, and raise what ended it."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():
                # When a watch ends for good, kopf cancels every task of the loop, ours included.
                raise Stopped("the watches ended")
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_operator(options: Options) -> int:
    """Run the operator; return the exit status: 0 after a signal, 1 when it has to be restarted."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            telemetry = Telemetry()
            api = await load_api(options.kubeconfig, options.context, telemetry)
            stack.push_async_callback(api.close)
            lease_api = await load_api(options.kubeconfig, options.context, telemetry)
            stack.push_async_callback(lease_api.close)
            await Operator(options, telemetry, api, lease_api).run()
        except NotFound as error:
            log.error(
                "the CRDs are not installed: kubectl apply -f crds/", extra={"error": str(error)}
            )
            return 1
        except (ApiError, OSError) as error:
            log.error("cannot go on", extra={"error": str(error)})
            return 1
        except (LeaseLost, NotLeading) as error:
            log.error("the Lease is lost, leaving at once", extra={"error": str(error)})
            return 1
        except Exception:
            # kopf ends for good on a watch that answers nonsense: to be started again is the cure.
            log.exception("a part of the operator ended; it has to be started again")
            return 1
    log.info("stopped")
    return 0
