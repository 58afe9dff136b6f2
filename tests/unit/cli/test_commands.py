"""Whole commands over a made-up cluster: what is printed where, and how they end."""

import argparse
import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollout.cli import advice, connect
from model_rollout.cli.advice import advice_for
from model_rollout.cli.main import main, parser
from model_rollout.cli.output import CommandError
from model_rollout.cli.words import commands_of
from model_rollout.decision.reasons import Reason
from model_rollout.ports.kubernetes import Forbidden, NotFound, Unauthorized
from unit.cli.made_up import Json, MadeUpConnection, event, page, rollout

Script = Callable[..., MadeUpConnection]
STATUS = {
    "observedGeneration": 1,
    "phase": "Healthy",
    "reason": "Watching",
    "message": "Revision 2 is Stable and measured",
    "current": {"revision": 2, "name": "sentiment-2"},
    "stable": {"revision": 2},
    "attempts": 1,
}
QUARANTINE = [{"revision": 1, "digest": "d1", "phase": "Quarantined", "reason": "MetricBreached"}]


def revision(number: int, phase: str = "Stable") -> Json:
    component = {"name": "weights", "kind": "Env", "source": "s/U", "value": f"v{number}"}
    spec = {"number": number, "digest": f"d{number}", "components": [component]}
    return {"metadata": {"name": f"r{number}"}, "spec": spec, "status": {"phase": phase}}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Script:
    contexts = [{"name": "c", "context": {"namespace": "ml"}}]
    (tmp_path / "config").write_text(json.dumps({"contexts": contexts, "current-context": "c"}))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))

    def answers(*script: Any) -> MadeUpConnection:
        connection = MadeUpConnection(list(script))

        @contextlib.asynccontextmanager
        async def connected(_: object) -> AsyncIterator[MadeUpConnection]:
            yield connection

        monkeypatch.setattr(connect, "connected", connected)
        return connection

    return answers


Captured = pytest.CaptureFixture[str]


def test_a_table_without_anything_says_so_on_the_side(script: Script, capsys: Captured) -> None:
    script(page())
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "No ModelRollouts found in namespace ml; -A shows all\n")


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_documents_are_those_of_the_api(
    script: Script, capsys: Captured, output: str, load: Callable[[str], Json]
) -> None:
    managed = rollout(metadata={"managedFields": [{}]}, status=STATUS)
    script(page(managed))
    assert main(["status", "-o", output]) == 0
    found = load(capsys.readouterr().out)
    assert (found["kind"], found["apiVersion"]) == ("List", "v1")
    assert found["items"][0]["kind"] == "ModelRollout"
    assert found["items"][0]["status"] == STATUS
    assert "managedFields" not in found["items"][0]["metadata"]


def test_errors_name_the_command(script: Script, capsys: Captured) -> None:
    script(Forbidden("x"))
    assert main(["status"]) == 1
    assert capsys.readouterr().err.startswith("modelrollout status: you may not list modelrollouts")


def test_wrong_use(script: Script, capsys: Captured) -> None:
    script()
    for words in (["status", "A"], ["diff", "x", "1", "0"], ["pause", "x", "-n", "A/B"],
                  ["rollback", "x", "--timeout", "0"], ["rollback", "x", "--timeout", "soon"],
                  ["pause", "x", "--reason", " "], ["history"], ["status", "-o", "wide"]):  # fmt: skip
        with pytest.raises(SystemExit, match="2"):
            main(words)
    assert "is not the number of a revision: write for example 3" in capsys.readouterr().err


