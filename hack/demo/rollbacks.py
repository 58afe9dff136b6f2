"""What most steps have in common: deploy something, and watch until it is rolled back."""

import json
import math
import time
from dataclasses import dataclass

from demo.environment import Environment
from demo.observe import require, until
from demo.workload import CONTAINER, NAME, Json, describe


@dataclass(frozen=True)
class Deploy:
    """What a person changes: the tag of the image, the name of the model, or both."""

    image: str | None = None
    uri: str | None = None


@dataclass(frozen=True)
class State:
    """The two metrics as Prometheus has them now."""

    accuracy: float | None
    latency: float | None


@dataclass(frozen=True)
class RolledBack:
    """A rollback from the first sign to the proof that it helped."""

    source: int
    target: int
    transaction: str
    kind: str
    reason: str
    metrics: str
    said: str
    """What the status says of it now that it is over."""
    doubt: str
    """What the status said while the evidence did not suffice yet; empty when it was not seen."""
    reacted: float
    """Seconds until the good components were back in the Deployment."""
    total: float
    """Seconds until the operator had verified it."""
    lowest: float
    slowest: float
    recovered: float


def state(env: Environment) -> State:
    """Ask Prometheus for both metrics."""
    return State(env.metrics.accuracy(), env.metrics.latency_p95())


def accuracy(value: float | None) -> str:
    """An accuracy as text."""
    return "not measured" if value is None else f"{value:.2f}"


def began(env: Environment) -> int:
    """How many rollbacks the operator has begun so far."""
    return int(env.workload.status().get("attempts", 0))


def deploy(env: Environment, what: Deploy) -> int:
    """Change the Deployment as a person would; returns its generation after that."""
    container: Json = {"name": CONTAINER}
    if what.image:
        container["image"] = env.image(what.image)
    if what.uri:
        container["env"] = [{"name": "MODEL_URI", "value": f"file:///models/{what.uri}"}]
    # One patch, as one `kubectl apply` would be: image and weights belong together.
    patch = json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}})
    written = env.kubectl("patch", "deployment", NAME, "--patch", patch, "--output", "json")
    generation: int = json.loads(written)["metadata"]["generation"]
    return generation


def flip(env: Environment, value: str, *, wait: bool = True) -> None:
    """Flip the kill switch, and see that the operator saw it."""
    patch = json.dumps({"spec": {"killSwitch": value}})
    env.kubectl("patch", "modelrollout", NAME, "--type=merge", "--patch", patch)

    def look() -> tuple[bool | None, str]:
        env.operator.check()
        seen = (env.workload.status().get("killSwitch") or {}).get("value")
        return (True if seen == value else None), f"it last saw {seen}"

    if wait:
        until(f"the operator sees killSwitch {value}", look, env.pace.patience(30))


def deploy_good(env: Environment, what: Deploy) -> int:
    """Deploy a model and wait until it serves and is measured; returns its revision's number."""
    known = _revision(env.workload.status())
    deploy(env, what)

    def look() -> tuple[int | None, str]:
        env.operator.check()
        status = env.workload.status()
        right = state(env).accuracy
        measured = status.get("reason") in ("Baking", "Watching") and right is not None
        seen = f"{describe(status)}; accuracy {accuracy(right)}"
        found = _revision(status)
        return (found if found != known and measured else None), seen

    return until("the model serves and is measured", look, env.pace.patience(60))


def _revision(status: Json) -> int | None:
    """The number of the current revision."""
    current = status.get("current") or {}
    number: int | None = current.get("revision")
    return number


def watch_rollback(env: Environment, what: Deploy, phase: str) -> RolledBack:
    """Deploy something bad over v1 and watch it being rolled back; `phase` is what becomes of it."""
    before = began(env)
    good = env.workload.components()
    known = _revision(env.workload.status())
    started = time.monotonic()
    deploy(env, what)

    def look() -> tuple[int | None, str]:
        env.operator.check()
        status = env.workload.status()
        found = _revision(status)
        return (found if found != known else None), describe(status)

    source = until("the change becomes a revision", look, env.pace.patience(30))
    tag, model = good[0].rpartition(":")[2], good[1].rpartition("/")[2]
    seen = ended(env, source, started, before, (tag, model))
    found = env.workload.revision_phase(source)
    require(found == phase, f"revision {source} is {found}, not {phase}")
    return seen


