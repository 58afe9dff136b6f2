"""An object whose fields all have defaults needs `{}` as its own, at each level."""

from typing import Annotated

from pydantic import Field

from model_rollout.api.types import ApiModel, Duration, list_map, seconds


class Budget(ApiModel):
    """The innermost object."""

    most: int = Field(3, description="A number.")
    per: Duration = Field(seconds("12h"), description="A duration.")


class Rollback(ApiModel):
    """The object between."""

    budget: Budget = Field(default_factory=Budget, description="An object of defaults.")
    strict: Budget = Field(Budget(most=1), description="An object that is not its own default.")


class Empty(ApiModel):
    """An object without fields."""


class Item(ApiModel):
    """An item of a list."""

    name: Annotated[str, Field(max_length=9)] = Field(description="A name.")
    empty: Empty | None = Field(None, description="Says something by being there.")


class Toy(ApiModel):
    """Objects within objects."""

    rollback: Rollback = Field(default_factory=Rollback, description="Objects of defaults.")
    items: Annotated[tuple[Item, ...], Field(max_length=4, json_schema_extra=list_map())] = Field(
        default_factory=lambda: (Item(name="only", empty=Empty()),),
        description="A list that has one item when nothing is written.",
    )
