"""A revision that is bad by one component of each kind comes back with one patch, or a person wins."""

from typing import Any

import pytest

from support.faults import writing
from support.scenario import NAME, Json, Scenario, deployment

PATCH = writing("deployments", "PATCH")


def arguments(*args: str, command: tuple[str, ...] = ()) -> Json:
    """Fields of the Deployment whose container runs this command line, and no other version."""
    lists = {"args": list(args), "command": list(command)}
    words = {name: value for name, value in lists.items() if value}
    return {"container": {"image": "model:v1", "env": []} | words}


def script(text: str) -> Json:
    return arguments(text, command=("/bin/sh", "-c"))


def pod(**fields: Any) -> Json:
    """Fields of the Deployment whose pods have these fields."""
    template = deployment("v1")["spec"]["template"]
    template["spec"] |= fields
    return {"template": template}


def volume(reference: str) -> Json:
    image = {"reference": reference, "pullPolicy": "IfNotPresent"}
    return pod(volumes=[{"name": "cache", "emptyDir": {}}, {"name": "model", "image": image}])


FLAG = {"arg": {"container": "server", "flag": "--revision"}}
MATCH = {"arg": {"container": "server", "match": "s3://models/([^ /]+)"}}
REFERENCE = {"field": {"path": "spec.template.spec.volumes[name=model].image.reference"}}
GRACE = {"field": {"path": "spec.template.spec.terminationGracePeriodSeconds"}}
LINKS = {"field": {"path": "spec.template.spec.enableServiceLinks"}}

# kind: the component, the good and the bad fields of the Deployment, the recorded values and types
KINDS: dict[str, tuple[Json, Json, Json, list[tuple[str, str]]]] = {
    "flag-joined": (
        FLAG,
        arguments("--revision=good", "--port=80"),
        arguments("--revision=bad", "--port=80"),
        [("good", "String"), ("bad", "String")],
    ),
    "flag-in-two-words": (
        FLAG,
        arguments("--revision", "good", "--port=80"),
        arguments("--revision", "bad", "--port=80"),
        [("good", "String"), ("bad", "String")],
    ),
    "flag-in-a-script": (
        FLAG,
        script("exec serve m \\\n  --revision 'good one' \\\n  --port 80\n"),
        script("exec serve m \\\n  --revision 'bad one' \\\n  --port 80\n"),
        [("good one", "String"), ("bad one", "String")],
    ),
    "flag-that-was-absent": (
        FLAG,
        arguments("--port=80"),
        arguments("--revision=bad", "--port=80"),
        [("", "Absent"), ("bad", "String")],
    ),
    "flag-that-was-the-only-argument": (
        FLAG,
        arguments(),
        arguments("--revision=bad"),
        [("", "Absent"), ("bad", "String")],
    ),
    "flag-that-went": (
        FLAG,
        arguments("--port=80", "--revision=good"),
        arguments("--port=80"),
        [("good", "String"), ("", "Absent")],
    ),
    "flag-that-went-from-a-script": (
        FLAG,
        script("exec serve m --revision=good\n"),
        script("exec serve m\n"),
        [("good", "String"), ("", "Absent")],
    ),
    "match": (
        MATCH,
        arguments("serve", "--model=s3://models/good/weights"),
        arguments("serve", "--model=s3://models/bad/weights"),
        [("good", "String"), ("bad", "String")],
    ),
    "image-volume": (
        REFERENCE,
        volume("registry.example/m@sha256:" + 64 * "a"),
        volume("registry.example/m@sha256:" + 64 * "b"),
        [
            ("registry.example/m@sha256:" + 64 * "a", "String"),
            ("registry.example/m@sha256:" + 64 * "b", "String"),
        ],
    ),
    "number": (
        GRACE,
        pod(terminationGracePeriodSeconds=0),
        pod(terminationGracePeriodSeconds=1),
        [("0", "Json"), ("1", "Json")],
    ),
    "truth-value": (
        LINKS,
        pod(enableServiceLinks=True),
        pod(enableServiceLinks=False),
        [("true", "Json"), ("false", "Json")],
    ),
}


def good(case: Scenario, component: Json, fields: Json) -> None:
    """Prove a revision with these fields."""
    case.deploy("v1", **fields)
    case.guard(components=[{"name": "part"} | component])
    case.start_operator()
    case.wait_for_reason("Watching")


