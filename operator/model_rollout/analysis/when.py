"""`analysis.when`: which metrics together are a reason to roll back. Pure.

`Any` and `All` look at the metrics that may roll back. Everything else is an expression of CEL over
`NAME.breached`, `NAME.suspect` and `NAME.hasData`; raw values are not in it, they would go round the
rules that bound false rollbacks. The logic has three values: a metric without data is unknown, and
an unknown verdict holds. That is what CEL does with errors: `error || true` is true and
`error && false` is false in any order, everything else is an error
(https://github.com/google/cel-spec/blob/master/doc/langdef.md#logical-operators).

Why cel-expr-python: it checks names and types before anything runs and can leave out all functions
but those of `_ALLOWED`, it evaluates in 2 µs, loads in 3 ms and brings no dependencies.
common-expression-language checks no types, takes twice as long and loads a terminal application;
cel-python takes 150 times as long.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from cel_expr_python import cel

from model_rollout.analysis.placeholders import Problem

ANY: Final = "Any"
ALL: Final = "All"

MAX_LENGTH: Final = 1024
"""Characters of an expression; the CustomResourceDefinition refuses longer ones, too."""


class Verdict(StrEnum):
    """What the metrics together say."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"
    """A metric that would make the difference has no data."""


@dataclass(frozen=True, slots=True)
class Term:
    """What one metric brings in; None is unknown, as while there is no data."""

    breached: bool | None
    suspect: bool | None
    has_data: bool


_NO_DATA: Final = Term(breached=None, suspect=None, has_data=False)
_GOOD: Final = Term(breached=False, suspect=False, has_data=True)

_FIELDS: Final[Mapping[str, Callable[[Term], bool | None]]] = {
    "breached": attrgetter("breached"),
    "suspect": attrgetter("suspect"),
    "hasData": attrgetter("has_data"),
}


@dataclass(frozen=True, slots=True, order=True)
class _Variable:
    """One `NAME.FIELD` of an expression."""

    metric: str
    field: str

    def __str__(self) -> str:
        return f"{self.metric}.{self.field}"


@dataclass(frozen=True, slots=True)
class When:
    """A compiled `analysis.when`; equal to another of the same text and metrics."""

    text: str
    metrics: tuple[str, ...]
    """All metrics of the spec."""
    acting: tuple[str, ...]
    """Those whose breach may roll back."""
    variables: tuple[tuple[str, _Variable], ...] = field(default=(), compare=False, repr=False)
    """What the expression reads, by its name there; nothing for Any and All."""
    program: Any = field(default=None, compare=False, repr=False)
    """The compiled expression of CEL; None for Any and All."""


def compile_when(
    text: str, metrics: tuple[str, ...], acting: tuple[str, ...] | None = None
) -> When | Problem:
    """Compile and check `analysis.when`.

    Args:
        text: `Any`, `All`, or an expression of CEL.
        metrics: Names of all metrics of the spec, in its order.
        acting: Names of those with `action: Rollback`, the only ones that `Any` and `All` look at.
            Default: all.

    Returns:
        What `judge` takes, or one sentence for the user about what to write instead. It takes about
        half a millisecond: keep the result.
    """
    acting = metrics if acting is None else acting
    word = text.strip()
    if word in (ANY, ALL):
        return When(word, metrics, acting)
    if word.capitalize() in (ANY, ALL):
        return Problem(f"analysis.when is {word}: write {word.capitalize()}")
    if len(text) > MAX_LENGTH:
        return Problem(f"analysis.when is longer than {MAX_LENGTH} characters: shorten it")
    variables = _variables(text, metrics)
    if isinstance(variables, Problem):
        return variables
    program = _program(text, variables)
    if isinstance(program, Problem):
        return program
    when = When(text, metrics, acting, tuple((str(each), each) for each in variables), program)
    if judge(when, dict.fromkeys(metrics, _GOOD)) is Verdict.TRUE:
        return Problem(
            "analysis.when is true while every metric is good and would roll back a healthy model: "
            "write when to roll back, for example "
            f"{metrics[0]}.breached"
        )
    return when


def judge(when: When, terms: Mapping[str, Term]) -> Verdict:
    """Say whether the metrics together are a reason to roll back; a missing term has no data.

    Three-valued logic after Kleene: what is unknown only matters when the verdict depends on it.
    `x || !x` is unknown with x, and so is a comparison or a choice by something unknown.
    """
    if when.program is None:
        return _fold(when, terms)
    known = {}
    for name, variable in when.variables:
        value = _FIELDS[variable.field](terms.get(variable.metric, _NO_DATA))
        if value is not None:
            known[name] = value
    # What is left out is an error to CEL, whose value is a text.
    value = when.program.eval(data=known).value()
    if value is True:
        return Verdict.TRUE
    return Verdict.FALSE if value is False else Verdict.UNKNOWN


def used_metrics(when: When) -> tuple[str, ...]:
    """Return the names of the metrics that the verdict may depend on, in the order of the text."""
    if when.program is None:
        return when.acting
    return tuple(dict.fromkeys(variable.metric for _, variable in when.variables))


def _fold(when: When, terms: Mapping[str, Term]) -> Verdict:
    breached = [terms.get(name, _NO_DATA).breached for name in when.acting]
    # All of no metrics is no reason to roll back.
    decisive = when.text == ANY or not breached
    if decisive in breached:
        return Verdict.TRUE if decisive else Verdict.FALSE
    if None in breached:
        return Verdict.UNKNOWN
    return Verdict.FALSE if decisive else Verdict.TRUE