def test_interrupted(capsys: Captured) -> None:
    def run() -> int:
        raise KeyboardInterrupt

    assert connect.ended(argparse.Namespace(command="status"), run) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_seen_enough() -> None:
    """As in `modelrollout completion bash | head -1`."""
    code = (
        "import sys, argparse; from model_rollout.cli import connect\n"
        "def run():\n    print('x' * 10**6, flush=True)\n    return 0\n"
        "sys.exit(connect.ended(argparse.Namespace(command='status'), run))"
    )
    read, write = os.pipe()
    os.close(read)
    folder = Path(connect.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        stdout=write, stderr=subprocess.PIPE, env=environment, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_a_terminal_without_unicode(script: Script) -> None:
    code = (
        "import sys, argparse; from model_rollout.cli import connect, output\n"
        "sys.exit(connect.ended(argparse.Namespace(command='status'),"
        " lambda: print('a → b') or 0))"
    )
    environment = os.environ | {
        "PYTHONPATH": str(Path(connect.__file__).parents[2]),
        "PYTHONIOENCODING": "ascii",
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "a \\u2192 b\n")


def test_watching_everything(script: Script, capsys: Captured) -> None:
    later = rollout(version=2, status=STATUS | {"phase": "Suspect"})
    script(
        page(rollout(status=STATUS)),
        [event("MODIFIED", rollout(version=3, status=STATUS)), event("MODIFIED", later)],
        Forbidden("x"),
    )
    assert main(["status", "-w"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["NAME", "PHASE", "REVISION"]
    # What looks the same is not told again.
    assert [line.split()[1] for line in lines[1:]] == ["Healthy", "Suspect"]
    assert "you may not watch modelrollouts" in err


def test_watching_one_begins_with_everything_about_it(script: Script, capsys: Captured) -> None:
    script(
        page(rollout(status=STATUS)),
        [event("MODIFIED", rollout(version=2, status=STATUS | {"phase": "Failed"}))],
        [event("DELETED", rollout(version=3, status=STATUS))],
    )
    assert main(["status", "sentiment", "-w"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("ModelRollout ml/sentiment of Deployment")
    lines = out[out.index("TIME") :].splitlines()
    assert [line.split()[1] for line in lines] == ["PHASE", "Healthy", "Failed"]
    assert "was deleted: nothing guards it now" in err


def test_a_rollback_that_nobody_confirms(script: Script, capsys: Captured) -> None:
    connection = script(rollout(status=STATUS), page(revision(1), revision(2)))
    assert main(["rollback", "sentiment"]) == 2
    out, err = capsys.readouterr()
    assert "nobody can be asked here: write --yes" in err
    assert "goes from revision 2 to the best one that there is" in out
    assert not any(method == "PATCH" for method, _, _ in connection.asked)


def test_a_rollback_without_waiting(script: Script, capsys: Captured) -> None:
    body = rollout(status=STATUS)
    connection = script(body, page(revision(1), revision(2)), body)
    assert main(["rollback", "sentiment", "--to", "1", "--yes", "--no-wait"]) == 0
    assert "No automation acts until: modelrollout resume sentiment" in capsys.readouterr().out
    changed = [o for o in connection.bodies[-1] if o["op"] != "test"]
    assert changed == [
        {"op": "add", "path": "/spec/killSwitch", "value": "Rollback"},
        {"op": "add", "path": "/spec/rollback/toRevision", "value": 1},
    ]


def test_a_rollback_that_may_not_be_followed(script: Script, capsys: Captured) -> None:
    body = rollout(status=STATUS)
    script(body, page(revision(1), revision(2)), body, Forbidden("x"))
    assert main(["rollback", "sentiment", "--yes"]) == 1
    out, err = capsys.readouterr()
    assert "The kill switch is set to Rollback, and the operator goes on" in err
    assert "you may not list modelrollouts" in err
    assert "No automation acts until" in out


def test_an_unquarantine_that_is_asked_for_already_is_not_asked_for_twice(
    script: Script, capsys: Captured
) -> None:
    annotation = {"annotations": {"modelrollout.dev/unquarantine": "1"}}
    body = rollout(status=STATUS | {"quarantine": QUARANTINE}, metadata=annotation)
    connection = script(body)
    assert main(["unquarantine", "sentiment", "1", "--no-wait"]) == 0
    assert [method for method, _, _ in connection.asked] == ["GET"]


def test_an_unquarantine_beside_another_one(script: Script, capsys: Captured) -> None:
    annotation = {"annotations": {"modelrollout.dev/unquarantine": "5"}}
    script(rollout(status=STATUS | {"quarantine": QUARANTINE}, metadata=annotation))
    assert main(["unquarantine", "sentiment", "1"]) == 2
    assert "has not cleared revision 5 yet, one is cleared at a time" in capsys.readouterr().err


def test_an_unquarantine_that_the_operator_refuses(script: Script, capsys: Captured) -> None:
    last = {"reason": "UnquarantineRefused", "message": "the annotation names '1'"}
    held = rollout(version=2, status=STATUS | {"quarantine": QUARANTINE, "lastDecision": last})
    script(rollout(status=STATUS | {"quarantine": QUARANTINE}), held, page(held))
    assert main(["unquarantine", "sentiment", "1"]) == 1
    assert "still quarantined: the annotation names '1'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["history", "explain"])
def test_documents_of_other_commands(script: Script, capsys: Captured, command: str) -> None:
    script(rollout(status=STATUS), page(revision(1), revision(2)))
    assert main([command, "sentiment", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    if command == "history":
        assert [item["spec"]["number"] for item in found["items"]] == [1, 2]
    else:
        assert found["next"] == ["modelrollout status sentiment --watch"]
        assert found["reason"] == "Watching"


def test_a_diff_of_a_revision_that_is_not_there(script: Script, capsys: Captured) -> None:
    script(rollout(), page(revision(1)))
    assert main(["diff", "sentiment", "1", "3"]) == 2
    assert "there is no revision 3; there are: 1" in capsys.readouterr().err


def test_every_reason_that_is_explained_exists() -> None:
    assert {reason.value for reason in Reason} >= advice.KNOWN_REASONS


@pytest.mark.parametrize("reason", [*advice.KNOWN_REASONS, "", "NewerThanThis"])
def test_advice_can_be_filled_in(script: Script, capsys: Captured, reason: str) -> None:
    script(rollout(status=STATUS | {"reason": reason}), page(revision(1)))
    assert main(["explain", "sentiment"]) == 0
    out = capsys.readouterr().out
    assert "{" not in out
    assert out.count("\n  ") == len(advice_for(reason).commands)


async def test_credentials_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def log_in(_: object) -> None:
        raise Unauthorized("cannot log in with x: ConfigException")

    monkeypatch.setattr(connect, "login_for", lambda *_: log_in)
    place = connect.Place("x", "c", "ml", everywhere=False, flags=())
    with pytest.raises(CommandError, match="correct context c of the kubeconfig") as raised:
        async with connect.connected(place):
            pass
    assert raised.value.status == 2


def test_resources_that_the_cluster_does_not_know(script: Script, capsys: Captured) -> None:
    script(NotFound("x"), NotFound("x"))
    assert main(["status", "sentiment"]) == 1
    assert "modelrollout crds | kubectl apply" in capsys.readouterr().err


def test_every_command_and_flag_of_a_person_is_documented() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    text = (docs / "cli.md").read_text()
    for command in commands_of(parser()):
        assert f"`{command.name}" in text
        if command.name not in ("run", "backtest"):
            told = [any(f"`{n}" in text for n in flag.names) for flag in command.flags]
            missing = [
                f.names for f, is_told in zip(command.flags, told, strict=True) if not is_told
            ]
            assert missing == [("-h", "--help")]


@pytest.mark.parametrize(
    "cluster",
    [
        {"certificate-authority-data": base64.b64encode(b"no certificate").decode()},
        {"certificate-authority": "/none"},
        {"certificate-authority-data": "***"},
    ],
)
def test_certificates_that_are_none(
    tmp_path: Path, capsys: Captured, cluster: dict[str, str]
) -> None:
    entry = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    body = {
        "current-context": "c",
        "contexts": [entry],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"} | cluster}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    (tmp_path / "config").write_text(json.dumps(body))
    assert main(["status", "--kubeconfig", str(tmp_path / "config")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("modelrollout status: cannot log in")
    assert "context c" in err
    assert "secret" not in err


def test_a_server_that_is_not_there(tmp_path: Path, capsys: Captured) -> None:
    entry = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    body = {
        "current-context": "c",
        "contexts": [entry],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(body))
    assert main(["status", "--kubeconfig", str(tmp_path / "config")]) == 1
    assert "the API server cannot be asked (GET /apis/modelrollout.dev" in capsys.readouterr().err
