"""Objects of a cluster → what commands print: from `NAME.input.yaml` to `NAME.output.txt`.

An input has the time, objects, and commands; a part of an object that is not written is as the operator
leaves it when nothing is wrong.
"""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollout.api.types import seconds, time_text
from model_rollout.cli import approve, diff, explain, history, rollback, status, unquarantine
from model_rollout.cli.details import details
from model_rollout.cli.kubeconfig import Place
from model_rollout.cli.output import Colour, Style, epoch
from model_rollout.cli.view import Rollout, by_number
from support.golden import check_golden

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*.input.yaml"))
NOW = epoch("2026-03-01T12:00:00Z")
PLAIN = Style()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".input.yaml"))
def test_output(case: Path, request: pytest.FixtureRequest) -> None:
    situation = yaml.safe_load(case.read_text())
    rollouts = [Rollout(body(written)) for written in situation["rollouts"]]
    revisions = [revision(written) for written in situation.get("revisions", ())]
    style = Style(width=situation.get("width"), colours=situation.get("colours", False))
    lines = []
    for command in situation["commands"]:
        lines += [f"$ modelrollout {command}", *printed(command, rollouts, revisions, style), ""]
    text = "\n".join(lines).replace("\x1b", "\\e")
    output = case.with_name(case.name.replace(".input.yaml", ".output.txt"))
    check_golden(output, text, update=request.config.getoption("--update-golden"))


def printed(
    command: str, rollouts: list[Rollout], revisions: list[dict[str, Any]], style: Style
) -> list[str]:
    """What a command prints, without the words of `test_output` that stand for the cluster."""
    word, *rest = shlex.split(command)
    place = Place(None, None, "ml", "-A" in rest, ())
    if word == "status" and (not rest or place.everywhere):
        return status.overview(rollouts, place.everywhere, style)
    rollout = next(r for r in rollouts if r.name == rest[0])
    found = by_number(revisions)
    match word, *rest[1:]:
        case ["status"]:
            return details(rollout, NOW, style)
        case ["history"]:
            return history.as_table(rollout, revisions, NOW, style)
        case ["explain"]:
            return explain.as_text(explain.explained(rollout, revisions, NOW, place), style)
        case ["diff", before, after]:
            return diff.as_text(found[int(before)], found[int(after)], style)
        case ["rollback", *to]:
            number = int(to[1]) if to else None
            refused = rollback.impossible(rollout, revisions, number, NOW, place)
            return [f"refused: {refused}" if refused else rollback.plan(rollout, revisions, number)]
        case ["approve", *wanted]:
            refused = approve.impossible(rollout, wanted[0] if wanted else None, place)
            return [f"refused: {refused}"] if refused else approve.plan(rollout, revisions)
        case ["unquarantine", number]:
            refused = unquarantine.impossible(rollout, int(number), NOW)
            return [f"refused: {refused}" if refused else "asked"]
        case _:
            raise AssertionError(command)


def moments(value: Any) -> Any:
    """Replace `-10m` by the time ten minutes before NOW."""
    if isinstance(value, dict):
        return {key: moments(child) for key, child in value.items()}
    if isinstance(value, list):
        return [moments(child) for child in value]
    if isinstance(value, str) and value[:1] in ("-", "+") and value[1:2].isdigit():
        return time_text(NOW + seconds(value[1:]) * (1 if value[0] == "+" else -1))
    return value


def body(written: dict[str, Any]) -> dict[str, Any]:
    name = written.get("name", "sentiment")
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": written.get("namespace", "ml"),
        "generation": 1,
    }
    metadata["annotations"] = written.get("annotations", {})
    analysis = {"interval": "30s", "settle": "30s", "warmUp": "2m", "bakeTime": "1h"}
    limits = {"verifyFor": "5m", "deadline": "30m", "cooldown": "10m"}
    budget = {"maxRollbacks": 3, "per": "24h"}
    spec = {
        "killSwitch": "None",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "metrics": [{"name": "accuracy"}, {"name": "latency"}],
        "analysis": analysis,
        "rollback": {"mode": "Automatic", **limits, "budget": budget},
        "quarantine": {"maxReverts": 1},
    }
    spec["rollback"] |= written.pop("rollback", {})
    state = written.get("status")
    made = {"metadata": metadata, "spec": spec | written.get("spec", {})}
    if state is not None:
        made["status"] = {"observedGeneration": 1, **moments(state)}
    return made


def revision(written: dict[str, Any]) -> dict[str, Any]:
    number = written["number"]
    uri = {
        "name": "weights",
        "kind": "Env",
        "source": "server/MODEL_URI",
        "value": f"s3://m/{number}",
    }
    spec = {
        "number": number,
        "digest": f"digest-{number}",
        "components": written.get("components", [uri]),
        "observedDigest": "0" * 64,
        "observed": {},
        "summary": f"s3://m/{number}",
    }
    return {
        "metadata": {"name": f"sentiment-{number}", "namespace": "ml"},
        "spec": spec | written.get("spec", {}),
        "status": moments(written.get("status", {})),
    }


def test_every_output_has_its_situation() -> None:
    outputs = {path.name.removesuffix(".output.txt") for path in FOLDER.glob("*.output.txt")}
    assert outputs == {path.name.removesuffix(".input.yaml") for path in CASES}


def test_colours_are_only_where_they_are_wanted() -> None:
    assert Style(colours=True).paint("x", Colour.BAD) == "\x1b[31mx\x1b[0m"
    assert PLAIN.paint("x", Colour.BAD) == "x"
