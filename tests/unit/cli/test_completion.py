"""Completion: what each shell offers, asked of the shell itself where it is installed."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from model_rollout.cli import completion
from model_rollout.cli.main import main, parser
from model_rollout.cli.words import candidates, commands_of

COMMANDS = commands_of(parser())
OUTPUTS = {"table", "json", "yaml"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("", {command.name for command in COMMANDS}),
        ("status -o ", OUTPUTS),
        ("status x -w --output ", OUTPUTS),
        ("completion ", {"bash", "zsh", "fish"}),
        ("completion bash ", set()),
        ("audit ", {"export", "verify"}),
        ("audit verify --output ", OUTPUTS),
        ("status x ", set()),
        ("nothing ", set()),
        ("-x ", set()),
    ],
)
def test_candidates(line: str, offered: set[str]) -> None:
    assert set(candidates(COMMANDS, line.split(" ")) or ()) == offered


@pytest.mark.parametrize("line", ["status ", "status -w ", "rollback -n ml ", "diff --context c "])
def test_names_are_asked_for(line: str) -> None:
    assert candidates(COMMANDS, line.split(" ")) is None


def test_flags_of_a_command() -> None:
    offered = set(candidates(COMMANDS, ["rollback", "x", "-"]) or ())
    assert {"--to", "--yes", "-y", "--reason", "--no-wait", "-n", "--context"} <= offered
    assert "--watch" not in offered


def test_hidden_commands_are_not_offered() -> None:
    assert not any(command.name.startswith("__") for command in COMMANDS)
    assert "__" not in parser().format_help()


def test_as_kubectl_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["__complete", "st"]) == 0
    assert capsys.readouterr().out == "status\n:4\n"
    assert main(["__complete", "status", "--wat"]) == 0
    assert capsys.readouterr().out == "--watch\n:4\n"


def test_names_as_kubectl_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert main(["__complete", "status", ""]) == 0
    assert capsys.readouterr().out == ":4\n"
    monkeypatch.setattr(completion, "_known_names", lambda typed: ("aa", "ab", "b"))
    assert main(["__complete", "status", "a"]) == 0
    assert capsys.readouterr().out == "aa\nab\n:4\n"


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Path]:
    """A file for each shell; names come from a program that stands for ours."""
    files = {}
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        files[shell] = tmp_path / shell
        files[shell].write_text(capsys.readouterr().out)
    program = tmp_path / "modelrollout"
    program.write_text('#!/bin/sh\nshift\necho "sentiment names$*" | tr " " "\\n"\n')
    program.chmod(0o755)
    return files


BASH = """\
source {script}
COMP_WORDS=({line} {current})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_modelrollout
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# Instead of the line editor of zsh: what is handed to it is printed.
ZSH = """\
compdef() {{ }}
compadd() {{ shift; print -l -- "$@" }}
_files() {{ print FILES }}
source {script}
words=({line} {current})
CURRENT=${{#words}}
_modelrollout
"""
FISH = "source {script}; complete -C {whole}"
LINES = [
    (("modelrollout",), "", {command.name for command in COMMANDS}),
    (("modelrollout", "sta"), "sta", {"status"}),
    (("modelrollout", "status", "-o"), "", OUTPUTS),
    (("modelrollout", "status", "-w", "-o"), "js", {"json"}),
    (("modelrollout", "rollback", "-n", "ml", "x"), "--t", {"--to", "--timeout"}),
    (("modelrollout", "completion"), "z", {"zsh"}),
    (("modelrollout", "explain"), "sent", {"sentiment"}),
]


def shell(name: str, text: str, folder: Path) -> set[str]:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"}
    ran = subprocess.run(
        [found, *flags, "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.stderr == ""
    return {line.split("\t")[0] for line in ran.stdout.splitlines() if line}


@pytest.mark.parametrize(("line", "current", "offered"), LINES)
@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_what_a_shell_offers(
    script: dict[str, Path], tmp_path: Path, name: str, line: tuple[str, ...], current: str,
    offered: set[str],
) -> None:  # fmt: skip
    before = line[:-1] if line[-1] == current else line
    form = {"bash": BASH, "zsh": ZSH, "fish": FISH}[name]
    text = form.format(
        script=script[name],
        line=shlex.join(before),
        current=shlex.quote(current),
        whole=shlex.quote(f"{shlex.join(before)} {current}"),
    )
    found = shell(name, text, tmp_path)
    if name == "zsh":  # the editor picks those that fit
        found = {word for word in found if word.startswith(current)}
    assert found == offered


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_names_are_those_of_the_cluster_that_was_chosen(
    script: dict[str, Path], tmp_path: Path, name: str
) -> None:
    form = {"bash": BASH, "zsh": ZSH}[name]
    line = "modelrollout rollback -n ml --context c"
    text = form.format(script=script[name], line=line, current="''")
    assert shell(name, text, tmp_path) == {"sentiment", "names-n", "ml", "--context", "c"}


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_files_where_files_are_wanted(script: dict[str, Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "rollout.yaml").touch()
    form = {"bash": BASH, "zsh": ZSH, "fish": FISH}[name]
    current = f"{tmp_path}/rollo"
    text = form.format(
        script=script[name],
        line="modelrollout lint -f",
        current=current,
        whole=shlex.quote(f"modelrollout lint -f {current}"),
    )
    [found] = shell(name, text, tmp_path)
    assert found == "FILES" or found.endswith("rollout.yaml")
