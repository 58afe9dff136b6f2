"""`modelrollout diff`: what two revisions differ in."""

import argparse
import contextlib
import difflib
import json
from collections.abc import Iterator

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, in_cluster
from model_rollout.cli.kubeconfig import Place, add_place, object_name
from model_rollout.cli.output import (
    OK,
    REFUSED,
    Cell,
    Colour,
    CommandError,
    Style,
    add_output,
    as_yaml,
    clean,
    documented,
    show,
    style_of,
)
from model_rollout.cli.view import by_number, phase_of
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.content import changed_parts

_COLOURS = {"+": Colour.GOOD, "-": Colour.BAD}


def add_diff(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    diff = commands.add_parser(
        "diff",
        help="show what two revisions differ in",
        description="Shows the components whose values differ between two revisions, a pod template "
        "as a unified diff of its YAML, and the places of the rest of the template that differ.",
    )
    diff.set_defaults(execute=in_cluster(_run))
    diff.add_argument("name", type=object_name, metavar="NAME")
    diff.add_argument("revisions", nargs=2, type=revision_number, metavar="REVISION")
    add_output(diff)
    add_place(diff)


def revision_number(text: str) -> int:
    """Return the number of a revision; for argparse."""
    if not text.isascii() or not text.isdecimal() or int(text[:9]) < 1 or len(text) > 9:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the number of a revision: write for example 3; history lists them"
        )
    return int(text)


async def _run(connection: Connection, place: Place, chosen: argparse.Namespace) -> int:
    cluster = Cluster(connection, place)
    found = by_number(await cluster.revisions(await cluster.rollout(chosen.name)))
    before, after = (known_revision(found, number) for number in chosen.revisions)
    before, after = [await _with_contents(cluster, one) for one in (before, after)]
    if chosen.output == "table":
        show(as_text(before, after, style_of()))
    else:
        show([documented(as_document(before, after), chosen.output)])
    return OK


async def _with_contents(cluster: Cluster, revision: Json) -> Json:
    """Add what ConfigMaps held, where it is kept and this person may read it."""
    components = []
    for component in revision["spec"]["components"]:
        name = component.get("snapshotRef")
        body = await cluster.config_map(name) if name else None
        contents = {key: body[key] for key in ("data", "binaryData") if body and key in body}
        components.append(component | ({"contents": contents} if body else {}))
    return revision | {"spec": revision["spec"] | {"components": components}}


def known_revision(revisions: dict[int, Json], number: int) -> Json:
    """Return a revision by its number. Raises CommandError with those that there are."""
    if number not in revisions:
        there_are = ", ".join(map(str, revisions)) or "none"
        raise CommandError(f"there is no revision {number}; there are: {there_are}", REFUSED)
    return revisions[number]


def _changed(before: Json, after: Json) -> Iterator[tuple[Json | None, Json | None]]:
    """Yield the components that differ; None where a revision lacks one."""
    old = {component["name"]: component for component in before["spec"]["components"]}
    new = {component["name"]: component for component in after["spec"]["components"]}
    for name in dict.fromkeys([*old, *new]):
        pair = old.get(name), new.get(name)
        if pair[0] is None or pair[1] is None or _content(pair[0]) != _content(pair[1]):
            yield pair


def _content(component: Json) -> tuple[object, ...]:
    return tuple(component.get(key) for key in ("kind", "source", "type", "value", "snapshotRef"))


def _observed(before: Json, after: Json) -> list[str]:
    """Return the places of the rest of the template that differ."""
    old, new = (revision["spec"].get("observed") or {} for revision in (before, after))
    places = list(changed_parts(old, new))
    digests = [revision["spec"].get("observedDigest") for revision in (before, after)]
    # There are more parts than are listed.
    return places or (["another part of the template"] if digests[0] != digests[1] else [])


def as_document(before: Json, after: Json) -> Json:
    """Return the differences as a document; `null` stands for a component that is not there."""
    return {
        "from": before["spec"]["number"],
        "to": after["spec"]["number"],
        "components": [
            {
                "name": (old or new or {})["name"],
                "before": old and _value(old),
                "after": new and _value(new),
            }
            for old, new in _changed(before, after)
        ],
        "observed": _observed(before, after),
    }


def _value(component: Json) -> Json:
    kept = ("kind", "source", "type", "value", "configMap", "snapshotRef", "contents", "pinned")
    return {key: component[key] for key in kept if key in component}


def as_text(before: Json, after: Json, style: Style) -> list[str]:
    """Return the differences as lines, in the style of a unified diff."""
    lines = [_strong(f"--- {_title(before)}"), _strong(f"+++ {_title(after)}")]
    for old, new in _changed(before, after):
        lines.append(_strong(f"@@ {_place(old or new or {})} @@"))
        lines += _differences(_lines(old), _lines(new))
    if observed := _observed(before, after):
        lines.append(_strong("@@ the rest of the template: observed, never restored @@"))
        lines += [Cell(f"! {place}") for place in observed]
    if len(lines) == 2:
        lines.append(Cell("The two revisions do not differ."))
    return [style.paint(clean(line.text), line.colour) for line in lines]


def _strong(text: str) -> Cell:
    return Cell(text, Colour.STRONG)


def _title(revision: Json) -> str:
    status = revision.get("status") or {}
    reason = f", {status['reason']}" if status.get("reason") else ""
    return f"revision {revision['spec']['number']} ({phase_of(revision)}{reason})"


def _place(component: Json) -> str:
    source = component.get("source")
    kind = str(component.get("kind") or "")
    return f"{component['name']}: {kind} {source}" if source else f"{component['name']}: {kind}"


def _lines(component: Json | None) -> list[str]:
    """Return a value in lines: ConfigMaps by key, pod templates as YAML, all else as it is."""
    if component is None:
        return []
    if "contents" in component:
        return list(_contents(component["contents"]))
    text = str(component.get("value", component.get("snapshotRef", "")))
    if component.get("kind") == "PodTemplate":
        with contextlib.suppress(ValueError):
            text = as_yaml(json.loads(text))
    return text.split("\n")


def _contents(contents: Json) -> Iterator[str]:
    for key, text in sorted(contents.get("data", {}).items()):
        yield f"{key}:"
        yield from (f"  {line}" for line in text.split("\n"))
    for key, text in sorted(contents.get("binaryData", {}).items()):
        yield f"{key}: base64 {text if len(text) <= 80 else text[:79] + '…'}"


def _differences(old: list[str], new: list[str]) -> Iterator[Cell]:
    if len(old) == len(new) == 1:
        texts = [f"-{old[0]}", f"+{new[0]}"]
    else:
        # Without the two lines that would name files.
        texts = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    yield from (Cell(text, _COLOURS.get(text[0], Colour.PLAIN)) for text in texts)
