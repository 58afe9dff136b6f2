"""What commands read of a ModelRollout and its ModelRevisions.

As plain JSON, not through the models of the API: a command that is older or newer than the operator
still shows what it knows of.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from model_rollout.api.rollout import Budget, Rollback
from model_rollout.api.types import duration_text, seconds
from model_rollout.cli.output import Colour, epoch
from model_rollout.decision.facts import REASON_ANNOTATION
from model_rollout.ports.kubernetes import Json

NO_SWITCH = "None"

UNSEEN = (
    "The operator has not looked at the newest spec yet: what is said here is about the one before."
)

_PHASES = {
    "Healthy": Colour.GOOD,
    "Stable": Colour.GOOD,
    "Suspect": Colour.WARN,
    "RollingBack": Colour.WARN,
    "Verifying": Colour.WARN,
    "RolledBack": Colour.WARN,
    "Paused": Colour.WARN,
    "Stopped": Colour.WARN,
    "Failed": Colour.BAD,
    "Quarantined": Colour.BAD,
    "Unusable": Colour.BAD,
    "Breached": Colour.BAD,
}


def colour_of(phase: str) -> Colour:
    """Return the colour of a phase, or of the class of a metric."""
    return _PHASES.get(phase, Colour.PLAIN)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One ModelRollout; nothing in it has to be there, the operator may not have seen it yet."""

    body: Json

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"]["namespace"])

    @property
    def spec(self) -> Json:
        """What its owner wrote, with defaults."""
        return self.body.get("spec") or {}

    @property
    def status(self) -> Json:
        """What the operator wrote; empty until it did."""
        return self.body.get("status") or {}

    @property
    def workload(self) -> str:
        """Kind and name of what it guards."""
        target = self.spec.get("targetRef") or {}
        return f"{target.get('kind', 'Deployment')} {target.get('name', '')}"

    @property
    def phase(self) -> str:
        """Where it stands; empty until the operator saw it."""
        return str(self.status.get("phase") or "")

    @property
    def reason(self) -> str:
        """What the operator does or waits for, as one word."""
        return str(self.status.get("reason") or "")

    @property
    def message(self) -> str:
        """The same as a sentence; where there is no status yet, why there is none."""
        if not self.status:
            return "the operator has not looked at it yet: is it running?"
        return str(self.status.get("message") or "")

    @property
    def switch(self) -> str:
        """The kill switch."""
        return str(self.spec.get("killSwitch") or NO_SWITCH)

    @property
    def seen_switch(self) -> str:
        """The kill switch as the operator last noted it."""
        return str((self.status.get("killSwitch") or {}).get("value") or NO_SWITCH)

    @property
    def switched_because(self) -> str:
        """Why it was flipped; empty where nobody said, and where it is off."""
        annotations = self.body["metadata"].get("annotations") or {}
        return "" if self.switch == NO_SWITCH else str(annotations.get(REASON_ANNOTATION) or "")

    @property
    def current(self) -> int | None:
        """The number of the revision that is deployed."""
        return _number(self.status.get("current"))

    @property
    def stable(self) -> int | None:
        """The number of the newest revision that was proven good."""
        return _number(self.status.get("stable"))

    @property
    def transaction(self) -> Json:
        """The change that is not finished; empty when there is none."""
        return self.status.get("transaction") or {}

    @property
    def waiting(self) -> Json:
        """The decision whose transaction a brake holds; empty when none waits."""
        last = self.status.get("lastDecision") or {}
        held = last.get("action") == "Hold" and last.get("reason") == self.reason
        return last if held and last.get("transaction") else {}

    def quarantine(self, now: float) -> list[Json]:
        """Return the revisions that must not serve, oldest first; expired entries are left out."""
        entries = self.status.get("quarantine") or []
        return [e for e in entries if not e.get("expires") or epoch(e["expires"]) > now]

    def quarantined(self, number: int, now: float) -> Json | None:
        """Return why a revision must not serve, if so."""
        return next((e for e in self.quarantine(now) if e.get("revision") == number), None)

    @property
    def is_seen(self) -> bool:
        """Tell whether the status speaks of the newest spec."""
        generation = int(self.body["metadata"].get("generation") or 0)
        return int(self.status.get("observedGeneration") or 0) >= generation

    @property
    def is_outdated(self) -> bool:
        """Tell whether there is a status, and it speaks of an older spec."""
        return bool(self.status) and not self.is_seen

    def condition(self, type_: str) -> Json:
        """Return a condition; empty when it is not there."""
        conditions = self.status.get("conditions") or ()
        return next((c for c in conditions if c.get("type") == type_), {})


def _number(reference: Json | None) -> int | None:
    number = (reference or {}).get("revision")
    return number if isinstance(number, int) else None


def text(number: int | None) -> str:
    """Return a number as text; empty when there is none."""
    return "" if number is None else str(number)


_WANTED = ("Ready", "MetricsAvailable", "RollbackTargetAvailable")
"""Conditions that should be True; all others should not."""


def worrying(rollout: Rollout) -> Iterator[Json]:
    """Yield the conditions that are not as they should be."""
    for condition in rollout.status.get("conditions") or ():
        status = condition.get("status")
        if condition.get("type") in _WANTED:
            if status != "True":
                yield condition
        elif status == "True":
            yield condition


@dataclass(frozen=True, slots=True)
class Brakes:
    """What is left of the automatic rollbacks."""

    used: int
    allowed: int
    window: str
    cooldown_ends: float
    """Seconds since the epoch; 0: there is no cooldown."""

    @classmethod
    def of(cls, rollout: Rollout, now: float) -> "Brakes":
        """Read them; `now` in seconds since the epoch."""
        written = rollout.spec.get("rollback") or {}
        budget = written.get("budget") or {}
        window = _seconds(budget.get("per"), Budget().per)
        starts = [epoch(start) for start in rollout.status.get("rollbacks") or ()]
        begun = [*starts[-1:], *_last_attempt(rollout.status.get("lastTransaction") or {})]
        ends = max(begun, default=0.0) + _seconds(written.get("cooldown"), Rollback().cooldown)
        return cls(
            used=sum(start > now - window for start in starts),
            allowed=int(budget.get("maxRollbacks") or Budget().max_rollbacks),
            window=duration_text(window),
            cooldown_ends=ends if begun and ends > now else 0.0,
        )


def _last_attempt(last: Json) -> Iterator[float]:
    """When the last automatic rollback was begun, or refused: the cooldown counts from there."""
    if last.get("kind") == "Rollback":
        yield epoch(last.get("endedAt" if last.get("outcome") == "Refused" else "startedAt"))


def _seconds(written: object, default: float) -> float:
    try:
        return seconds(written) if isinstance(written, str) else default
    except ValueError:
        return default


def component_text(revision: Json) -> str:
    """Return what a revision is, in short."""
    return str(revision["spec"].get("summary") or "")


def by_number(revisions: Iterable[Json]) -> dict[int, Json]:
    """Return ModelRevisions by their numbers."""
    return {int(revision["spec"]["number"]): revision for revision in revisions}


def phase_of(revision: Json) -> str:
    """Return the phase of a ModelRevision; a new one is a Candidate."""
    return str((revision.get("status") or {}).get("phase") or "Candidate")


def shown(body: Json) -> Json:
    """Return an object (or a list of them) as people want to see it: without managed fields."""
    if "items" in body:
        return body | {"items": [shown(item) for item in body["items"]]}
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    return body | {"metadata": metadata}


def listed(items: list[Json]) -> Json:
    """Return objects as the list that kubectl makes of them."""
    return {
        "apiVersion": "v1",
        "items": items,
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }
