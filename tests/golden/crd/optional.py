"""An optional field may be absent: it is not nullable and has no default of null."""

from typing import Annotated

from pydantic import ConfigDict, Field

from model_rollout.api.types import UNWRITTEN, ApiModel, Duration, cel, validations


class Part(ApiModel):
    """Described by the field that holds it."""

    model_config = ConfigDict(
        json_schema_extra=validations(cel("self.size > 0", "rule of the model"))
    )

    size: int = Field(description="A number.")


class Toy(ApiModel):
    """Optional fields of several kinds."""

    number: float | None = Field(None, description="An optional number.")
    text: Annotated[str, Field(min_length=1, max_length=5)] | None = Field(
        None, description="An optional text keeps its bounds."
    )
    for_: Duration | None = Field(None, alias="for", description="An optional duration.")
    part: Part | None = Field(
        None,
        description="What stands beside a reference is kept; rules add up.",
        json_schema_extra=validations(cel("self == oldSelf", "rule of the field")),
    )
    unwritten: int = Field(
        1, description="A default that only the operator knows.", json_schema_extra=UNWRITTEN
    )
    nested: Part = Field(description="A required object.")