@pytest.mark.parametrize("kind", KINDS)
def test_bad_component_is_rolled_back_with_one_patch(case: Scenario, kind: str) -> None:
    component, before, after, recorded = KINDS[kind]
    good(case, component, before)
    proven = case.template()
    case.deploy("v2", **after)
    case.wait_for_outcome("Succeeded")
    case.wait_for_reason("Watching")
    assert case.template() == proven
    assert [write.status for write in case.patches(committed=False)] == [200]
    assert case.quarantined() == [2]
    revisions = case.revisions()
    assert sorted(revisions) == [1, 2], "the restored content is revision 1 again"
    values = [revisions[number]["spec"]["components"][0] for number in (1, 2)]
    assert [(value["value"], value["type"]) for value in values] == recorded


# kind: the component; good, bad, and what a person writes at the same place at the last moment
EDITED: dict[str, tuple[Json, Json, Json, Json]] = {
    "flag": (
        FLAG,
        arguments("--revision=good"),
        arguments("--revision=bad"),
        arguments("--revision=theirs"),
    ),
    "flag-that-went": (
        FLAG,
        arguments("--port=80", "--revision=good"),
        arguments("--port=80"),
        arguments("--port=80", "--revision=theirs"),
    ),
    "flag-that-was-absent": (
        FLAG,
        arguments("--port=80"),
        arguments("--port=80", "--revision=bad"),
        arguments("--port=80", "--revision=theirs"),
    ),
    "script": (
        FLAG,
        script("serve --revision good"),
        script("serve --revision bad"),
        script("serve --revision theirs"),
    ),
    "match": (
        MATCH,
        arguments("--model=s3://models/good"),
        arguments("--model=s3://models/bad"),
        arguments("--model=s3://models/theirs"),
    ),
    "field": (REFERENCE, volume("m:good"), volume("m:bad"), volume("m:theirs")),
}


@pytest.mark.parametrize("kind", EDITED)
def test_edit_of_the_same_place_wins_over_the_rollback(case: Scenario, kind: str) -> None:
    component, before, after, theirs = EDITED[kind]
    good(case, component, before)

    def edit(_: object) -> None:
        case.deploy("v3", **theirs)

    case.proxy.before(PATCH, edit)
    case.deploy("v2", **after)
    case.wait_for_outcome("ConcurrentEdit")
    case.wait_for_reason("Watching")
    case.operator.wait_for_checks(3)
    assert [write.status for write in case.patches(committed=False)] == [422], "no further write"
    current = case.status()["current"]["revision"]
    assert current == 3
    assert "theirs" in case.revisions()[current]["spec"]["components"][0]["value"]


def test_edit_beside_a_flag_is_kept(case: Scenario) -> None:
    """The flag moves to another index: the `test` fails, and the flag is found where it is now."""
    good(case, FLAG, arguments("--port=80", "--revision=good"))

    def edit(_: object) -> None:
        first = "/spec/template/spec/containers/0/args/0"
        operations = [{"op": "add", "path": first, "value": "--verbose"}]
        case.site.kube.json_patch("Deployment", case.namespace, NAME, operations)

    case.proxy.before(PATCH, edit)
    case.deploy("v2", **arguments("--port=80", "--revision=bad"))
    case.wait_for_outcome("Succeeded")
    args = case.template()["spec"]["containers"][0]["args"]
    assert args == ["--verbose", "--port=80", "--revision=good"]
    assert [write.status for write in case.patches(committed=False)] == [422, 200]


def test_two_components_at_one_place_are_reported(case: Scenario) -> None:
    image = {"name": "image", "image": {"container": "server"}}
    weights = {"name": "weights", "arg": {"container": "server", "match": "--revision=(.+)"}}
    case.deploy("v1", **arguments("--revision=good"))
    case.guard(components=[image, {"name": "flag"} | FLAG, weights])
    case.start_operator()
    status = case.wait_for_reason("ComponentUnreadable")
    assert status["message"] == (
        "component weights: its value stands within that of component flag; write each place once"
    )
    assert case.patches(committed=False) == []


def test_flag_whose_place_would_be_a_guess_is_not_restored(case: Scenario) -> None:
    good(case, FLAG, script("prepare; serve m --revision=good"))
    case.deploy("v2", **script("prepare; serve m"))
    last = case.wait_for_outcome("Refused")
    assert last["message"] == (
        "revision 1 cannot be restored: component part: '--revision' is absent, and the script of the "
        "shell has not exactly one command that it could belong to; write --revision=VALUE where it "
        "belongs"
    )
    assert case.patches(committed=False) == []
