"""The eight steps. Each does what a person would do, watches what happens, and says what it saw.

The first line of what a step returns is its own; each further one quotes the status of the
ModelRollout. The end-to-end test runs the same functions, in the same order, in one
environment.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from demo.environment import Environment
from demo.observe import StepFailed, require, until
from demo.rollbacks import (
    Deploy,
    accuracy,
    began,
    deploy,
    deploy_good,
    ended,
    flip,
    settled_in,
    state,
    watch_rollback,
)
from demo.workload import GUARDS, NAME, QUIET, condition, describe, metric

GOOD = ("v1", "digits-v1")
_SLOW = 90.0
_FIRED_OFTEN = 3


def step_1(env: Environment) -> str:
    """Model v1 serves, is measured, becomes Stable."""
    started = time.monotonic()
    env.apply_models()

    def look() -> tuple[float | None, str]:
        env.operator.check()
        status, right = env.workload.status(), state(env).accuracy
        problems = env.workload.pod_problems()
        seen = f"{describe(status)}; accuracy {accuracy(right)}; pods: {problems or 'no problem'}"
        stable = (status.get("stable") or {}).get("revision") == 1
        return (right if stable and status["phase"] == "Healthy" else None), seen

    right = until("revision 1 becomes Stable", look, env.pace.patience(60))
    require(right >= 0.85, f"v1 is Stable with accuracy {right:.2f}")
    slowest = env.metrics.latency_p95() or 0.0
    decision = env.workload.status().get("lastDecision") or {}
    return said(
        f"v1 serves with accuracy {right:.2f} and a p95 latency of {slowest * 1000:.0f} ms; "
        f"revision 1 is Stable {time.monotonic() - started:.1f} s after it was deployed.",
        str(decision.get("message", "")),
    )


def step_2(env: Environment) -> str:
    """v2 by model URI: accuracy falls, the URI is rolled back, accuracy recovers."""
    seen = watch_rollback(env, Deploy(uri="digits-v2-spoiled"), phase="Quarantined")
    require(
        seen.reason == "MetricBreached" and seen.lowest < 0.85,
        f"rolled back for {seen.reason}; the lowest accuracy seen is {seen.lowest:.2f}",
    )
    return said(
        f"v2 (weights trained on spoiled labels) deployed as revision {seen.source}; accuracy fell "
        f"to {seen.lowest:.2f}; MODEL_URI rolled back to revision {seen.target} after "
        f"{seen.reacted:.1f} s; accuracy {seen.recovered:.2f} again after {seen.total:.1f} s.",
        seen.doubt and f"Suspect: {seen.doubt}",
        seen.said,
    )


def step_3(env: Environment) -> str:
    """v3 answers slowly, v4 does not exist: both images are rolled back."""
    slow = watch_rollback(env, Deploy(image="v3-slow"), phase="Quarantined")
    require("latency_p95" in slow.metrics, f"rolled back for {slow.metrics}, not for latency_p95")
    missing = watch_rollback(env, Deploy(image="v4-missing"), phase="Unusable")
    require(missing.reason == "RolloutFailed", f"rolled back for {missing.reason}")
    require(missing.lowest >= 0.85, f"accuracy fell to {missing.lowest:.2f} while v4 did not start")
    return said(
        f"v3 (a slow program) reached a p95 latency of {slow.slowest:.2f} s, its image rolled back "
        f"after {slow.reacted:.1f} s; v4 (an image that does not exist) never served, rolled back "
        f"after {missing.reacted:.1f} s; accuracy never below {missing.lowest:.2f} meanwhile.",
        slow.said,
        missing.said,
    )


def step_4(env: Environment) -> str:
    """killSwitch Pause: nothing is touched; None: rolled back."""
    flip(env, "Pause")
    generation = deploy(env, Deploy(uri="digits-v2-spoiled"))

    def look() -> tuple[tuple[int, str] | None, str]:
        env.operator.check()
        status = env.workload.status()
        decision = status.get("lastDecision") or {}
        would = status.get("phase") == decision.get("reason") == "Paused" and decision.get("to")
        told = (decision["from"], decision["message"]) if would else None
        return told, f"{describe(status)}; last decision: {decision.get('message')}"

    source, message = until("the status says what would be done", look, env.pace.patience(60))
    until("accuracy falls", lambda: _below(env), env.pace.patience(30))
    require(
        env.workload.generation() == generation,
        "the Deployment was written although the kill switch is on Pause",
    )
    before = began(env)
    started = time.monotonic()
    flip(env, "None", wait=False)
    seen = ended(env, source, started, before, GOOD)
    return said(
        "killSwitch Pause: v2 deployed again and nothing touched; None: rolled back "
        f"{seen.reacted:.1f} s later, accuracy {seen.recovered:.2f} again.",
        message,
    )


def _below(env: Environment) -> tuple[float | None, str]:
    right = state(env).accuracy
    return (right if right is not None and right < 0.85 else None), f"accuracy {accuracy(right)}"


def step_5(env: Environment) -> str:
    """A good v5; killSwitch Rollback forces it back by hand; None writes nothing."""
    source = deploy_good(env, Deploy(image="v5", uri="digits-v5"))
    before, started = began(env), time.monotonic()
    generation = env.workload.generation()
    flip(env, "Rollback", wait=False)
    seen = ended(env, source, started, before, GOOD)
    require(seen.kind == "Switch", f"the rollback is a {seen.kind}, not by the switch")
    flip(env, "None")
    settled_in(env, checks=2)
    written = env.workload.generation() - generation
    require(written == 1, f"the Deployment was written {written} times: once was asked for")
    return said(
        f"v5 (good) served as revision {source}; killSwitch Rollback brought revision "
        f"{seen.target} back after {seen.reacted:.1f} s, accuracy {seen.recovered:.2f}; "
        "None: nothing written.",
        seen.said,
    )


def step_6(env: Environment) -> str:
    """Prometheus is away: the operator holds and says so, then goes on."""
    generation, attempts = env.workload.generation(), began(env)
    started = time.monotonic()
    with env.prometheus_outage() as how:
        message = _metrics_available(env, "False")
        noticed = time.monotonic() - started
    back = time.monotonic()
    _metrics_available(env, "True")
    took = time.monotonic() - back
    require(
        env.workload.generation() == generation and began(env) == attempts,
        "the Deployment was written while there were no measurements",
    )
    return said(
        f"{how}: MetricsAvailable was False after {noticed:.1f} s, nothing was written; measuring "
        f"went on {took:.1f} s after it was back.",
        message,
    )


def _metrics_available(env: Environment, wanted: str) -> str:
    def look() -> tuple[str | None, str]:
        env.operator.check()
        status = env.workload.status()
        found = condition(status, "MetricsAvailable")
        seen = f"MetricsAvailable is {found.get('status')} ({found.get('reason')})"
        message = str(found.get("message", ""))
        return (message if found.get("status") == wanted else None), seen

    return until(f"MetricsAvailable becomes {wanted}", look, env.pace.patience(60))


def step_7(env: Environment) -> str:
    """A bad v6, and the operator is killed in the middle of its rollback."""
    before = began(env)
    generation = deploy(env, Deploy(image="v5", uri="digits-v6-spoiled"))
    killed = _kill_in_transaction(env)
    started = time.monotonic()
    env.operator.start()
    seen = ended(env, killed.source, started, before, GOOD, timeout=_SLOW)
    written = env.workload.generation() - generation
    attempts = env.workload.status()["attempts"] - before
    annotated = env.workload.transaction_annotation()
    require(
        (written, attempts) == (1, 1) and annotated == killed.transaction == seen.transaction,
        f"{attempts} rollbacks begun, the Deployment written {written} times; transaction "
        f"{killed.transaction}, finished {seen.transaction}, annotated {annotated}",
    )
    return said(
        f"v6 (bad) deployed; operator killed with its rollback {killed.progress}; the next one "
        f"finished it {seen.total:.1f} s after its start, once: 1 write of the Deployment, "
        f"accuracy {seen.recovered:.2f}.",
        seen.said,
    )


@dataclass(frozen=True)
class _Killed:
    source: int
    transaction: str
    progress: str


def _kill_in_transaction(env: Environment) -> _Killed:
    """Kill the operator as soon as its intent is seen. A watch tells it sooner than asking."""
    patience = env.pace.patience(60)
    for guard in env.kube.watch(GUARDS, patience):
        transaction = (guard.get("status") or {}).get("transaction")
        if transaction and guard["metadata"]["name"] == NAME:
            env.operator.kill()
            applied = env.workload.transaction_annotation() == transaction["id"]
            progress = "written, not verified" if applied else "decided, not written"
            return _Killed(transaction["from"], transaction["id"], progress)
    raise StepFailed(
        f"no rollback of v6 began within {patience:.0f} s; last seen: "
        f"{describe(env.workload.status())}"
    )


def step_8(env: Environment) -> str:
    """A healthy model with little traffic was left alone all the while; a naive rule fired."""
    watched = env.bystander

    def look() -> tuple[dict[str, object] | None, str]:
        env.operator.check()
        status = env.quiet.status()
        calm = (status.get("stable") or {}).get("revision") == 1 and status["phase"] == "Healthy"
        seen = f"the naive rule fired {watched.fired} times; {describe(status)}"
        return (status if calm and watched.fired >= _FIRED_OFTEN else None), seen

    until(f"{QUIET} becomes Stable while the naive rule fires", look, env.pace.patience(90))
    _left_alone(env)
    status, seconds = env.quiet.status(), watched.seconds
    answers, wrong = env.metrics.answers(QUIET)
    return said(
        f"{QUIET} (healthy, two answers a check) was guarded all the while, {seconds:.0f} s: "
        f"{wrong} of {answers} answers were wrong ({100 * wrong / answers:.2g} %, limit 15 %). A naive rule "
        f"on the same counters (accuracy of the last {env.pace.window} below 0.85) fired "
        f"{watched.fired} times. The operator never suspected the model, began no rollback and did "
        "not write the Deployment: it has generation 1 still, and revision 1 is Stable.",
        str(metric(status, "accuracy")["message"]),
    )


def _left_alone(env: Environment) -> None:
    """Nothing was ever begun, written, or found wrong with the quiet model."""
    status, watched = env.quiet.status(), env.bystander
    began_any = watched.transactions or status.get("attempts") or status.get("lastTransaction")
    require(not began_any, f"a rollback of {QUIET} was begun: {describe(status)}")
    require(watched.doubted == 0, f"the operator suspected {QUIET} {watched.doubted} times")
    generation, phase = env.quiet.generation(), env.quiet.revision_phase(1)
    require(
        generation == 1 and phase == "Stable",
        f"the Deployment {QUIET} has generation {generation}, and revision 1 is {phase}",
    )


def said(seen: str, *quotes: str) -> str:
    """What a step saw, and what the operator said about it, if it said something."""
    return "\n".join([seen, *(f"“{quote}”" for quote in quotes if quote)])


STEPS: tuple[Callable[[Environment], str], ...] = (
    step_1,
    step_2,
    step_3,
    step_4,
    step_5,
    step_6,
    step_7,
    step_8,
)
