"""The value that the group of an expression finds in one of the words of a command line."""

from model_rollout.api.revision import ComponentKind
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.commandline import command_line
from model_rollout.revisions.patterns import LONGEST, compiled, too_long
from model_rollout.revisions.places import (
    BLANK,
    ComponentProblem,
    Edit,
    Guard,
    Path,
    Place,
    Steps,
    Value,
)


def locate_match(
    name: str, container: Json, path: Path, guard: Guard, match: str
) -> Place | ComponentProblem:
    """Find the one match in the words of a container."""
    where = f"component {name}: container {guard.value!r}"
    pattern = compiled(match)
    if isinstance(pattern, str):
        return ComponentProblem("PatternRefused", f"component {name}: match {match!r}: {pattern}")
    hits = [
        (word, found)
        for word in command_line(container, path)
        for found in pattern.finditer(word.text)
    ]
    if not hits:
        return ComponentProblem(
            "MatchMissing",
            f"{where} has nothing in its command or args that matches {match!r}; write an "
            "expression for what is there",
        )
    if len(hits) > 1:
        return ComponentProblem(
            "AmbiguousPath",
            f"{where} has {len(hits)} matches of {match!r} in its command and args; write an "
            "expression that matches once",
        )
    ((word, found),) = hits
    if too_long(found):
        return ComponentProblem(
            "PatternRefused",
            f"{where} has a value of {LONGEST} characters or more for {match!r}; write an "
            "expression for a shorter one",
        )
    begin, end = found.span(1)

    def text(value: str) -> str:
        return word.text[:begin] + value + word.text[end:]

    def write(value: Value) -> Steps:
        return (Guard(word.path, word.text), Edit("replace", word.path, text(value.text)))

    blank = (Edit("replace", word.path, text(BLANK)),)
    source = f"{guard.value}/{match}"
    return Place(ComponentKind.ARG, source, Value(found[1]), (guard,), blank, write)
