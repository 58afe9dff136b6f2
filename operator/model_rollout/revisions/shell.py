"""Reads the script of a shell as far as words go, and writes a word as the shell reads it.

Only words, quotes, comments and operators are told apart (POSIX, Shell Command Language, 2.2 and 2.3).
Nothing is expanded: a word that the shell would expand is marked as such.
"""

import re
import shlex
from dataclasses import dataclass

_PIECE = re.compile(
    r"""'(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<joined>\\\n)
      | \\(?P<escaped>.)
      | (?P<bare>[^ \t\n'"\\;&|()<>]+)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED_IN_DOUBLE = re.compile(r'\\([$`"\\\n])', re.DOTALL)
_EXPANDED_IN_DOUBLE = re.compile(r"(?:^|[^\\])(?:\\\\)*[$`]", re.DOTALL)
_EXPANDED_BARE = re.compile(r"[$`*?\[{]|^~")
_OPERATORS = frozenset("\n;&|()<>")
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or an operator of a script, from `begin` to before `end`."""

    begin: int
    end: int
    text: str
    """A word without its quotes; an operator as it is."""
    operator: bool = False
    expanded: bool = False
    """The shell replaces something in the word, so that its text is not what a program gets."""


def tokens(script: str) -> tuple[Token, ...] | None:
    """Return the words and operators of a script; None for open quotes and here-documents."""
    found: list[Token] = []
    at = 0
    while at < len(script):
        if script[at] in " \t":
            at += 1
        elif script.startswith("\\\n", at):
            at += 2
        elif script.startswith("<<", at):
            return None
        elif script[at] in _OPERATORS:
            found.append(Token(at, at + 1, script[at], operator=True))
            at += 1
        elif script[at] == "#":
            end = script.find("\n", at)
            at = len(script) if end < 0 else end
        else:
            word = _word(script, at)
            if word is None:
                return None
            found.append(word)
            at = word.end
    return tuple(found)


def _word(script: str, begin: int) -> Token | None:
    texts: list[str] = []
    expanded = False
    at = begin
    while at < len(script) and script[at] not in " \t" and script[at] not in _OPERATORS:
        piece = _PIECE.match(script, at)
        if piece is None:
            return None
        if piece["double"] is not None:
            expanded |= _EXPANDED_IN_DOUBLE.search(piece["double"]) is not None
            texts.append(_ESCAPED_IN_DOUBLE.sub(_unescaped, piece["double"]))
        elif piece["bare"] is not None:
            tilde = piece["bare"].startswith("~") and at > begin
            expanded |= _EXPANDED_BARE.search(piece["bare"], 1 if tilde else 0) is not None
            texts.append(piece["bare"])
        else:
            texts.append(piece["single"] or piece["escaped"] or "")
        at = piece.end()
    return Token(begin, at, "".join(texts), expanded=expanded)


def _unescaped(found: re.Match[str]) -> str:
    return "" if found[1] == "\n" else found[1]


def quoted(text: str, like: str = "") -> str:
    """Return a word that the shell reads as `text`, in the quotes of `like` where they can be kept."""
    if len(like) >= 2 and like[0] == like[-1] == "'" and "'" not in text:
        return f"'{text}'"
    if len(like) >= 2 and like[0] == like[-1] == '"' and not set(text) & set('"$`\\!'):
        return f'"{text}"'
    return text if _SAFE.fullmatch(text) else shlex.quote(text)


def end_of_command(script: str) -> int | None:
    """Return where the only command of a script ends; None when there is not exactly one."""
    found = tokens(script)
    if not found or found[0].operator:
        return None
    words = [token for token in found if not token.operator]
    trailing = found[len(words) :]
    alone = all(token.text == "\n" and token.operator for token in trailing)
    return words[-1].end if alone else None
