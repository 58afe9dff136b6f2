"""The command line of a container: the words of `command` and `args`, and the script of a shell."""

import re
from dataclasses import dataclass

from model_rollout.revisions.canonical import Json
from model_rollout.revisions.places import Path

FIELDS = ("command", "args")
"""In the order in which a container runs them."""

_SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})
_OPTION = re.compile(r"[-+][A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the command line."""

    path: Path
    text: str
    script: bool = False
    """A shell reads the word as a script: it follows `sh -c`."""


def command_line(container: Json, path: Path) -> tuple[Word, ...]:
    """Return the words of a container at `path`: those of `command`, then those of `args`."""
    words = [
        Word((*path, field, index), str(text))
        for field in FIELDS
        for index, text in enumerate(container.get(field) or ())
    ]
    script = _script([word.text for word in words])
    if script is not None:
        words[script] = Word(words[script].path, words[script].text, script=True)
    return tuple(words)


def _script(words: list[str]) -> int | None:
    """Where the script of a shell stands: `sh -c SCRIPT`, `bash -euo pipefail -c SCRIPT`."""
    for at, word in enumerate(words):
        if word.rpartition("/")[2] in _SHELLS:
            return _after_options(words, at + 1)
    return None


def _after_options(words: list[str], at: int) -> int | None:
    is_script = False
    while at < len(words) and _OPTION.fullmatch(words[at]):
        is_script |= words[at].startswith("-") and "c" in words[at]
        at += 2 if words[at].endswith("o") else 1  # -o takes the name of an option
    return at if is_script and at < len(words) else None
