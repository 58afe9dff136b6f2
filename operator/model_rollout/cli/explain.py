"""`modelrollout explain`: why it did or did not act, and what would have to happen."""

import argparse
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass

from model_rollout.cli.advice import PAUSED, advice_for
from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import (
    OK,
    Colour,
    Style,
    add_output,
    clean,
    documented,
    epoch,
    moment,
    paragraph,
    show,
    style_of,
)
from model_rollout.cli.switch import PAUSE
from model_rollout.cli.targets import other_revisions
from model_rollout.cli.view import UNSEEN, Brakes, Rollout, by_number, component_text, worrying
from model_rollout.ports.kubernetes import Json

_TRANSACTION = ("RollingBack", "Verifying")
_NO_TARGET = "RollbackTargetAvailable"


def add_explain(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    explain = commands.add_parser(
        "explain",
        help="say why it did or did not act",
        description="Says in a few sentences why the operator acted or did not, what would have to "
        "happen, and which command to type next.",
    )
    explain.set_defaults(execute=in_cluster(_run))
    explain.add_argument("name", type=object_name, metavar="NAME")
    add_output(explain)
    add_place(explain)


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    body = await cluster.rollout(chosen.name)
    found = explained(Rollout(body), await cluster.revisions(body), time.time(), place)
    if chosen.output == "table":
        show(as_text(found, style_of()))
    else:
        show([documented(as_document(found), chosen.output)])
    return OK


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why things are as they are."""

    name: str
    phase: str
    reason: str
    message: str
    because: tuple[str, ...]
    commands: tuple[str, ...]


def explained(rollout: Rollout, revisions: list[Json], now: float, place: Place) -> Explanation:
    """Return the explanation; `now` in seconds since the epoch."""
    words = _words(rollout)
    advices = [*([PAUSED] if rollout.switch == PAUSE else []), advice_for(rollout.reason)]
    commands = dict.fromkeys(command for advice in advices for command in advice.commands)
    sentences = [
        UNSEEN if rollout.is_outdated else "",
        _deployed(rollout, revisions),
        *(f"{advice.means} {advice.then}".strip().format_map(words) for advice in advices),
        *_target(rollout, revisions, now, place),
        *_brakes(rollout, now),
        *_conditions(rollout),
        *_last_decision(rollout),
    ]
    return Explanation(
        rollout.name,
        rollout.phase,
        rollout.reason,
        rollout.message,
        tuple(filter(None, sentences)),
        tuple(_command(command.format_map(words), place) for command in commands),
    )


def _words(rollout: Rollout) -> dict[str, str]:
    """What stands for the placeholders of an advice, with the words of the spec."""
    spec = rollout.spec
    analysis, written = spec.get("analysis") or {}, spec.get("rollback") or {}
    budget = written.get("budget") or {}
    texts = {
        "name": rollout.name,
        **_workload(spec.get("targetRef") or {}, rollout.name),
        "revision": rollout.current or rollout.transaction.get("from") or "REVISION",
        "settle": analysis.get("settle") or "settle",
        "warmUp": analysis.get("warmUp") or "warmUp",
        "deadline": written.get("deadline") or "the deadline",
        "verifyFor": written.get("verifyFor") or "verifyFor",
        "transaction": rollout.waiting.get("transaction") or "",
        "window": written.get("window") or "none",
        "cooldown": written.get("cooldown") or "the cooldown",
        "maxReverts": (spec.get("quarantine") or {}).get("maxReverts", "some"),
        "budget": f"{budget.get('maxRollbacks', '?')} within {budget.get('per', '?')}",
        "when": _when(rollout),
        "because": f" ({rollout.switched_because})" if rollout.switched_because else "",
    }
    return {name: str(text) for name, text in texts.items()}


def _workload(target: Json, name: str) -> dict[str, str]:
    """What is typed about the workload depends on its kind."""
    kind, name = str(target.get("kind") or "Deployment").lower(), str(target.get("name") or name)
    if kind in ("deployment", "statefulset"):
        progress = f"kubectl rollout status {kind}/{name}"
        scale = f"kubectl scale {kind}/{name} --replicas=1"
    else:
        progress, scale = f"kubectl describe {kind} {name}", f"kubectl edit {kind} {name}"
    return {"kind": kind, "workload": name, "progress": progress, "scale": scale}


def _when(rollout: Rollout) -> str:
    """What would lead to a rollback."""
    wanted = (rollout.spec.get("analysis") or {}).get("when") or "Any"
    acting = [
        str(metric.get("name"))
        for metric in rollout.spec.get("metrics") or ()
        if metric.get("action", "Rollback") not in ("Notify", "None")
    ]
    limits = {m.get("name"): m.get("limit") for m in rollout.status.get("metrics") or ()}
    texts = ", ".join(f"{name} {limits.get(name) or ''}".strip() for name in acting)
    if wanted in ("Any", "All"):
        which = "one of these is" if wanted == "Any" else "all of these are"
        return f"{which} breached: {texts}" if len(acting) > 1 else f"this is breached: {texts}"
    return f"this holds: {wanted}"


def _command(text: str, place: Place) -> str:
    program, *words = shlex.split(text)
    return place.kubectl(*words) if program == "kubectl" else place.hint(program, *words)


def _deployed(rollout: Rollout, revisions: list[Json]) -> str:
    current = rollout.status.get("current") or {}
    if not current:
        return ""
    found = by_number(revisions).get(rollout.current or 0)
    called = f" ({component_text(found)})" if found and component_text(found) else ""
    serving = moment(current.get("servingSince"))
    serves = f"serves since {serving} UTC" if serving else "does not serve yet"
    text = f"Revision {rollout.current}{called} of {rollout.workload} {serves}"
    if rollout.stable is None:
        return f"{text}; none was proven good yet."
    is_stable = rollout.stable == rollout.current
    return f"{text} and is {'proven good' if is_stable else 'not proven good'}{_newest(rollout)}."


def _newest(rollout: Rollout) -> str:
    different = rollout.stable != rollout.current
    return f"; the newest one that was is revision {rollout.stable}" if different else ""


def _target(rollout: Rollout, revisions: list[Json], now: float, place: Place) -> Iterator[str]:
    """Where a rollback would go; while one is under way that is told already."""
    available = rollout.condition(_NO_TARGET)
    if rollout.phase in _TRANSACTION or available.get("status") not in ("True", "False"):
        return
    if available["status"] == "True":
        proven = "" if available.get("reason") == "Proven" else " (served, but never proven good)"
        yield f"As of the last change, {available.get('message')}{proven}."
        return
    others = "; ".join(other_revisions(rollout, revisions, now, place)) or "no other is recorded"
    yield f"There is no revision to go back to: {others}."


def _brakes(rollout: Rollout, now: float) -> Iterator[str]:
    """Brakes that are on although nothing had to be held back yet."""
    mode = (rollout.spec.get("rollback") or {}).get("mode")
    if mode == "DryRun" and rollout.reason != mode:
        yield "rollback.mode is DryRun: it would only say what it would have done."
    if mode == "Manual" and rollout.reason != "AwaitingApproval":
        yield "rollback.mode is Manual: a rollback would wait until a person approves it."
    brakes = Brakes.of(rollout, now)
    if brakes.cooldown_ends:
        yield f"No automatic rollback begins before {moment(brakes.cooldown_ends)} UTC (cooldown)."
    if brakes.used and rollout.reason != "BudgetExhausted":
        yield f"{brakes.used} of {brakes.allowed} automatic rollbacks within {brakes.window} are used."


def _conditions(rollout: Rollout) -> Iterator[str]:
    for condition in worrying(rollout):
        message = condition.get("message")
        told = condition.get("type") in (_NO_TARGET, "KillSwitchEngaged") or not message
        if not told and message != rollout.message:
            yield f"{condition.get('type')} is {condition.get('status')}: {message}."


def _last_decision(rollout: Rollout) -> Iterator[str]:
    last = rollout.status.get("lastDecision") or {}
    if last and last.get("message") != rollout.message:
        when = moment(epoch(last.get("time")))
        yield f"The last decision, {last.get('reason')} at {when} UTC: {last.get('message')}."


def as_document(found: Explanation) -> Json:
    """Return the explanation as a document."""
    return {
        "name": found.name,
        "phase": found.phase,
        "reason": found.reason,
        "message": found.message,
        "because": list(found.because),
        "next": list(found.commands),
    }


def as_text(found: Explanation, style: Style) -> list[str]:
    """Return the explanation as lines."""
    reason = f" ({found.reason})" if found.reason else ""
    head = f"{found.name} is {found.phase or 'new'}{reason}"
    lines = [style.paint(clean(head), Colour.STRONG), *paragraph(_sentence(found.message), style)]
    for sentence in found.because:
        lines += ["", *paragraph(sentence, style)]
    return [*lines, "", "To type next:", *(f"  {clean(command)}" for command in found.commands)]


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."
