"""Is a chain of records whole? Finds one that was changed, dropped, reordered or cut, and says which.

Retention removes the oldest ones, so a chain may begin late; it must not have a gap or another end
than the head that was kept. Whoever can write both the records and the place where the head is kept
can make up a whole chain: that is why the head belongs where the operator cannot write.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import ValidationError

from model_rollout.api.record import RolloutRecordSpec
from model_rollout.records.chain import content_digest, record_name
from model_rollout.revisions.canonical import Json


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was found: `label` says where, `raw` is its spec to the letter."""

    label: str
    namespace: str
    name: str
    raw: Json
    spec: RolloutRecordSpec


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of the newest record of a chain, from elsewhere than the records themselves."""

    digest: str
    sequence: int | None = None
    """Its number, where that is known."""
    newest: bool = False
    """No newer record may exist: the head is of now, not of some time ago."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one chain."""

    namespace: str
    rollout: str
    uid: str
    count: int
    first: int
    last: int
    head: str
    """Digest of the newest record; empty when there is none."""
    checked: bool
    """The end of the chain was compared with a head."""
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems


def read_record(body: Json, label: str) -> Stored | str:
    """Return a RolloutRecord as it was found, or a sentence about why it is none."""
    metadata, raw = body.get("metadata"), body.get("spec")
    if not isinstance(metadata, dict) or not isinstance(raw, dict):
        return f"{label} is no RolloutRecord: it has no metadata or no spec"
    try:
        spec = RolloutRecordSpec.model_validate(raw)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()})[:5])
        return f"{label} is no RolloutRecord: see spec.{fields}"
    namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
    return Stored(label, namespace, name, raw, spec)


def chains(records: Iterable[Stored]) -> dict[str, tuple[Stored, ...]]:
    """Return the records by the UID of their ModelRollout, in the order in which they come."""
    found: dict[str, list[Stored]] = {}
    for record in records:
        found.setdefault(record.spec.rollout.uid, []).append(record)
    return {uid: tuple(chain) for uid, chain in found.items()}


def in_order(chain: Iterable[Stored]) -> tuple[Stored, ...]:
    """Return records by number, for those that come from where there is no order."""
    return tuple(sorted(chain, key=lambda record: record.spec.sequence))


def verify(chain: Sequence[Stored], head: Head | None = None) -> Verdict:
    """Return what is wrong with one chain, of at least one record, in the order that was found."""
    ordered = in_order(chain)
    first, last = ordered[0], ordered[-1]
    problems = [*_changed(ordered), *_reordered(chain), *_begins(first)]
    for before, after in pairwise(ordered):
        problems += _linked(before, after)
    if head is not None:
        problems += _ends(ordered, head)
    notes = []
    if first.spec.sequence > 1:
        notes.append(
            f"it begins at record {first.spec.sequence}: the earlier ones were removed by retention"
        )
    return Verdict(
        namespace=last.namespace,
        rollout=last.spec.rollout.name,
        uid=last.spec.rollout.uid,
        count=len(chain),
        first=first.spec.sequence,
        last=last.spec.sequence,
        head=last.spec.digest,
        checked=head is not None,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def lost(namespace: str, rollout: str, uid: str, head: Head) -> Verdict:
    """Return the verdict on a chain of which a head is known and not one record."""
    numbered = f"record {head.sequence}" if head.sequence else "a record"
    problem = f"no record is left, although {numbered} was written: all of them were removed"
    return Verdict(namespace, rollout, uid, 0, 0, 0, "", True, (problem,), ())


def _changed(ordered: Sequence[Stored]) -> Iterator[str]:
    for record in ordered:
        if content_digest(record.raw) != record.spec.digest:
            yield (
                f"{_called(record)} was changed: its content does not give the digest "
                f"{_short(record.spec.digest)} that it bears"
            )
        elif record.name != record_name(record.raw):
            yield (
                f"{_called(record)} was renamed: with this content its name is "
                f"{record_name(record.raw)}"
            )


def _reordered(chain: Sequence[Stored]) -> Iterator[str]:
    for before, after in pairwise(chain):
        if after.spec.sequence < before.spec.sequence:
            yield f"{_called(after)} stands after record {before.spec.sequence}: reordered"


def _begins(first: Stored) -> Iterator[str]:
    if first.spec.sequence == 1 and first.spec.previous is not None:
        yield (
            f"{_called(first)} names {first.spec.previous.name} as the one before it: the beginning "
            "was cut off and the rest numbered anew"
        )
    if first.spec.sequence > 1 and first.spec.previous is None:
        yield f"{_called(first)} names no record before it, which only record 1 may do"


def _linked(before: Stored, after: Stored) -> Iterator[str]:
    number, following = before.spec.sequence, after.spec.sequence
    if following == number:
        same = after.spec.digest == before.spec.digest
        how = "is there twice" if same else f"is there beside {before.label}: one was added"
        yield f"{_called(after)} {how}"
    elif following > number + 1:
        yield f"{_between(number + 1, following - 1)} missing before record {following}: dropped"
    elif after.spec.previous is None or after.spec.previous.digest != before.spec.digest:
        named = _short(after.spec.previous.digest) if after.spec.previous else "none"
        yield (
            f"record {number} was replaced: {_called(after)} follows one with the digest {named}, "
            f"and {before.label} bears {_short(before.spec.digest)}"
        )


def _ends(ordered: Sequence[Stored], head: Head) -> Iterator[str]:
    last = ordered[-1].spec
    found = next((r.spec.sequence for r in ordered if r.spec.digest == head.digest), None)
    if found is None and head.sequence is not None and head.sequence > last.sequence:
        missing = _between(last.sequence + 1, head.sequence)
        yield f"{missing} missing after record {last.sequence}: the end was cut off"
    elif found is None:
        yield (
            f"the record with the digest {_short(head.digest)}, which was kept as the head, is not "
            f"in this chain, which ends with record {last.sequence}: the end was cut off or replaced"
        )
    elif head.newest and found != last.sequence:
        yield (
            f"{_between(found + 1, last.sequence)} there although record {found} is the newest that "
            "the ModelRollout knows of: added by somebody else"
        )


def _called(record: Stored) -> str:
    return f"record {record.spec.sequence} ({record.label})"


def _between(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _short(digest: str) -> str:
    return f"{digest[:12]}…"
