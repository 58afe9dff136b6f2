"""What a write of the workload may be: allowed, of the transaction in status, and of components only."""

import copy

from model_rollout.api.rollout import KillSwitch, ModelRolloutSpec
from model_rollout.api.status import Phase, Stage
from model_rollout.decision.facts import Facts
from model_rollout.decision.outcome import Decision
from model_rollout.revisions.canonical import TRANSACTION_ANNOTATION, Json, normalised_template
from model_rollout.revisions.content import Content, components_digest, read_content
from model_rollout.revisions.history import Revision
from unit.decision.machine.watcher import Patched, Stored, Watcher


class Pause(Watcher):
    """While Pause is on nothing is written to the workload, and no intent to do so is stored."""

    def decided(self, facts: Facts, decision: Decision) -> None:
        if facts.spec.kill_switch is not KillSwitch.PAUSE:
            return
        assert not decision.writes_workload
        assert decision.phase is Phase.PAUSED
        known = facts.status.transaction
        after = decision.status.transaction
        assert after is None or (known is not None and known.id == after.id)

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        assert patched.spec.kill_switch is not KillSwitch.PAUSE


class OfTheTransaction(Watcher):
    """A write belongs to the transaction in status: from what was left, to its target."""

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        transaction = patched.status.transaction
        assert transaction is not None, "the intent is written before the workload"
        assert transaction.stage is Stage.APPLYING
        metadata = patched.after["metadata"]
        assert metadata["uid"] == transaction.workload_uid
        template = patched.after["spec"]["template"]
        assert template["metadata"]["annotations"][TRANSACTION_ANNOTATION] == transaction.id
        by_number = {revision.number: revision for revision in revisions}
        target = components_digest(by_number[transaction.to].spec.components)
        assert _components(patched.spec, patched.after) == target
        source = by_number.get(transaction.from_)
        if source is not None:
            left = components_digest(source.spec.components)
            assert _components(patched.spec, patched.before) == left, "a person's edit was lost"


class OnlyComponents(Watcher):
    """Replicas and whatever is not listed as a component stay as they are."""

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        assert _rest(patched.spec, patched.before) == _rest(patched.spec, patched.after)


class PreflightFirst(Watcher):
    """Nothing is written before the API server took all of it as a dry run."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def preflighted(self, transaction: str) -> None:
        self._taken.add(transaction)

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        assert patched.status.transaction is not None
        assert patched.status.transaction.id in self._taken


class OncePerTransaction(Watcher):
    """A transaction changes the workload once, unless somebody puts the old revision back meanwhile."""

    def __init__(self) -> None:
        self._contents: dict[str, Json] = {}

    def patched(self, patched: Patched, revisions: tuple[Revision, ...]) -> None:
        assert patched.before["spec"] != patched.after["spec"]
        assert patched.status.transaction is not None
        assert patched.status.transaction.id not in self._contents
        self._contents[patched.status.transaction.id] = patched.after

    def stored(self, stored: Stored) -> None:
        # It is decided again where the patched workload was edited before anybody saw it.
        if stored.ended is not None:
            self._contents.pop(stored.ended.id, None)


def _components(spec: ModelRolloutSpec, body: Json) -> str:
    found = read_content(body["spec"]["template"], spec.components)
    assert isinstance(found, Content)
    return found.components_digest


def _rest(spec: ModelRolloutSpec, body: Json) -> Json:
    """The spec of a Deployment without what is listed, taken out by hand and not by the core."""
    rest = copy.deepcopy(body["spec"])
    rest["template"] = normalised_template(rest["template"])
    for component in spec.components:
        if component.pod_template is not None:
            del rest["template"]
            return rest
        container = rest["template"]["spec"]["containers"][0]
        if component.image is not None:
            container["image"] = ""
        else:
            container["env"][0]["value"] = ""
    return rest
