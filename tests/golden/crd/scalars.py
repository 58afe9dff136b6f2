"""Durations and times are text on the wire, constants are enums, exclusive bounds are flags."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from model_rollout.api.types import ApiModel, Duration, Interval, Timestamp, seconds


class Colour(StrEnum):
    """Not shown: the description of the field wins."""

    RED = "Red"
    BLUE = "Blue"


class Toy(ApiModel):
    """A model
    with a description on two lines.
    """

    kind: Literal["Toy"] = Field("Toy", description="A constant.")
    colour: Colour = Field(Colour.BLUE, description="An enum with a default.")
    length: Duration = Field(seconds("1h30m"), description="A duration with a default.")
    pause: Duration = Field(0.0, description="A duration of nothing is a default, too.")
    interval: Interval = Field(description="A required interval.")
    seen_at: Timestamp = Field(description="A required time.")
    share: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="Bounds that are excluded.")
    count: Annotated[int, Field(ge=0, le=9, multiple_of=3)] = Field(description="Bounds included.")
    on: bool = Field(False, description="False is a default.")
    label: Annotated[str, Field(max_length=10)] = Field("", description="Empty text is a default.")
