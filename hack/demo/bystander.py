"""Watches the quiet model's guard all the while: what it measures, and that it is left alone."""

import http.client
import threading
import time

from demo.kube import Kube, ReadFailed
from demo.workload import GUARDS, QUIET, Json, metric

NAIVE = "naive"
_PATIENCE = 600.0
_PAUSE = 0.5


class Bystander:
    """A thread that sees every status of the guard; a snapshot now and then would miss most.

    The operator writes a status when a metric changes its class, so the watch counts how often the
    naive rule fired. Where a watch breaks, some of it is missed: never is more counted than was.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._breached = False
        self._began = 0.0
        self.fired = 0
        """How often the naive rule became Breached."""
        self.doubted = 0
        """In how many statuses the operator's own rule was not Clear."""
        self.transactions: set[str] = set()
        """Ids of the rollbacks that were seen: there should be none."""

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """See no more; the thread ends with its connection."""
        self._over.set()

    @property
    def seconds(self) -> float:
        """For how long it has watched."""
        return time.monotonic() - self._began

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                for guard in self._kube.watch(GUARDS, _PATIENCE):
                    if guard["metadata"]["name"] == QUIET:
                        self.see(guard.get("status") or {})
            except (OSError, http.client.HTTPException, ReadFailed, ValueError, KeyError):
                self._over.wait(_PAUSE)

    def see(self, status: Json) -> None:
        """Take in one status."""
        breached = metric(status, NAIVE).get("class") == "Breached"
        self.fired += breached and not self._breached
        self._breached = breached
        self.doubted += metric(status, "accuracy").get("class", "Clear") != "Clear"
        if transaction := status.get("transaction"):
            self.transactions.add(transaction["id"])
