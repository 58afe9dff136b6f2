"""`modelrollout audit`: the records of what was decided, exported and verified."""

import argparse

from model_rollout.cli.auditing import Audit, as_line, audit_cluster, audit_file, read_cluster
from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, ended, in_cluster
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import (
    FAILED,
    OK,
    Cell,
    Colour,
    CommandError,
    Row,
    Style,
    add_output,
    clean,
    documented,
    show,
    style_of,
    table,
    tell,
)
from model_rollout.ports.kubernetes import Json
from model_rollout.records.verify import Verdict, chains, in_order

_DIGEST = 64
_BROKEN = (
    "what to do: keep what there is (audit export), compare it with an earlier export, and look in "
    "the audit log of the API server for who wrote or deleted rolloutrecords"
)
_HEADS = (
    "a chain shows tampering only against a head that is kept where the operator cannot write: keep "
    "each HEAD elsewhere, and give it back with --head"
)


def add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    audit = commands.add_parser(
        "audit",
        help="export the records of what was decided, or verify them",
        description="Every rollback leaves RolloutRecords, a chain of digests for each ModelRollout. "
        "Such a chain shows tampering only against a head that is kept where the operator cannot "
        "write.",
    )
    kinds = audit.add_subparsers(dest="what", required=True, metavar="{export,verify}")
    export = kinds.add_parser(
        "export",
        help="write them as JSON lines",
        description="Writes RolloutRecords as JSON lines, each chain in its order.",
    )
    export.set_defaults(execute=in_cluster(_export))
    _add_names(export)
    add_place(export, everywhere=True)
    _add_verify(kinds)


def _add_verify(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verify = kinds.add_parser(
        "verify",
        help="look for one that was changed, dropped, reordered or cut off",
        description="Looks for records that were changed, dropped, reordered or cut off, in the "
        "cluster or in an export. In the cluster the end of each chain is compared with what "
        "status.records of its ModelRollout says.",
        epilog="Exit status: 0 intact; 1 a chain is broken, or the cluster gave no answer; 2 wrong "
        "use.",
    )
    verify.set_defaults(execute=_execute)
    _add_names(verify)
    verify.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        help="an export instead of the cluster; - reads the standard input",
    )
    verify.add_argument(
        "--head",
        action="append",
        default=[],
        type=_digest,
        metavar="DIGEST",
        help="the record with this digest must be there; repeat for several chains",
    )
    add_output(verify)
    add_place(verify, everywhere=True)


def _add_names(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "names",
        nargs="*",
        type=object_name,
        metavar="ROLLOUT",
        help="default: all, also those of ModelRollouts that were deleted",
    )


def _digest(text: str) -> str:
    if len(text) != _DIGEST or not set(text) <= set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a digest: write the 64 hexadecimal digits of a HEAD"
        )
    return text


def _execute(chosen: argparse.Namespace) -> int:
    if chosen.filename is not None:
        return ended(chosen, lambda: _told(audit_file(chosen.filename, chosen.names), chosen))
    return in_cluster(_verify)(chosen)


async def _export(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    audit = await read_cluster(Cluster(connection, place), chosen.names)
    _refuse_unknown(audit, chosen)
    for chain in chains(audit.records).values():
        show([as_line(record) for record in in_order(chain)])
    for problem in audit.problems:
        tell(problem)
    return OK if audit.intact else FAILED


async def _verify(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    return _told(await audit_cluster(Cluster(connection, place), chosen.names), chosen)


def _refuse_unknown(audit: Audit, chosen: argparse.Namespace) -> None:
    known = {record.spec.rollout.name for record in audit.records}
    known |= {verdict.rollout for verdict in audit.verdicts}
    if missing := [name for name in chosen.names if name not in known]:
        there_are = ", ".join(sorted(known)) or "no others"
        raise CommandError(f"there are no records of {', '.join(missing)}; there are: {there_are}")


def _told(audit: Audit, chosen: argparse.Namespace) -> int:
    """Show what was found; return the exit status."""
    audit.require(chosen.head)
    _refuse_unknown(audit, chosen)
    if chosen.output != "table":
        show([documented(as_document(audit), chosen.output)])
        return OK if audit.intact else FAILED
    show(as_table(audit, style_of()))
    for line in sentences(audit):
        tell(line)
    if not audit.intact:
        tell(_BROKEN)
        return FAILED
    tell(_HEADS if audit.verdicts else "there are no records")
    return OK


def as_table(audit: Audit, style: Style) -> list[str]:
    """Return one line for each chain, below a line of heads; nothing for none.

    A digest that does not fit the terminal would be of no use: no line is cut.
    """
    heads = ("NAMESPACE", "ROLLOUT", "RECORDS", "FIRST", "LAST", "CHAIN", "HEAD")
    rows = [_row(verdict) for verdict in audit.verdicts]
    return table([heads, *rows], Style(style.colours)) if rows else []


def _row(verdict: Verdict) -> Row:
    state = Cell("Intact", Colour.GOOD) if verdict.intact else Cell("Broken", Colour.BAD)
    numbers = (str(verdict.count), str(verdict.first or ""), str(verdict.last or ""))
    return (verdict.namespace, verdict.rollout, *numbers, state, verdict.head)


def sentences(audit: Audit) -> list[str]:
    """Return what is wrong, and what is worth a word."""
    told = [f"{_called(v)}: {problem}" for v in audit.verdicts for problem in v.problems]
    notes = [f"{_called(v)}: note: {note}" for v in audit.verdicts for note in v.notes]
    return [clean(line) for line in (*audit.problems, *told, *notes)]


def _called(verdict: Verdict) -> str:
    return f"{verdict.namespace}/{verdict.rollout}"


def as_document(audit: Audit) -> Json:
    """Return what was found as a document."""
    return {
        "intact": audit.intact,
        "problems": list(audit.problems),
        "chains": [
            {
                "namespace": verdict.namespace,
                "rollout": verdict.rollout,
                "uid": verdict.uid,
                "intact": verdict.intact,
                "records": verdict.count,
                "first": verdict.first or None,
                "last": verdict.last or None,
                "head": verdict.head or None,
                "comparedWithStatus": verdict.checked,
                "problems": list(verdict.problems),
                "notes": list(verdict.notes),
            }
            for verdict in audit.verdicts
        ],
    }