def ended(
    env: Environment,
    source: int,
    started: float,
    before: int,
    good: tuple[str, str],
    timeout: float = 60.0,
) -> RolledBack:
    """Wait until `source` is rolled back, verified, and the model is seen to be good again."""
    watch = _Watch(env, source, started, (env.image(good[0]), f"file:///models/{good[1]}"))
    last = until(f"revision {source} is rolled back", watch.look, env.pace.patience(timeout))
    seconds = time.monotonic() - started
    attempts = began(env) - before
    require(attempts == 1, f"{attempts} rollbacks were begun instead of one")
    recovered = until("accuracy recovers", lambda: _good(env), env.pace.patience(30))
    return RolledBack(
        source=source,
        target=last["to"],
        transaction=last["id"],
        kind=last["kind"],
        reason=watch.reason,
        metrics=watch.metrics,
        said=last["message"],
        doubt=watch.doubt,
        reacted=watch.reacted,
        total=seconds,
        lowest=watch.lowest,
        slowest=watch.slowest,
        recovered=recovered,
    )


def _good(env: Environment) -> tuple[float | None, str]:
    right = state(env).accuracy
    good = right is not None and right >= 0.85
    return (right if good else None), f"accuracy {accuracy(right)}"


class _Watch:
    """Looks at a rollback again and again and keeps what is gone afterwards."""

    def __init__(
        self, env: Environment, source: int, started: float, good: tuple[str, str]
    ) -> None:
        self._env = env
        self._source = source
        self._started = started
        self._good = good
        self._before = _last_transaction(env)
        self.reason = ""
        self.metrics = ""
        self.doubt = ""
        self.reacted = math.nan
        self.lowest = math.inf
        self.slowest = 0.0

    def look(self) -> tuple[Json | None, str]:
        self._env.operator.check()
        measured = self._measure()
        status = self._env.workload.status()
        self._listen(status)
        if transaction := status.get("transaction"):
            self.reason = transaction["reason"]
            self.metrics = self.metrics or ", ".join(transaction.get("metrics", []))
        restored = self._env.workload.components() == self._good
        if restored and math.isnan(self.reacted):
            self.reacted = time.monotonic() - self._started
        last = status.get("lastTransaction") or {}
        done = restored and not transaction and last.get("from") == self._source
        done = done and last["id"] != self._before
        problems = self._env.workload.pod_problems()
        seen = f"{describe(status)}; {measured}; pods: {problems or 'no problem'}"
        return (last if done and last["outcome"] == "Succeeded" else None), seen

    def _listen(self, status: Json) -> None:
        """Keep what is said while a metric is neither clear nor breached."""
        found = [one for one in status.get("metrics", []) if one["class"] == "Suspect"]
        if found and (status.get("current") or {}).get("revision") == self._source:
            self.doubt = found[0]["message"]

    def _measure(self) -> str:
        now = state(self._env)
        self.lowest = min(self.lowest, math.inf if now.accuracy is None else now.accuracy)
        self.slowest = max(self.slowest, now.latency or 0.0)
        return f"accuracy {accuracy(now.accuracy)}"


def _last_transaction(env: Environment) -> str:
    last = env.workload.status().get("lastTransaction") or {}
    return str(last.get("id", ""))


def settled_in(env: Environment, checks: int) -> None:
    """Wait until the operator has made some more checks: what it did not do, it will not do."""
    first = env.operator.checks()

    def look() -> tuple[bool | None, str]:
        env.operator.check()
        made = env.operator.checks() - first
        return (True if made >= checks else None), f"{made:.0f} more checks"

    until(f"{checks} more checks of the operator", look, env.pace.patience(30))
