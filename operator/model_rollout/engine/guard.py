"""One ModelRollout as the engine handles it: parsed once for every version that is seen."""

from dataclasses import dataclass
from functools import cached_property

from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.decision.status import material
from model_rollout.ports.kubernetes import Json


@dataclass(frozen=True)
class Guard:
    """One ModelRollout, parsed, with the JSON that it was parsed from."""

    body: Json
    spec: ModelRolloutSpec
    status: ModelRolloutStatus

    @cached_property
    def material(self) -> Json:
        """What of the stored status is compared with the one that is to be."""
        return material(self.status)

    @property
    def namespace(self) -> str:
        """Namespace of the ModelRollout and of its target."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Name of the ModelRollout."""
        return str(self.body["metadata"]["name"])


def parse_guard(body: Json, known: Guard | None = None) -> Guard:
    """Return a ModelRollout from its JSON; raises pydantic's ValidationError when malformed.

    `known` is what was parsed before: what did not change is taken from it, so that a check of a
    quiet guard parses nothing, and rules that were made for a spec stay those of the same object.
    """
    if known is not None and known.body is body:
        return known
    same_spec = known is not None and known.body["spec"] == body["spec"]
    return Guard(
        body,
        known.spec if known and same_spec else ModelRolloutSpec.model_validate(body["spec"]),
        ModelRolloutStatus.model_validate(body.get("status") or {}),
    )
