"""Regular expressions that users write: a small language without surprises.

Two things are wanted of `match`. It must not take long, whatever the text is: a repetition stands for
at most 1024 characters, and what may follow a repetition cannot be part of it, so that there is one
way to match and nothing to try again. And it must not be a matter of luck where the value ends.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from model_rollout.api.component import MATCH_PATTERN
from model_rollout.revisions.canonical import digest

LONGEST = 1024
"""So many characters a repetition may stand for."""

_ATOM = re.compile(
    r"(?P<atom>\\.|\[\^?(?:\\.|[^\]\\])+\]|[^\\\[\]()])"
    r"(?P<repeat>[*+?]|\{(?P<least>[0-9]+)(?:,(?P<most>[0-9]+))?\})?"
)
# Every ASCII character, and one that stands for all others: ASCII patterns cannot tell those apart.
_ALPHABET = [chr(code) for code in range(128)] + ["é"]


@dataclass(frozen=True, slots=True)
class _Atom:
    text: str
    least: int
    most: int

    @property
    def characters(self) -> frozenset[str]:
        one = re.compile(self.text, re.ASCII)
        return frozenset(char for char in _ALPHABET if one.fullmatch(char))

    @property
    def written(self) -> str:
        if self.least == self.most == 1:
            return self.text
        return f"{self.text}{{{self.least},{self.most}}}"


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str] | str:
    """Return the expression to search with, or a sentence about what to write instead."""
    if not re.fullmatch("[ -~]*", pattern) or not re.search(MATCH_PATTERN, pattern):
        return (
            "write an expression with one group in parentheses, of characters, classes and "
            "repetitions"
        )
    begin, body, end = _anchors(pattern)
    parts = _parts(body)
    try:
        if problem := _problem([atom for part in parts for atom in part]):
            return problem
        before, group, after = ("".join(atom.written for atom in part) for part in parts)
        return re.compile(f"{begin}{before}({group}){after}{end}", re.ASCII)
    except re.error:
        return "write ranges such as [0-9], from the lesser character to the greater one"


def example(pattern: str, seed: str) -> tuple[str, str]:
    """Return a text in which the expression finds a value, and that value.

    Other seeds give other values as far as the expression allows. An expression that is refused
    gives the seed.
    """
    if isinstance(compiled(pattern), str):
        return seed, seed
    number = int(digest(seed), 16)
    texts = ["", "", ""]
    for index, part in enumerate(_parts(_anchors(pattern)[1])):
        for atom in part:
            count = min(atom.most, max(atom.least, 8)) if index == 1 else atom.least
            characters = sorted(char for char in atom.characters if "!" <= char <= "~") or [" "]
            for _ in range(count):
                number, which = divmod(number, len(characters))
                texts[index] += characters[which]
    return "".join(texts), texts[1]


def _anchors(pattern: str) -> tuple[str, str, str]:
    begin = "^" if pattern.startswith("^") else ""
    body = pattern[len(begin) :]
    before = body.removesuffix("$")
    escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
    if before == body or escaped:
        return begin, body, ""
    return begin, before, r"\Z"


def _problem(atoms: list[_Atom]) -> str:
    if any(atom.least > atom.most for atom in atoms):
        return "write repetitions such as {2,8}, the lesser number first"
    for number, atom in enumerate(atoms):
        common = _common(atom, atoms[number + 1 :]) if atom.least != atom.most else ""
        if common:
            return (
                f"write a class such as [^ ] in place of {atom.text!r}, without {common!r}, with "
                "which the expression goes on: where the repetition ends must not be ambiguous"
            )
    return ""


def too_long(found: re.Match[str]) -> bool:
    """Tell whether the value may have been cut: a repetition reached its greatest length."""
    return len(found[1]) >= LONGEST


def _parts(body: str) -> tuple[list[_Atom], list[_Atom], list[_Atom]]:
    """What precedes the one group, the group, and what follows it.

    Escaped parentheses and those in classes open and close no group.
    """
    at, places = 0, []
    while at < len(body):
        if body[at] in "()":
            places.append(at)
            at += 1
            continue
        found = _ATOM.match(body, at)
        assert found is not None, "the expression is in the language"
        at = found.end()
    opening, closing = places
    return _atoms(body[:opening]), _atoms(body[opening + 1 : closing]), _atoms(body[closing + 1 :])


def _atoms(body: str) -> list[_Atom]:
    atoms = []
    for found in _ATOM.finditer(body):
        least, most = _counts(found)
        atoms.append(_Atom(found["atom"], least, most))
    return atoms


def _counts(found: re.Match[str]) -> tuple[int, int]:
    repeat = found["repeat"] or ""
    if repeat.startswith("{"):
        least = int(found["least"])
        return least, int(found["most"] or least)
    return {"": (1, 1), "?": (0, 1), "*": (0, LONGEST), "+": (1, LONGEST)}[repeat]


def _common(atom: _Atom, following: list[_Atom]) -> str:
    """Return a character that may belong to the atom and to what follows it; empty when none does."""
    for next_ in following:
        if common := atom.characters & next_.characters:
            return min(common, key=lambda char: (not char.isprintable(), char))
        if next_.least:
            break
    return ""
