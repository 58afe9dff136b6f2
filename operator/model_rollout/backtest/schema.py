"""Checks an object as the API server would: against the schema of its CustomResourceDefinition.

Without a cluster there is nobody else to refuse what cannot be meant. Schema and rules are the
generated ones, so the sentences are those of `kubectl apply`.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel

Schema = dict[str, Any]
Path = tuple[str | int, ...]

_RULES = "x-kubernetes-validations"
# CEL cannot name a field by one of its keywords; Kubernetes puts underscores around it.
_KEYWORDS = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return",
})  # fmt: skip
_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_NAMES = {
    "object": "fields (name: value)",
    "array": "a list (lines that begin with -)",
    "string": "a text; put it in quotes where YAML takes it for something else",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that the API server would refuse."""

    path: Path
    message: str


def faults(schema: Schema, value: Any, path: Path = ()) -> Iterator[Fault]:
    """Yield what is wrong with `value`, outermost first; defaults are filled in before rules run."""
    kind = schema["type"]
    if (isinstance(value, bool) and kind != "boolean") or not isinstance(value, _KINDS[kind]):
        yield Fault(path, f"write {_NAMES[kind]}")
        return
    checked = list(_CHECKS[kind](schema, value, path))
    # A rule says more about a wrong text than the pattern beside it, and nothing about an object
    # whose fields are wrong themselves.
    if kind in ("object", "array") and checked:
        yield from checked
        return
    broken = [Fault(path, rule["message"]) for rule in _broken_rules(schema, value)]
    yield from broken or checked


def _object(schema: Schema, value: dict[str, Any], path: Path) -> Iterator[Fault]:
    properties = schema.get("properties", {})
    every = schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield Fault(path, f"write {name}: {properties[name].get('description', '')}".rstrip())
    for name, child in value.items():
        inner = properties.get(name, every if isinstance(every, dict) else None)
        if inner is not None:
            yield from faults(inner, child, (*path, name))
        elif properties:
            yield Fault((*path, name), _unknown(name, list(properties)))


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return f"there is no field {name}; {advice}"


def _array(schema: Schema, value: list[Any], path: Path) -> Iterator[Fault]:
    if len(value) < schema.get("minItems", 0):
        yield Fault(path, f"write at least {schema['minItems']}")
    if len(value) > schema.get("maxItems", math.inf):
        yield Fault(path, f"write at most {schema['maxItems']}")
    for index, child in enumerate(value):
        yield from faults(schema["items"], child, (*path, index))
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: set[tuple[Any, ...]] = set()
    for index, child in enumerate(value):
        if keys and isinstance(child, dict):
            key = tuple(child.get(name) for name in keys)
            if key in seen:
                yield Fault((*path, index), f"{', '.join(map(str, key))} is there twice")
            seen.add(key)


def _string(schema: Schema, value: str, path: Path) -> Iterator[Fault]:
    if "enum" in schema and value not in schema["enum"]:
        yield Fault(path, f"write one of {', '.join(map(str, schema['enum']))}")
    if len(value) < schema.get("minLength", 0):
        yield Fault(path, f"write at least {schema['minLength']} characters")
    if len(value) > schema.get("maxLength", math.inf):
        yield Fault(path, f"write at most {schema['maxLength']} characters")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield Fault(path, f"write a text that matches {schema['pattern']}")


def _number(schema: Schema, value: float, path: Path) -> Iterator[Fault]:
    if not math.isfinite(value):
        yield Fault(path, "write a finite number")
    least, greatest = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if value < least or (schema.get("exclusiveMinimum") and value == least):
        yield Fault(path, f"write a number of at least {least:g}")
    if value > greatest or (schema.get("exclusiveMaximum") and value == greatest):
        yield Fault(path, f"write a number of at most {greatest:g}")


def _boolean(schema: Schema, value: bool, path: Path) -> Iterator[Fault]:
    return iter(())


_CHECKS: dict[str, Callable[[Schema, Any, Path], Iterator[Fault]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "boolean": _boolean,
    "integer": _number,
    "number": _number,
}


def _broken_rules(schema: Schema, value: Any) -> Iterator[dict[str, str]]:
    """Yield the CEL rules of one level that do not hold; those about a change do not apply."""
    rules = [rule for rule in schema.get(_RULES, ()) if "oldSelf" not in rule["rule"]]
    if not rules:
        return
    data = {"self": _for_cel(schema, value)}
    for rule in rules:
        if _compiled(rule["rule"]).eval(data=data).value() is not True:
            yield rule


@cache
def _compiled(rule: str) -> Any:
    return cel.NewEnv(variables={"self": cel.Type.DYN}).compile(rule)


def _for_cel(schema: Schema, value: Any) -> Any:
    """Return the value as the API server shows it to rules: typed by the schema, with defaults."""
    if schema["type"] == "number":
        return float(value)
    if schema["type"] == "array":
        return [_for_cel(schema["items"], item) for item in value]
    if schema["type"] != "object":
        return value
    every = schema.get("additionalProperties")
    if isinstance(every, dict):
        return {name: _for_cel(every, child) for name, child in value.items()}
    properties = schema.get("properties", {})
    given = {n: p["default"] for n, p in properties.items() if "default" in p} | value
    return {
        f"__{name}__" if name in _KEYWORDS else name: _for_cel(properties[name], child)
        for name, child in given.items()
        if name in properties
    }
