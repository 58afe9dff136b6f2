"""Which context and namespace: as kubectl has it."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_rollout.cli import kubeconfig as module
from model_rollout.cli.kubeconfig import Place, add_place, object_name, place_of
from model_rollout.cli.output import CommandError


def file(folder: Path, name: str, current: str | None, **namespaces: str | None) -> str:
    contexts = [
        {"name": context, "context": {"cluster": "c", "user": "u"} | _namespace(namespace)}
        for context, namespace in namespaces.items()
    ]
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "contexts": contexts}
    if current is not None:
        body["current-context"] = current
    (folder / name).write_text(yaml.safe_dump(body))
    return str(folder / name)


def _namespace(namespace: str | None) -> dict[str, str]:
    return {} if namespace is None else {"namespace": namespace}


def place(words: str = "", **environment: str) -> Place:
    parser = argparse.ArgumentParser()
    add_place(parser, everywhere=True)
    return place_of(parser.parse_args(words.split()), environment)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    return tmp_path / "home" / ".kube"


def test_namespace_of_the_context(tmp_path: Path) -> None:
    paths = file(tmp_path, "a", "two", one="first", two="second", three=None)
    assert place(KUBECONFIG=paths).namespace == "second"
    assert place("--context one", KUBECONFIG=paths).namespace == "first"
    assert place("--context three", KUBECONFIG=paths).namespace == "default"
    assert place("--context one -n x", KUBECONFIG=paths).namespace == "x"
    assert place(KUBECONFIG=paths).context == "two"


def test_the_flag_wins_over_the_environment_and_that_over_the_home_directory(
    tmp_path: Path, home: Path
) -> None:
    file(home, "config", "h", h="home")
    paths, other = file(tmp_path, "a", "e", e="environment"), file(tmp_path, "b", "f", f="flag")
    assert place().namespace == "home"
    assert place(KUBECONFIG=paths).namespace == "environment"
    assert place(f"--kubeconfig {other}", KUBECONFIG=paths).namespace == "flag"


def test_of_several_files_the_first_one_wins(tmp_path: Path) -> None:
    first = file(tmp_path, "a", None, one="first")
    second = file(tmp_path, "b", "two", one="other", two="second")
    third = file(tmp_path, "c", "one", three="third")
    paths = f"{tmp_path}/missing:{first}:{second}:{third}"
    assert place(KUBECONFIG=paths).context == "two"
    assert place("--context one", KUBECONFIG=paths).namespace == "first"
    assert place("--context three", KUBECONFIG=paths).namespace == "third"


def test_the_home_directory_wins_over_the_pod(home: Path) -> None:
    file(home, "config", "h", h="home")
    assert place(KUBERNETES_SERVICE_HOST="10.0.0.1").context == "h"


def test_in_a_pod_without_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POD_NAMESPACE", tmp_path / "namespace")
    assert place(KUBERNETES_SERVICE_HOST="10.0.0.1").namespace == "default"
    (tmp_path / "namespace").write_text("pods\n")
    found = place(KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert (found.kubeconfig, found.context, found.namespace) == (None, None, "pods")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "there is no kubeconfig: write --kubeconfig FILE, or set KUBECONFIG"),
        ("--kubeconfig FOLDER/none", "there is no kubeconfig at FOLDER/none: correct --kubeconfig"),
        ("--kubeconfig FOLDER/a --context x", ("has no context x: write --context with one of its "
         "contexts (one, two)")),
        ("--kubeconfig FOLDER/b", ("has no current context: write --context with one of its contexts "
         "(one)")),
        ("--kubeconfig FOLDER/c", "c is no kubeconfig: name another file"),
        ("--kubeconfig FOLDER/d", "d is no kubeconfig: name another file"),
        ("--kubeconfig FOLDER/empty", ("has no current context: write --context with one of its "
         "contexts (none)")),
        ("--kubeconfig FOLDER", "cannot be read: Is a directory"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_kubeconfig(tmp_path: Path, words: str, said: str) -> None:
    file(tmp_path, "a", "one", one=None, two=None)
    file(tmp_path, "b", None, one=None)
    (tmp_path / "c").write_text("token: [secret")
    (tmp_path / "d").write_text("contexts: [secret]")
    (tmp_path / "empty").write_text("")
    with pytest.raises(CommandError) as raised:
        place(words.replace("FOLDER", str(tmp_path)))
    assert said.replace("FOLDER", str(tmp_path)) in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.status == 2


def test_hints_repeat_what_was_written(tmp_path: Path) -> None:
    paths = file(tmp_path, "a b", "one", one="ml")
    assert place(KUBECONFIG=paths).hint("resume", "x") == "modelrollout resume x"
    found = Place(None, None, "ml", False, ("--kubeconfig", "a b", "-n", "ml"))
    assert found.hint("resume", "x") == "modelrollout resume x --kubeconfig 'a b' -n ml"
    assert found.kubectl("get", "mro") == "kubectl get mro --kubeconfig 'a b' -n ml"
    assert place("-n x --context one", KUBECONFIG=paths).flags == ("--context", "one", "-n", "x")


def test_hints_of_the_plugin_are_commands_of_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/kubectl-modelrollout", "pause", "x"])
    assert Place(None, None, "ml", False, ()).hint("pause", "x") == "kubectl modelrollout pause x"


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "a b", "-a", "a-", "\x1b", "a" * 254])
def test_what_is_no_name_gets_into_no_path(name: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not the name of an object"):
        object_name(name)
    assert object_name("a.b-1") == "a.b-1"
