"""Scalars that the custom resources share, and the base class of every API model."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

_UNITS = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "y": 31536000.0,
}
DURATION_PATTERN = r"^(0|([0-9]{1,6}(ms|s|m|h|d|w|y))+)$"
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d|w|y)")


class ApiModel(BaseModel):
    """Base of all models of the API: camelCase on the wire, immutable in memory.

    Unknown fields are ignored, so that an older operator can read what a newer CRD stored.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )


def cel(rule: str, message: str) -> dict[str, str]:
    """Return one CEL rule of `x-kubernetes-validations`; the message says what to write."""
    return {"rule": rule, "message": message}


def validations(*rules: dict[str, str]) -> dict[str, Any]:
    """Return the `json_schema_extra` that carries CEL rules on a field or on a model."""
    return {"x-kubernetes-validations": list(rules)}


def list_map(key: str = "name") -> dict[str, Any]:
    """Return the `json_schema_extra` of a list whose items are identified by `key`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


UNWRITTEN: dict[str, Any] = {"default": None}
"""The `json_schema_extra` of a field whose default the API server must not write into objects:
that nothing was written has a meaning of its own, and `model_fields_set` tells it."""


_DURATION_RULE = cel(
    f"self.matches('{DURATION_PATTERN}')",
    "write a duration such as 30s, 5m, 1h30m or 7d: numbers with a unit, without blanks",
)
_POSITIVE_RULE = cel("self.matches('[1-9]')", "write a duration greater than zero, such as 30m")
_INTERVAL_PATTERN = r"^[1-9][0-9]{0,3}(s|m|h)$"
_INTERVAL_RULE = cel(
    f"self.matches('{_INTERVAL_PATTERN}')",
    "write an interval such as 30s or 5m: one number from 1 to 9999 with the unit s, m or h",
)


def seconds(duration: str | float) -> float:
    """Return a duration such as `1h30m` in seconds; a number passes through.

    Raises:
        ValueError: when the text is not a duration in Prometheus' style.
    """
    if not isinstance(duration, str):
        return float(duration)
    if duration == "0":
        return 0.0
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration: write for example 30s, 5m, 1h or 7d")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def duration_text(length: float) -> str:
    """Return seconds as people write them: `90` is `1m30s`, `0.25` is `250ms`."""
    milliseconds = round(max(0.0, length) * 1000)
    if milliseconds == 0:
        return "0s"
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, milliseconds = divmod(milliseconds, round(_UNITS[unit] * 1000))
        text += f"{count}{unit}" if count else ""
    return text


def parse_time(value: str | float) -> float:
    """Return RFC 3339 as seconds since the epoch; a number passes through. Raises ValueError."""
    if not isinstance(value, str):
        return float(value)
    return datetime.fromisoformat(value).timestamp()


def time_text(moment: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}
        | validations(_DURATION_RULE)
    ),
]
"""Seconds in memory, a duration in Prometheus' style on the wire: `30s`, `5m`, `1h30m`, `100d`."""

PositiveDuration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}
        | validations(_DURATION_RULE, _POSITIVE_RULE)
    ),
]
"""A `Duration` that is not zero."""

Interval = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": _INTERVAL_PATTERN, "maxLength": 8}
        | validations(_INTERVAL_RULE)
    ),
]
"""A duration of at least one second, with one unit."""

Timestamp = Annotated[
    float,
    BeforeValidator(parse_time),
    PlainSerializer(time_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Seconds since the epoch in memory, RFC 3339 in UTC on the wire."""

ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
]
"""The name of a Kubernetes object (RFC 1123 subdomain)."""

Label = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
"""The name of a container or of a component (RFC 1123 label)."""
