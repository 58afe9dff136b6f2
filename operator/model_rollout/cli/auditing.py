"""What `modelrollout audit` reads: records and heads of a cluster, or an export."""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from model_rollout.api import API_VERSION
from model_rollout.cli.cluster import Cluster
from model_rollout.cli.output import REFUSED, CommandError
from model_rollout.ports.kubernetes import Json
from model_rollout.records.verify import (
    Head,
    Stored,
    Verdict,
    chains,
    in_order,
    lost,
    read_record,
    verify,
)
from model_rollout.revisions.canonical import canonical_json

_READS = 3
"""Records may be written between the two lists; what does not agree is read again so often."""


class Audit:
    """What was read and found: the records, a verdict on each chain, and what is no record at all."""

    def __init__(self, records: Sequence[Stored], problems: Sequence[str]) -> None:
        self.records = tuple(records)
        self.problems = list(problems)
        self.verdicts: tuple[Verdict, ...] = ()

    @property
    def intact(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems and all(verdict.intact for verdict in self.verdicts)

    def require(self, heads: Iterable[str]) -> None:
        """Note each digest that was kept as a head and that no record has."""
        digests = {record.spec.digest for record in self.records}
        self.problems += [
            f"no record has the digest {head}, which was kept as a head: the end of its chain was "
            "cut off or replaced"
            for head in heads
            if head not in digests
        ]


def as_line(record: Stored) -> str:
    """Return one line of an export: the same for the same record, whoever exports it."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "RolloutRecord",
        "metadata": {"name": record.name, "namespace": record.namespace},
        "spec": record.raw,
    }
    return canonical_json(body)


async def read_cluster(cluster: Cluster, names: Sequence[str]) -> Audit:
    """Return the records of a cluster, of the ModelRollouts with these names; of all for none."""
    bodies = await cluster.records()
    return _parsed(((body["metadata"]["name"], body) for body in bodies), names)


async def audit_cluster(cluster: Cluster, names: Sequence[str]) -> Audit:
    """Return the verdicts on the records of a cluster, compared with what `status.records` says."""
    for _ in range(_READS):
        audit = await read_cluster(cluster, names)
        rollouts = [r for r in await cluster.rollouts() if _wanted(r["metadata"]["name"], names)]
        heads = {r["metadata"]["uid"]: head for r in rollouts if (head := _head(r)) is not None}
        found = {uid: in_order(chain) for uid, chain in chains(audit.records).items()}
        ends = {uid: chain[-1].spec.digest for uid, chain in found.items()}
        if all(ends.get(uid) == head.digest for uid, head in heads.items()):
            break
    verdicts = [verify(chain, heads.get(uid)) for uid, chain in found.items()]
    verdicts += [
        lost(r["metadata"]["namespace"], r["metadata"]["name"], uid, heads[uid])
        for r in rollouts
        if (uid := r["metadata"]["uid"]) in heads and uid not in found
    ]
    audit.verdicts = tuple(verdicts)
    return audit


def audit_file(file: str, names: Sequence[str]) -> Audit:
    """Return the verdicts on an export, in the order of its lines. Raises CommandError."""
    bodies: list[tuple[str, Json]] = []
    problems: list[str] = []
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        body = _decoded(line)
        if isinstance(body, dict):
            bodies.append((f"line {number}", body))
        else:
            problems.append(f"line {number} is no RolloutRecord: it is no JSON object")
    audit = _parsed(bodies, names)
    audit.problems += problems
    audit.verdicts = tuple(verify(chain) for chain in chains(audit.records).values())
    return audit


def _lines(file: str) -> list[str]:
    try:
        with nullcontext(sys.stdin) if file == "-" else Path(file).open(encoding="utf-8") as stream:
            return stream.readlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CommandError(f"{file} cannot be read: {why}", REFUSED) from None


def _decoded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _parsed(bodies: Iterable[tuple[str, Json]], names: Sequence[str]) -> Audit:
    read = [read_record(body, label) for label, body in bodies]
    records = [r for r in read if isinstance(r, Stored) and _wanted(r.spec.rollout.name, names)]
    return Audit(records, [problem for problem in read if isinstance(problem, str)])


def _wanted(name: str, names: Sequence[str]) -> bool:
    return not names or name in names


def _head(rollout: Json) -> Head | None:
    records = (rollout.get("status") or {}).get("records") or ()
    if not records:
        return None
    return Head(str(records[-1]["digest"]), int(records[-1]["sequence"]), newest=True)
