"""Which cluster, context and namespace a command speaks to: the rules are those of kubectl.

Only names are read here. Credentials are read by the login, from the context that is chosen here.
"""

import argparse
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model_rollout.cli.output import REFUSED, CommandError, program

_DEFAULT_NAMESPACE = "default"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works."""

    kubeconfig: str | None
    """Paths, separated as in $KUBECONFIG; None: in a pod, with its ServiceAccount."""
    context: str | None
    namespace: str
    everywhere: bool
    flags: tuple[str, ...]
    """What was written on the command line to get here; hints repeat it."""

    def hint(self, *words: str) -> str:
        """Return a command of ours to type next."""
        return " ".join([program(), *map(shlex.quote, words), *map(shlex.quote, self.flags)])

    def kubectl(self, *words: str) -> str:
        """Return a command of kubectl to type next."""
        return " ".join(["kubectl", *map(shlex.quote, words), *map(shlex.quote, self.flags)])


def object_name(text: str) -> str:
    """Return the name of an object; for argparse. It becomes part of a path."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of an object: write lower case letters, digits, - and ."
        )
    return text


def _namespace_name(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a namespace: write lower case letters, digits and -"
        )
    return text


def add_place(command: argparse.ArgumentParser, *, everywhere: bool = False) -> None:
    """Add the flags that choose a cluster and a namespace; `everywhere` adds -A."""
    group = command.add_argument_group("cluster")
    group.add_argument(
        "-n",
        "--namespace",
        type=_namespace_name,
        metavar="NAMESPACE",
        help="default: that of the context",
    )
    if everywhere:
        group.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    group.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    group.add_argument(
        "--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, else ~/.kube/config"
    )


def place_of(chosen: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Place:
    """Return where to work. Raises CommandError when the kubeconfig does not say."""
    paths = chosen.kubeconfig or environment.get("KUBECONFIG") or _home_file()
    flags = [
        part for flag in ("kubeconfig", "context", "namespace") for part in _flag(chosen, flag)
    ]
    everywhere = getattr(chosen, "all_namespaces", False)
    if paths is None:
        namespace = chosen.namespace or _namespace_of_pod(chosen, environment)
        return Place(None, None, namespace, everywhere, tuple(flags))
    merged = _Names.read(paths)
    context = merged.choose(chosen.context, paths)
    namespace = chosen.namespace or merged.contexts[context] or _DEFAULT_NAMESPACE
    return Place(paths, context, namespace, everywhere, tuple(flags))


def _flag(chosen: argparse.Namespace, name: str) -> tuple[str, ...]:
    value = getattr(chosen, name)
    flag = "-n" if name == "namespace" else f"--{name}"
    return (flag, value) if value else ()


def _home_file() -> str | None:
    file = Path.home() / ".kube" / "config"
    return str(file) if file.exists() else None


def _namespace_of_pod(chosen: argparse.Namespace, environment: Mapping[str, str]) -> str:
    if "KUBERNETES_SERVICE_HOST" not in environment or chosen.context:
        raise CommandError(
            "there is no kubeconfig: write --kubeconfig FILE, or set KUBECONFIG", REFUSED
        )
    try:
        return _POD_NAMESPACE.read_text(encoding="utf-8").strip() or _DEFAULT_NAMESPACE
    except OSError:
        return _DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class _Names:
    """The contexts of several files; what the first file says wins."""

    current: str
    contexts: Mapping[str, str]
    """Namespace of each context, empty where it has none."""

    @classmethod
    def read(cls, paths: str) -> "_Names":
        """Read the names. Raises CommandError."""
        current, found = "", False
        contexts: dict[str, str] = {}
        for path in filter(None, paths.split(os.pathsep)):
            file = Path(path).expanduser()
            if not file.exists():
                continue
            found = True
            body = _body(file)
            current = current or str(body.get("current-context") or "")
            for entry in body.get("contexts") or ():
                namespace = str((entry.get("context") or {}).get("namespace") or "")
                contexts.setdefault(str(entry.get("name")), namespace)
        if not found:
            raise CommandError(
                f"there is no kubeconfig at {paths}: correct --kubeconfig or KUBECONFIG", REFUSED
            )
        return cls(current, contexts)

    def choose(self, wanted: str | None, paths: str) -> str:
        """Return the context to use. Raises CommandError."""
        context = wanted or self.current
        if context in self.contexts:
            return context
        names = ", ".join(self.contexts) or "none"
        what = f"no context {context}" if context else "no current context"
        raise CommandError(
            f"{paths} has {what}: write --context with one of its contexts ({names})", REFUSED
        )


def _body(file: Path) -> dict[str, Any]:
    """Return what a kubeconfig holds; errors never quote it, it has tokens."""
    try:
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", REFUSED) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        body = ()
    if body is None:
        return {}
    if not isinstance(body, dict) or not all(
        isinstance(entry, dict) for entry in body.get("contexts") or ()
    ):
        raise CommandError(f"{file} is no kubeconfig: name another file", REFUSED)
    return body
