"""Lists and maps, with bounds, and without defaults as in a status."""

from typing import Annotated

from pydantic import Field

from model_rollout.api.types import ApiModel, Duration, Timestamp, seconds

DEFAULTS = False


class Toy(ApiModel):
    """A status."""

    times: Annotated[tuple[Timestamp, ...], Field(max_length=5)] = Field((), description="Times.")
    words: Annotated[
        list[Annotated[str, Field(max_length=3)]], Field(min_length=1, max_length=2)
    ] = Field(description="A required list.")
    digests: Annotated[dict[str, Annotated[str, Field(max_length=16)]], Field(max_length=8)] = (
        Field(default_factory=dict, description="A map.")
    )
    length: Duration = Field(seconds("5m"), description="A default that is left out.")
