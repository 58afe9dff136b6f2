"""One container of the local node: a process that is started, probed, restarted and ended."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from localcluster.kubeapi import UNREACHABLE, ApiError, KubeApi
from localcluster.podenv import ConfigError, command_line, container_environment
from localcluster.podlogs import log_file
from localcluster.podstatus import ContainerState, restarts, running, terminated, timestamp, waiting
from localcluster.processes import die_with_parent, free_port

_BACKOFF_CAP = 10.0  # the kubelet's is five minutes: nobody waits that long for a test
_FORGIVEN_AFTER = 60.0  # a run this long starts the backoff anew
_FIRST_PROBES = (
    0.1  # until the first success, so that a pod is Ready as soon as its process answers
)
_API_DEFAULT_PERIOD = 10  # what the API server writes where a probe names no period

log = logging.getLogger(__name__)


class ImageError(Exception):
    """No program is known for an image."""


class Container:
    """Runs one container of a pod. `state` is what to report; `changed` hears when it changes."""

    def __init__(
        self,
        api: KubeApi,
        pod: Mapping[str, Any],
        spec: Mapping[str, Any],
        images: Path,
        workdir: Path,
        changed: Callable[[], None],
    ) -> None:
        self._api = api
        self._pod = pod
        self._spec = spec
        self._images = images
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        metadata = pod["metadata"]
        self._log = log_file(workdir, metadata["namespace"], metadata["name"], spec["name"])
        self._pod_label = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self.state = ContainerState(
            spec["name"], spec["image"], restart_count=_restarts_before(pod, spec["name"])
        )
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(_log_failure)

    async def _run(self) -> None:
        """Until it ended for good: run the process, and again as the pod's restart policy says."""
        failures = 0
        while not self._stopping.is_set():
            await self._prepare()
            started = time.monotonic()
            await self._run_once()
            again = restarts(self._pod["spec"]["restartPolicy"], self.state.exit_code or 0)
            if self._stopping.is_set() or not again:
                return
            failures = 1 if time.monotonic() - started > _FORGIVEN_AFTER else failures + 1
            await self._back_off(failures)
            self.state.restart_count += 1

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL for what is left after `grace` seconds."""
        self._stopping.set()
        if self._process is None or self._process.returncode is not None:
            self.task.cancel()
            return
        self._signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
        done, _ = await asyncio.wait({self.task}, timeout=grace)
        if not done:
            self._signal(signal.SIGKILL)
            await asyncio.wait({self.task})

    async def _prepare(self) -> None:
        """Find program and environment, and say what is missing for as long as something is."""
        delay = 1.0
        while True:
            try:
                await self._resolve()
                return
            except ConfigError as error:
                self._report(waiting("CreateContainerConfigError", str(error)))
                await asyncio.sleep(1)
            except ImageError as error:
                await self._wait_for_image(str(error), delay)
                delay = min(delay * 2, _BACKOFF_CAP)
            except (*UNREACHABLE, ApiError) as error:
                log.warning("%s: %s; trying again", self._pod_label, error)
                await asyncio.sleep(0.5)

    async def _resolve(self) -> None:
        image = _program(self._images, self._spec["image"])
        port = self.state.port or free_port()
        environment = await container_environment(self._api, self._pod, self._spec)
        self._environment = os.environ | environment | {"PORT": str(port)}
        self.state.command = command_line(image, self._spec, self._environment)
        self.state.port = port

    async def _wait_for_image(self, error: str, delay: float) -> None:
        self._report(waiting("ErrImagePull", error))
        await asyncio.sleep(min(delay, 1))
        back_off = f'Back-off pulling image "{self._spec["image"]}": ErrImagePull: {error}'
        self._report(waiting("ImagePullBackOff", back_off))
        await asyncio.sleep(delay)

    async def _run_once(self) -> None:
        started_at = timestamp()
        try:
            with self._log.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *self.state.command,
                    env=self._environment,
                    cwd=self._images.parent,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
        except OSError as error:
            self._report(
                terminated(128, started_at, timestamp(), reason="StartError", message=str(error))
            )
            return
        self.state.process = self._process.pid
        probe = self._spec.get("readinessProbe") or {}
        probe = probe if "httpGet" in probe else {}  # other kinds count as passed
        self._report(running(started_at), ready=not probe)
        prober = asyncio.create_task(self._probe(probe)) if probe else None
        code = await self._process.wait()
        if prober:
            prober.cancel()
        self._signal(signal.SIGKILL)  # what it may have left behind in its process group
        self._report(terminated(code if code >= 0 else 128 - code, started_at, timestamp()))

    async def _back_off(self, failures: int) -> None:
        """The first exit is followed by a restart at once, each further one by a longer wait."""
        self.state.last_state = self.state.state
        if failures < 2:
            return
        delay = min(2.0 ** (failures - 2), _BACKOFF_CAP)
        failed = f"container={self._spec['name']} pod={self._pod_label}"
        message = f"back-off {delay:g}s restarting failed {failed}"
        self._report(waiting("CrashLoopBackOff", message))
        await asyncio.sleep(delay)

    async def _probe(self, probe: Mapping[str, Any]) -> None:
        period = probe.get("periodSeconds", _API_DEFAULT_PERIOD)
        period = 1 if period == _API_DEFAULT_PERIOD else period
        url = f"http://127.0.0.1:{self.state.port}{probe['httpGet'].get('path', '/')}"
        timeout = aiohttp.ClientTimeout(total=probe.get("timeoutSeconds", 1))
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        failures = successes = 0
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                if await _answers(session, url):
                    failures, successes = 0, successes + 1
                else:
                    failures, successes = failures + 1, 0
                if not self.state.ready and successes >= probe.get("successThreshold", 1):
                    self._report(self.state.state, ready=True)
                if self.state.ready and failures >= probe.get("failureThreshold", 3):
                    self._report(self.state.state, ready=False)
                await asyncio.sleep(period if self.state.ready else min(period, _FIRST_PROBES))

    def _report(self, state: dict[str, Any], *, ready: bool = False) -> None:
        self.state.state = state
        self.state.ready = ready
        self._changed()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            return 200 <= answer.status < 400
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def _program(images: Path, image: str) -> list[str]:
    """What to run for `image`. Read anew each time: writing the file is like pushing an image."""
    try:
        known: dict[str, list[str]] = json.loads(images.read_text())
    except (OSError, ValueError) as error:
        raise ImageError(f"reading {images.name}: {error}") from error
    if image not in known:
        raise ImageError(
            f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
            f'failed to resolve reference "{image}": {image}: not found'
        )
    command = known[image]
    # The interpreter that this node runs on has the packages that the programs need; the one on
    # PATH may not.
    return [sys.executable, *command[1:]] if command[0] == "python" else command


def _restarts_before(pod: Mapping[str, Any], name: str) -> int:
    """A pod that ran under an earlier local node counts its restarts on."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    ran = (status for status in statuses if status["name"] == name and status.get("containerID"))
    return next((status["restartCount"] + 1 for status in ran), 0)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a container's task ended with an error", exc_info=error)