# The words of an expression. CEL would find most mistakes, too, but could not say what to write.

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n\f\r]+)
    | (?P<name>[a-z_]\w*) (?:[ \t\n\f\r]*\.[ \t\n\f\r]*(?P<field>[a-z_]\w*))? (?P<call>[ \t]*\()?
    | (?P<sign>&&|\|\||[!=]=|[!()?:])
    | (?P<other>\d+(?:\.\d+)?|[<>]=?|.)
    """,
    re.VERBOSE | re.ASCII | re.DOTALL | re.IGNORECASE,
)

_HOW_TO: Final = (
    "write NAME.breached, NAME.suspect and NAME.hasData with !, &&, ||, ==, !=, ? : and parentheses"
)
_INSTEAD: Final[Mapping[str, str]] = {
    "&": "write &&",
    "|": "write ||",
    "=": "write ==",
    "and": "write &&",
    "or": "write ||",
    "not": "write !",
    **dict.fromkeys(("<", "<=", ">", ">="), "limits belong to the metric, as min and max"),
}
_LITERALS: Final = frozenset({"true", "false"})
_RESERVED = re.compile(
    "as|break|const|continue|else|false|for|function|if|import|in|let|loop|namespace|null|package|"
    "return|true|var|void|while"
)


def _variables(text: str, metrics: tuple[str, ...]) -> tuple[_Variable, ...] | Problem:
    """Return what an expression reads, in order, or what is wrong with one of its words."""
    found: dict[_Variable, None] = {}
    for token in _TOKEN.finditer(text):
        if token["other"]:
            return _unexpected(text, token.start(), token["other"])
        if not token["name"] or token[0] in _LITERALS:
            continue
        variable = _variable(text, token, metrics)
        if isinstance(variable, Problem):
            return variable
        found[variable] = None
    if not found:
        return Problem(f"analysis.when names no metric; the metrics are {', '.join(metrics)}")
    return tuple(found)


def _variable(text: str, token: re.Match[str], metrics: tuple[str, ...]) -> _Variable | Problem:
    name, read = token["name"], token["field"]
    if name not in metrics and name.lower() in _INSTEAD:
        return _unexpected(text, token.start(), name)
    if token["call"]:
        called = f"{name}.{read}" if read else name
        return Problem(f"analysis.when calls {called}, but there are no functions: {_HOW_TO}")
    if name not in metrics:
        return Problem(f"analysis.when names {name}; the metrics are {', '.join(metrics)}")
    if _RESERVED.fullmatch(name):
        return Problem(
            f"analysis.when cannot name the metric {name}, which is a word of CEL: "
            f"rename the metric, for example {name}_metric"
        )
    if read not in _FIELDS:
        reads = f"reads {name}.{read}" if read else f"names {name} without a field"
        return Problem(
            f"analysis.when {reads}: write {name}.breached, {name}.suspect or {name}.hasData"
        )
    return _Variable(name, read)


def _unexpected(text: str, index: int, word: str) -> Problem:
    shown = word if word.isprintable() else ascii(word)
    instead = _INSTEAD.get(word.lower(), _HOW_TO)
    return Problem(f"analysis.when has {shown} at {_place(text, index)}: {instead}")


def _place(text: str, index: int) -> str:
    line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return f"line {line}, character {column}" if "\n" in text else f"character {column}"


# CEL. The environment that checks knows the names of one expression and is dropped; the one that
# evaluates is shared: an environment with a runtime of its own takes 0.1 MB, an expression 4 kB.

_ALLOWED: Final = cel.NewEnvConfigFromYaml("""
stdlib:
  disable_macros: true
  include_functions: [{name: "!_"}, {name: _&&_}, {name: _||_}, {name: _==_}, {name: _!=_}, {name: "_?_:_"}]
""")
_RUNTIME: Final = cel.NewEnv(config=_ALLOWED)
_ERROR = re.compile(r"<input>:(\d+):(\d+):")


def _program(text: str, variables: tuple[_Variable, ...]) -> Any:
    """Return the compiled expression, or the Problem with it."""
    types = {str(variable): cel.Type.BOOL for variable in variables}
    try:
        checked = cel.NewEnv(config=_ALLOWED, variables=types).compile(text)
        if checked.return_type() != cel.Type.BOOL:
            return Problem(f"analysis.when is neither true nor false: {_HOW_TO}")
        return _RUNTIME.deserialize(checked.serialize())
    except (RuntimeError, ValueError, LookupError) as error:
        return _syntax_problem(text, str(error))


def _syntax_problem(text: str, error: str) -> Problem:
    if "recursion limit" in error:
        return Problem("analysis.when is nested too deeply: use fewer parentheses")
    place = _ERROR.search(error)
    if place is None:
        return Problem(f"analysis.when is no expression of CEL: {_HOW_TO}")
    line, column = int(place[1]), int(place[2])
    index = sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1
    rest = _TOKEN.match(text, index)
    if rest is None or not text[index:].strip():
        return Problem(
            f"analysis.when ends too early, at {_place(text, len(text.rstrip()))}: "
            "something is missing after it"
        )
    return Problem(
        f"analysis.when has {rest[0].strip()} at {_place(text, index)}, where it is not understood: "
        f"{_HOW_TO}"
    )
