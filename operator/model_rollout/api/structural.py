"""Translates pydantic models into structural schemas, the dialect of CustomResourceDefinitions.

Where pydantic says something that the API server cannot take, or where a model leaves out what a
good API has (a description, a bound), the translation fails: better here than in a cluster.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

Schema = dict[str, Any]

# All keywords that a translated schema may have, in the order in which they are written.
_KEYWORDS = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "items",
    "minProperties",
    "maxProperties",
    "properties",
    "required",
    "additionalProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-validations",
)
_RULES = "x-kubernetes-validations"
_LOOKAROUND = re.compile(r"\(\?(=|!|<=|<!)|\\[1-9]")
_BOUNDS = {"string": "maxLength", "array": "maxItems"}


class SchemaError(ValueError):
    """A model says something that the API server would not take, or leaves out what it needs."""


def structural_schema(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """Return the structural schema of a model.

    Args:
        model: The model; everything in it is inlined.
        defaults: False leaves the defaults out. They are wrong in a status: what the operator did
            not observe, the API server must not claim.

    Raises:
        SchemaError: with the path of the field that cannot be translated.
    """
    root = model.model_json_schema(by_alias=True)
    definitions = root.pop("$defs", {})
    if defaults:
        for nested in _models_within(model):
            schema = definitions.get(nested.__name__, root)  # the root stands alone
            _write_defaults(nested, schema["properties"])
    return _Translation(definitions, defaults).translate(root, (model.__name__,))


def _models_within(model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [model]
    for known in found:  # grows while it is walked
        for field in known.model_fields.values():
            found.extend(nested for nested in _models_of(field.annotation) if nested not in found)
    return found


def _models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_of(argument)


def _write_defaults(model: type[BaseModel], properties: Schema) -> None:
    """Replace the defaults, which pydantic gives as they are in memory, by those on the wire."""
    for name, field in model.model_fields.items():
        if not field.is_required() and not _unwritten(field):
            properties[field.alias or name]["default"] = _default_on_the_wire(field)


def _unwritten(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("default", ...) is None


def _default_on_the_wire(field: FieldInfo) -> Any:
    # The API server applies defaults from the outside in: `{}` is enough for an object, and what
    # it is filled with stands in one place only.
    return TypeAdapter(field.rebuild_annotation()).dump_python(
        field.get_default(call_default_factory=True, validated_data={}),
        mode="json",
        by_alias=True,
        exclude_none=True,
        exclude_defaults=True,
    )


class _Translation:
    """Translates the schemas of one model; the path names the field in error messages."""

    def __init__(self, definitions: Schema, defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def translate(self, node: Schema, path: tuple[str, ...]) -> Schema:
        schema = self._without_indirection(node, path)
        if len(path) > 32:
            raise SchemaError(f"{_name(path)}: a recursive model has no structural schema")
        schema.pop("title", None)
        if not self._defaults or schema.get("default") is None:
            schema.pop("default", None)
        if "const" in schema:
            schema["enum"] = [schema.pop("const")]
        _exclusive_bounds(schema)
        self._children(schema, path)
        _check(schema, path)
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
        return {keyword: schema[keyword] for keyword in _KEYWORDS if keyword in schema}

    def _without_indirection(self, node: Schema, path: tuple[str, ...]) -> Schema:
        """Inline `$ref` and `anyOf [X, null]`; what stands beside them wins, rules add up."""
        schema = deepcopy(node)
        while "$ref" in schema or "anyOf" in schema:
            if "$ref" in schema:
                inner = deepcopy(self._definitions[schema.pop("$ref").removeprefix("#/$defs/")])
            else:
                inner = _only_alternative(schema.pop("anyOf"), path)
            rules = [*inner.get(_RULES, []), *schema.get(_RULES, [])]
            schema = {**inner, **schema, **({_RULES: rules} if rules else {})}
        return schema

    def _children(self, schema: Schema, path: tuple[str, ...]) -> None:
        properties = schema.pop("properties", {})
        if properties:
            schema["properties"] = {
                name: self.translate(child, (*path, name)) for name, child in properties.items()
            }
            for name, child in schema["properties"].items():
                if not child.get("description"):
                    raise SchemaError(f"{_name((*path, name))}: has no description")
        for keyword in ("items", "additionalProperties"):
            if isinstance(schema.get(keyword), dict):
                schema[keyword] = self.translate(schema[keyword], (*path, "*"))


def _only_alternative(alternatives: list[Schema], path: tuple[str, ...]) -> Schema:
    # An optional field is one that may be absent. It is not nullable: null would be a second
    # way to say the same, which CEL's has() takes for a value.
    others = [schema for schema in alternatives if schema.get("type") != "null"]
    if len(others) != 1:
        raise SchemaError(f"{_name(path)}: a union has no structural schema; write optional fields")
    return others[0]


def _exclusive_bounds(schema: Schema) -> None:
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in schema:
            schema[inclusive] = schema[exclusive]
            schema[exclusive] = True


def _check(schema: Schema, path: tuple[str, ...]) -> None:
    if unknown := schema.keys() - set(_KEYWORDS):
        raise SchemaError(f"{_name(path)}: {', '.join(sorted(unknown))} is not structural")
    if "type" not in schema:
        raise SchemaError(f"{_name(path)}: has no type")
    if _LOOKAROUND.search(schema.get("pattern", "")):
        raise SchemaError(f"{_name(path)}: the API server's regular expressions have no lookaround")
    # Without bounds the API server refuses CEL rules above the field: their cost may be unlimited.
    bound = _BOUNDS.get(schema["type"])
    closed = "enum" in schema or "format" in schema
    if bound and not closed and bound not in schema:
        raise SchemaError(f"{_name(path)}: has no {bound}")
    if isinstance(schema.get("additionalProperties"), dict) and "maxProperties" not in schema:
        raise SchemaError(f"{_name(path)}: has no maxProperties")


def _name(path: tuple[str, ...]) -> str:
    return ".".join(path)
