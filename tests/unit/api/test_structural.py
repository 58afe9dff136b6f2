"""What has no structural schema is refused, with the path of the field."""

from typing import Annotated, Optional

import pytest
from pydantic import Field

from model_rollout.api.structural import SchemaError, structural_schema
from model_rollout.api.types import ApiModel


class NoDescription(ApiModel):
    count: int


class UnboundedText(ApiModel):
    text: str = Field(description="…")


class UnboundedList(ApiModel):
    numbers: tuple[int, ...] = Field(description="…")


class UnboundedItem(ApiModel):
    texts: Annotated[tuple[str, ...], Field(max_length=3)] = Field(description="…")


class UnboundedMap(ApiModel):
    numbers: dict[str, int] = Field(description="…")


class Union(ApiModel):
    either: int | bool = Field(description="…")


class FixedTuple(ApiModel):
    pair: tuple[int, int] = Field(description="…")


class Anything(ApiModel):
    thing: object = Field(description="…")


class Lookaround(ApiModel):
    text: Annotated[str, Field(max_length=9)] = Field(
        description="…", json_schema_extra={"pattern": "^(?!x)"}
    )


class Recursive(ApiModel):
    child: Optional["Recursive"] = Field(None, description="…")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NoDescription, "NoDescription.count: has no description"),
        (UnboundedText, "UnboundedText.text: has no maxLength"),
        (UnboundedList, "UnboundedList.numbers: has no maxItems"),
        (UnboundedItem, r"UnboundedItem.texts.\*: has no maxLength"),
        (UnboundedMap, "UnboundedMap.numbers: has no maxProperties"),
        (Union, "Union.either: a union has no structural schema"),
        (FixedTuple, "FixedTuple.pair: prefixItems is not structural"),
        (Anything, "Anything.thing: has no type"),
        (Lookaround, "Lookaround.text: the API server's regular expressions have no lookaround"),
        (Recursive, "a recursive model has no structural schema"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_refused(model: type[ApiModel], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        structural_schema(model)
