"""Placeholders such as `{{workload}}` in queries, and what they stand for.

A placeholder stands in a string of PromQL and its value is escaped as contents of that string: no
value can get out of it. Strings in double and in single quotes escape backslash, newline and their
own quote; a string in backticks knows no escapes, so a value that holds a backtick is refused there.
Right of `=~` and `!~` the value stands for itself as well (the dot of `1.2` is a dot), but for that
of `{{args.X}}`: whoever writes a parameter into a pattern means a pattern. Comments stay as they are.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_STRING = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`'
_STRING_OR_COMMENT = re.compile(rf"({_STRING}|#[^\n]*)", re.DOTALL)
_BEFORE_PATTERN = re.compile(r"[=!]~\s*$")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
# What RE2's QuoteMeta escapes: https://pkg.go.dev/regexp#QuoteMeta
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_LONGEST = 1024
_BEGUN = "{{"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something that a person wrote cannot be used, as one sentence."""

    message: str
    passing: bool = False
    """True when it ends by itself: a value is not known yet."""


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders stand for."""

    namespace: str
    name: str
    workload: str
    pod_template_hash: str | None = None
    """None: not known yet."""
    revision: int | None = None
    """None: not recorded yet."""
    components: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A text cannot be used; ends as the `Problem` that it carries."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def used(text: str) -> frozenset[str]:
    """Return the names of the placeholders in a text, whether they exist or not."""
    return frozenset(_PLACEHOLDER.findall(text)) if _BEGUN in text else frozenset()


def versioned(text: str) -> bool:
    """Tell whether a text selects by revision, so that what it selects is of one revision only."""
    return any(
        name in ("podTemplateHash", "revision") or name.startswith("component.")
        for name in used(text)
    )


def expand(text: str, values: Values) -> str | Problem:
    """Return a PromQL expression whose placeholders are replaced by escaped values."""
    try:
        return expanded(text, values)
    except Refused as refused:
        return refused.problem


def expanded(text: str, values: Values) -> str:
    """Do what `expand` does, for callers with many texts.

    Raises:
        Refused: where `expand` returns a Problem.
    """
    if _BEGUN not in text:
        return text
    parts = _STRING_OR_COMMENT.split(text)  # code, string or comment, code, …
    for number, part in enumerate(parts):
        if number % 2 == 0:
            _refuse_outside(part)
        elif not part.startswith("#"):
            pattern = _BEFORE_PATTERN.search(parts[number - 1]) is not None
            parts[number] = _string(part, values, pattern)
    return "".join(parts)


def filled(text: str, values: Values) -> str:
    """Return a text that is no PromQL (a label's value, a name) with its placeholders replaced.

    Raises:
        Refused: for a placeholder that does not exist or whose value is not known.
    """
    return _replaced(text, values, lambda name, value: value) if _BEGUN in text else text


def _refuse_outside(code: str) -> None:
    if _BEGUN not in code:
        return
    found = _PLACEHOLDER.search(code)
    name = found[1] if found else "workload"
    raise Refused(
        Problem(
            f"a placeholder stands outside of a string: write it in quotes, for example "
            f'app="{_written(name)}"'
        )
    )


def _string(literal: str, values: Values, pattern: bool) -> str:
    quote = literal[0]

    def contents(name: str, value: str) -> str:
        if pattern and not name.startswith("args."):
            value = _META.sub(r"\\\g<0>", value)
        return _contents(quote, name, value)

    return quote + _replaced(literal[1:-1], values, contents) + quote


def _contents(quote: str, name: str, value: str) -> str:
    """Return a value as it is written between quotes of this kind."""
    if quote != "`":
        escaped = value.replace("\\", "\\\\").replace(quote, "\\" + quote)
        return escaped.replace("\n", "\\n")
    if quote in value:
        raise Refused(
            Problem(f'the value of {_written(name)} holds a backtick: write its string in "quotes"')
        )
    return value


def _replaced(text: str, values: Values, contents: Callable[[str, str], str]) -> str:
    parts = _PLACEHOLDER.split(text)  # text, name, text, …
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = contents(part, _value(part, values))
        elif _BEGUN in part:
            raise Refused(Problem(f'"{{{{" begins a placeholder: there are {_existing(values)}'))
    return "".join(parts)


def _value(name: str, values: Values) -> str:
    kind, _, rest = name.partition(".")
    if kind == "component" and rest:
        value = _component(rest, values)
    elif kind == "args" and rest in values.args:
        value = values.args[rest]
    else:
        value = _own(name, values)
    if len(value) > _LONGEST:
        raise Refused(
            Problem(
                f"the value of {_written(name)} has {len(value)} characters, too many to select "
                f"by: write {{{{revision}}}} or {{{{podTemplateHash}}}}"
            )
        )
    return value


def _own(name: str, values: Values) -> str:
    known = {
        "namespace": values.namespace,
        "name": values.name,
        "workload": values.workload,
        "podTemplateHash": values.pod_template_hash,
        "revision": values.revision,
    }
    if name not in known:
        raise Refused(Problem(f"{_written(name)} is no placeholder: there are {_existing(values)}"))
    value = known[name]
    if value is None:
        raise Refused(Problem(f"the value of {_written(name)} is not known yet", passing=True))
    return str(value)


def _component(rest: str, values: Values) -> str:
    name, _, part = rest.partition(".")
    if name not in values.components or part not in ("", "tag"):
        raise Refused(
            Problem(
                f"{_written(f'component.{rest}')} is no placeholder: there are {_existing(values)}"
            )
        )
    value = values.components[name]
    return _tag(name, value) if part else value


def _tag(name: str, image: str) -> str:
    """Return the tag of an image reference: `1.2` of `registry:5000/m:1.2@sha256:…`."""
    _, colon, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    if not colon or not tag:
        raise Refused(
            Problem(
                f"the value of component {name} has no tag: write "
                f"{_written(f'component.{name}')}, or deploy a value with a tag"
            )
        )
    return tag


def _existing(values: Values) -> str:
    names = ["namespace", "name", "workload", "podTemplateHash", "revision"]
    for component in values.components:
        names += [f"component.{component}", f"component.{component}.tag"]
    names += [f"args.{name}" for name in values.args]
    return ", ".join(_written(name) for name in names)


def _written(name: str) -> str:
    return "{{" + name + "}}"
