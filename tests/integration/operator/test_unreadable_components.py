"""Components without one literal value: a sentence that says what to write, and no write."""

from typing import Any

from support.scenario import COMPONENTS, Scenario

URI = {"name": "uri", "env": {"container": "server", "name": "MODEL_URI"}}
FLAG = {"name": "flag", "arg": {"container": "server", "flag": "--model"}}

# name: the container's fields, the components, what the status has to say
UNREADABLE: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "container": (
        {},
        [{"name": "image", "image": {"container": "sidecar"}}],
        "the workload has no container 'sidecar'; write one of server",
    ),
    "missing-env": (
        {"env": [{"name": "OTHER", "value": "x"}]},
        [URI],
        "sets no variable 'MODEL_URI'; add it with a literal value",
    ),
    "value-from": (
        {
            "env": [
                {
                    "name": "MODEL_URI",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                }
            ]
        },
        [URI],
        "comes from valueFrom, which says nothing about the version; write a literal value",
    ),
    "flag-without-a-value": (
        {"args": ["--model"]},
        [FLAG],
        "has the flag '--model' without a value after it; write --model=VALUE",
    ),
    "ambiguous-flag": (
        {"args": ["--model=a", "--model=b"]},
        [FLAG],
        "has the flag '--model' 2 times; keep one of them",
    ),
}


def test_unreadable_component_is_reported_and_nothing_is_written(case: Scenario) -> None:
    for name, (container, components, _) in UNREADABLE.items():
        case.deploy("v1", name=name, container=container)
        case.guard(name=name, target=name, components=components)
    operator = case.start_operator()
    for name, (_, _, sentence) in UNREADABLE.items():
        status = case.wait_for_reason("ComponentUnreadable", name=name)
        assert sentence in status["message"]
        ready = case.condition("Ready", name)
        assert (ready["status"], ready["reason"]) == ("False", "ComponentUnreadable")
        assert sentence in ready["message"]
        assert status.get("current") is None
    written = len(case.proxy.writes(committed=False))
    operator.wait_for_checks(4 * len(UNREADABLE))
    assert case.written_after(written) == []
    assert case.patches(committed=False) == []
    assert case.revisions() == {}


def test_component_that_becomes_readable_is_guarded(case: Scenario) -> None:
    case.deploy("v1", container={"env": []})
    case.guard(components=COMPONENTS)
    case.start_operator()
    case.wait_for_reason("ComponentUnreadable")
    case.deploy("v1")
    case.wait_for_reason("Watching")
    assert case.condition("Ready")["status"] == "True"
    assert case.patches(committed=False) == []


def test_component_that_becomes_unreadable_holds_instead_of_rolling_back(case: Scenario) -> None:
    case.stable("v1")
    case.quality["v2"] = 0.4
    case.deploy(
        "v2",
        container={
            "env": [
                {
                    "name": "MODEL_URI",
                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                }
            ]
        },
    )
    case.wait_for_reason("ComponentUnreadable")
    case.operator.wait_for_checks(4)
    assert case.patches(committed=False) == []
    assert case.quarantined() == []
