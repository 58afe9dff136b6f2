"""The value of a command line flag: as `--flag=value`, as two words, in a script, or absent.

A flag that is absent is added again at one place only, or not at all: as `--flag=value` at the end of
`args` (of `command` where there are no `args`), or at the end of the only command of a script.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from model_rollout.api.revision import ComponentKind
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.commandline import FIELDS, Word, command_line
from model_rollout.revisions.places import (
    ABSENT,
    ComponentProblem,
    Edit,
    Guard,
    Path,
    Place,
    Steps,
    Unrestorable,
    Value,
)
from model_rollout.revisions.shell import Token, end_of_command, quoted, tokens

_SAFE_FLAG = re.compile(r"[A-Za-z0-9_.-]+")
_LIKE_A_FLAG = re.compile(r"-(?![0-9.])")
_REFERENCE = re.compile(r"(?<!\$)(?:\$\$)*\$\([A-Za-z_.-][A-Za-z0-9_.-]*\)")


@dataclass(frozen=True, slots=True)
class _Spot:
    """One occurrence of the flag with its value."""

    word: Word
    value: str
    following: Word | None = None
    """The word of the value, where the flag is a word of its own."""
    tokens: tuple[Token, Token] | None = None
    """In a script: the word of the flag and that of the value, which may be the same one."""
    begin: int = 0
    """In a script: where the blanks before the flag begin."""


def locate_flag(
    name: str, container: Json, path: Path, guard: Guard, flag: str
) -> Place | ComponentProblem:
    """Find a flag in a container, or that it is absent; a problem when that cannot be told."""
    where = f"component {name}: container {guard.value!r}"
    words = command_line(container, path)
    spots = _spots(words, flag)
    if isinstance(spots, str):
        return ComponentProblem("AmbiguousPath", f"{where} {spots}")
    source = f"{guard.value}/{flag}"
    if not spots:
        writing = _adding(container, path, words, flag)
        return Place(ComponentKind.ARG, source, ABSENT, (guard,), (), writing)
    if len(spots) > 1:
        told = f"has the flag {flag!r} {len(spots)} times; keep one of them"
        return ComponentProblem("AmbiguousPath", f"{where} {told}")
    (spot,) = spots
    if problem := _unusable(spot, flag):
        return ComponentProblem("ExpansionRefused", f"{where} {problem}")
    removal = _removal(container, path, spot)

    def write(value: Value) -> Steps:
        return removal if value.absent else _replacement(spot, flag, value.text)

    blank = tuple(step for step in removal if isinstance(step, Edit))
    return Place(ComponentKind.ARG, source, Value(spot.value), (guard,), blank, write)


def _spots(words: tuple[Word, ...], flag: str) -> list[_Spot] | str:
    """Every occurrence; a sentence when there is something that may be one."""
    found: list[_Spot] = []
    hidden: list[str] = []
    taken = None
    for number, word in enumerate(words):
        if word is taken:
            continue  # a value, whatever it looks like
        if word.script:
            inside = _in_script(word, flag)
            if isinstance(inside, str):
                hidden.append(inside)
            else:
                found += inside
        elif word.text.startswith(flag + "=") and not _mentions(word.text[len(flag) :], flag):
            found.append(_Spot(word, word.text[len(flag) + 1 :]))
        elif word.text == flag:
            taken = words[number + 1] if number + 1 < len(words) else None
            if taken is None or taken.script or _LIKE_A_FLAG.match(taken.text):
                return _without_value(flag)
            found.append(_Spot(word, taken.text, taken))
        elif _mentions(word.text, flag):
            hidden.append(_hidden(word.text, flag))
    return hidden[0] if hidden and not found else found


def _in_script(word: Word, flag: str) -> list[_Spot] | str:
    found = tokens(word.text)
    if found is None:
        if flag not in word.text:
            return []
        return (
            f"has the flag {flag!r} in a script with an open quote or a here-document; write match "
            "with an expression for it"
        )
    spots: list[_Spot] = []
    hidden = ""
    taken = None
    for number, token in enumerate(found):
        if token is taken or token.operator:
            continue
        begin = found[number - 1].end if number else 0
        if token.text.startswith(flag + "="):
            value = token.text[len(flag) + 1 :]
            spots.append(_Spot(word, value, tokens=(token, token), begin=begin))
        elif token.text == flag:
            taken = found[number + 1] if number + 1 < len(found) else None
            if taken is None or taken.operator or _LIKE_A_FLAG.match(taken.text):
                return _without_value(flag)
            spots.append(_Spot(word, taken.text, tokens=(token, taken), begin=begin))
        elif _mentions(token.text, flag):
            hidden = _hidden(token.text, flag)
    return hidden if hidden and not spots else spots


def _mentions(text: str, flag: str) -> bool:
    """Tell whether the flag is a word within a longer word."""
    return any(word == flag or word.startswith(flag + "=") for word in text.split()[1:]) or (
        text.split()[:1] == [flag] and text != flag
    )


def _hidden(text: str, flag: str) -> str:
    shown = text if len(text) <= 60 else text[:59] + "…"
    return (
        f"has the flag {flag!r} inside of {shown!r}, which is one word; write {flag}=VALUE as a word "
        "of its own, or match with an expression for it"
    )


def _without_value(flag: str) -> str:
    return f"has the flag {flag!r} without a value after it; write {flag}=VALUE"


def _unusable(spot: _Spot, flag: str) -> str:
    expanded = spot.tokens is not None and spot.tokens[1].expanded
    if not expanded and not _REFERENCE.search(spot.value):
        return ""
    return (
        f"sets {flag!r} to {spot.value!r}, which is expanded when the container starts and says "
        "nothing about the version; write a literal value, or env with the variable"
    )


def _replacement(spot: _Spot, flag: str, value: str) -> Steps:
    if spot.tokens is not None:
        return _replaced(spot.word, _rewritten(spot.word.text, spot.tokens, flag, value))
    joined = f"{flag}={value}"
    if spot.following is None:
        return _replaced(spot.word, joined)
    if not _LIKE_A_FLAG.match(value):
        return (Guard(spot.word.path, spot.word.text), *_replaced(spot.following, value))
    # As a word of its own it would be taken for a flag.
    return (
        Guard(spot.following.path, spot.following.text),
        *_replaced(spot.word, joined),
        Edit("remove", spot.following.path),
    )


def _rewritten(script: str, spot: tuple[Token, Token], flag: str, value: str) -> str:
    name, given = spot
    raw = script[given.begin : given.end]
    if given is not name and not _LIKE_A_FLAG.match(value):
        return script[: given.begin] + quoted(value, raw) + script[given.end :]
    if given is name and raw.startswith(flag + "="):
        written = raw[: len(flag) + 1] + quoted(value, raw[len(flag) + 1 :])
    else:
        written = _joined(flag, value, raw if given is name else "")
    return script[: name.begin] + written + script[given.end :]


def _joined(flag: str, value: str, like: str = "") -> str:
    if like[:1] not in ("'", '"') and _SAFE_FLAG.fullmatch(flag):
        return f"{flag}={quoted(value)}"
    return quoted(f"{flag}={value}", like)


def _replaced(word: Word, text: str) -> Steps:
    return (Guard(word.path, word.text), Edit("replace", word.path, text))


def _removal(container: Json, path: Path, spot: _Spot) -> Steps:
    if spot.tokens is not None:
        script = spot.word.text
        return _replaced(spot.word, script[: spot.begin] + script[spot.tokens[1].end :])
    gone = [spot.word] if spot.following is None else [spot.following, spot.word]
    steps: list[Guard | Edit] = []
    for field in _fields(gone):
        words = container[field]
        here = [word for word in gone if word.path[-2] == field]
        if len(here) == len(words):
            # An empty list and none are the same to the API server, which stores none.
            place = (*path, field)
            steps += [Guard(place, words), Edit("remove", place)]
        else:
            steps += [Guard(word.path, word.text) for word in here]
            steps += [Edit("remove", word.path) for word in here]
    return tuple(steps)


def _fields(words: Iterable[Word]) -> list[str]:
    return list(dict.fromkeys(str(word.path[-2]) for word in words))


def _adding(
    container: Json, path: Path, words: tuple[Word, ...], flag: str
) -> Callable[[Value], Steps]:
    # That the flag is absent is said of all words, so none of them may have changed.
    guards = [Guard((*path, field), container.get(field)) for field in FIELDS]

    def write(value: Value) -> Steps:
        if value.absent:
            return ()
        script = next((word for word in words if word.script), None)
        if script is not None:
            return (*guards, _added_to_script(script, words, flag, value.text))
        return (*guards, _added_to_words(words, flag, value.text))

    return write


def _added_to_script(script: Word, words: tuple[Word, ...], flag: str, value: str) -> Edit:
    end = end_of_command(script.text)
    if end is None or words[-1] is not script:
        raise Unrestorable(
            f"{flag!r} is absent, and the script of the shell has not exactly one command that it "
            f"could belong to; write {flag}=VALUE where it belongs"
        )
    text = f"{script.text[:end]} {_joined(flag, value)}{script.text[end:]}"
    return Edit("replace", script.path, text)


def _added_to_words(words: tuple[Word, ...], flag: str, value: str) -> Edit:
    if not words:
        raise Unrestorable(
            f"{flag!r} is absent, and so are command and args; with args of its own the container "
            f"would no longer run what its image says; write {flag}=VALUE where it belongs"
        )
    if any(word.text == "--" for word in words):
        raise Unrestorable(
            f"{flag!r} is absent, and after '--' it would not be a flag; write {flag}=VALUE where it "
            "belongs"
        )
    *place, last = words[-1].path
    return Edit("add", (*place, int(last) + 1), f"{flag}={value}")
