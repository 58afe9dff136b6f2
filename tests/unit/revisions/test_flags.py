"""Flags in every spelling: found once, or absent, or a problem; and written so that they are found."""

import itertools

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from model_rollout.api.revision import ComponentValue, ValueType
from model_rollout.revisions.canonical import Json
from model_rollout.revisions.content import summary
from model_rollout.revisions.locate import locate
from model_rollout.revisions.places import ComponentProblem, Place, Unrestorable
from model_rollout.revisions.restore import restore_operations
from unit.revisions.bodies import ARG, component, content, template, why_not_restorable, workload
from unit.revisions.oracle import apply_patch, refused

MODEL = component("model", arg={"container": "server", "flag": "--model"})
ABSENT = ("", ValueType.ABSENT)


def running(*args: str, command: tuple[str, ...] = ("serve",)) -> Json:
    """A pod template whose server runs this command line; nothing stands for no list at all."""
    body = template(args=args)
    server = body["spec"]["containers"][1]
    server["command"] = list(command)
    for field in ("command", "args"):
        if not server[field]:
            del server[field]
    return body


def script(text: str) -> Json:
    return running(text, command=("/bin/sh", "-c"))


def words(body: Json) -> tuple[list[str], list[str]]:
    server = body["spec"]["containers"][1]
    return server.get("command", []), server.get("args", [])


def read(body: Json) -> tuple[str, ValueType]:
    found = locate(body, ARG)
    assert isinstance(found, Place), found
    return found.value.text, found.value.type


def values(text: str | None, name: str = "revision") -> tuple[ComponentValue, ...]:
    type_ = ValueType.ABSENT if text is None else ValueType.STRING
    found = content(running("--revision=x"), (ARG,)).components[0]
    return (found.model_copy(update={"name": name, "value": text or "", "type": type_}),)


def restored(body: Json, text: str | None) -> Json:
    deployed = workload(body)
    result = apply_patch(deployed, restore_operations(deployed, (ARG,), values(text), "t1"))
    template_: Json = result["spec"]["template"]
    return template_


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (running("--revision=r1"), "r1"),
        (running("--revision", "r1"), "r1"),
        (running("--revision="), ""),
        (running("--revision", ""), ""),
        (running("--revision=a=b"), "a=b"),
        (running("--revision=-x"), "-x"),
        (running("--revision", "-1"), "-1"),
        (running("--revision=two words"), "two words"),
        (running("--revision-x=1", "--revision=r1", "--my--revision=2"), "r1"),
        (running("--prompt=use --revision", "--revision=r1"), "r1"),
        (running(command=("serve", "--revision", "r1")), "r1"),
        (running("r1", command=("serve", "--revision")), "r1"),
        (running("--revision=$$(NAME)"), "$$(NAME)"),
    ],
    ids=itertools.count(),
)
def test_flag_is_found_among_words(body: Json, value: str) -> None:
    assert read(body) == (value, ValueType.STRING)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("vllm serve m --revision abc", "abc"),
        ("vllm serve m --revision=abc --port 80", "abc"),
        ("vllm serve m --revision 'a b'", "a b"),
        ('vllm serve m --revision="a b"', "a b"),
        ('vllm serve m "--revision=a b"', "a b"),
        ("vllm serve m --revision a\\ b", "a b"),
        ("vllm serve m --revision 'a'\"b\"c", "abc"),
        ("exec vllm serve m \\\n  --revision abc \\\n  --port 80\n", "abc"),
        ("vllm serve m --revision \\\n abc", "abc"),
        ("set -e; vllm serve m --revision abc && echo done", "abc"),
        ("(vllm serve m --revision abc)", "abc"),
        ("# --revision of today\nvllm serve m --revision abc # --revision", "abc"),
        ("echo 'no --revision x' | tee log; vllm --revision abc", "abc"),
        ("vllm serve $MODEL --revision abc", "abc"),
        ("vllm serve m --revision '$abc'", "$abc"),
        ('vllm serve m --revision "\\$abc"', "$abc"),
        ("vllm serve m --revision 'a'\\''b'", "a'b"),
        ("vllm serve m#1 --revision abc", "abc"),
    ],
    ids=itertools.count(),
)
def test_flag_is_found_in_a_script(text: str, value: str) -> None:
    assert read(script(text)) == (value, ValueType.STRING)


@pytest.mark.parametrize(
    "command",
    [
        ("sh", "-c"),
        ("/bin/bash", "-lc"),
        ("bash", "-euo", "pipefail", "-c"),
        ("bash", "-e", "-o", "pipefail", "-c"),
        ("/usr/bin/env", "bash", "-c"),
        ("tini", "--", "sh", "-ec"),
    ],
    ids=" ".join,
)
def test_script_of_a_shell_is_recognised(command: tuple[str, ...]) -> None:
    assert read(running("serve m --revision abc", command=command)) == ("abc", ValueType.STRING)


@pytest.mark.parametrize(
    "body",
    [
        running("--verbose"),
        running(command=()),
        running("--revision-x=1"),
        script("vllm serve m"),
        script("cat <<END\nno flag\nEND"),
        script("# --revision abc\nvllm serve m"),
    ],
    ids=["words", "nothing", "longer flag", "script", "here-document", "comment"],
)
def test_absence_is_a_value(body: Json) -> None:
    assert read(body) == ABSENT


@pytest.mark.parametrize(
    ("body", "reason", "sentence"),
    [
        (running("--revision"), "AmbiguousPath", "without a value after it"),
        (running("--revision", "--verbose"), "AmbiguousPath", "without a value after it"),
        (script("vllm --revision; echo"), "AmbiguousPath", "without a value after it"),
        (script("vllm --revision"), "AmbiguousPath", "without a value after it"),
        (running("--revision=1", "--revision", "2"), "AmbiguousPath", "2 times; keep one of them"),
        (script("a --revision=1; b --revision=2"), "AmbiguousPath", "2 times; keep one of them"),
        (
            running("--revision abc"),
            "AmbiguousPath",
            "inside of '--revision abc', which is one word; write --revision=VALUE as a word",
        ),
        (running("serve m --revision abc", command=()), "AmbiguousPath", "which is one word"),
        (script("bash -c 'vllm --revision abc'"), "AmbiguousPath", "which is one word"),
        (script("vllm --revision 'abc"), "AmbiguousPath", "an open quote or a here-document"),
        (script("x <<E\n--revision a\nE\n"), "AmbiguousPath", "an open quote or a here-document"),
        (script("vllm --revision $REV"), "ExpansionRefused", "is expanded when the container"),
        (script('vllm --revision="${REV}"'), "ExpansionRefused", "is expanded when the container"),
        (script("vllm --revision `cat x`"), "ExpansionRefused", "is expanded when the container"),
        (script("vllm --revision ~/m"), "ExpansionRefused", "is expanded when the container"),
        (script("vllm --revision m*"), "ExpansionRefused", "is expanded when the container"),
        (running("--revision=$(REV)"), "ExpansionRefused", "write a literal value, or env with"),
    ],
    ids=itertools.count(),
)
def test_what_cannot_be_told_is_a_problem(body: Json, reason: str, sentence: str) -> None:
    found = locate(body, ARG)
    assert isinstance(found, ComponentProblem), found
    assert found.reason == reason
    assert found.message.startswith("component revision: container 'server' ")
    assert sentence in found.message


@pytest.mark.parametrize(
    ("body", "value", "command", "args"),
    [
        (running("--revision=r2", "-v"), "r1", ["serve"], ["--revision=r1", "-v"]),
        (running("--revision", "r2", "-v"), "r1", ["serve"], ["--revision", "r1", "-v"]),
        (running("--revision", "r2", "-v"), "-x", ["serve"], ["--revision=-x", "-v"]),
        (running("--revision=r2", "-v"), None, ["serve"], ["-v"]),
        (running("-v", "--revision", "r2"), None, ["serve"], ["-v"]),
        (running("--revision=r2"), None, ["serve"], []),
        (running("--revision=r2", command=()), None, [], []),
        (running("r2", "-v", command=("serve", "--revision")), None, ["serve"], ["-v"]),
        (running("-v"), "r1", ["serve"], ["-v", "--revision=r1"]),
        (running(), "r1", ["serve", "--revision=r1"], []),
    ],
    ids=[
        "joined",
        "two words",
        "two words become one where the value looks like a flag",
        "joined goes",
        "two words go",
        "the only argument goes",
        "the only word goes",
        "words of both lists go",
        "added to args",
        "added to the command",
    ],
)
def test_flag_is_restored_among_words(
    body: Json, value: str | None, command: list[str], args: list[str]
) -> None:
    assert words(restored(body, value)) == (command, args)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("serve --revision abc -v", "xyz", "serve --revision xyz -v"),
        ("serve --revision=abc -v", "xyz", "serve --revision=xyz -v"),
        ("serve --revision 'abc' -v", "x y", "serve --revision 'x y' -v"),
        ('serve --revision "abc"', "x y", 'serve --revision "x y"'),
        ('serve --revision "abc"', 'x"y', "serve --revision 'x\"y'"),
        ("serve --revision abc", "x y", "serve --revision 'x y'"),
        ("serve --revision abc", "$x", "serve --revision '$x'"),
        ("serve --revision abc", "", "serve --revision ''"),
        ("serve --revision abc", "-x", "serve --revision=-x"),
        ('serve "--revision=abc"', "x y", 'serve "--revision=x y"'),
        ("serve m --revision abc -v", None, "serve m -v"),
        ("serve m \\\n  --revision abc \\\n  -v\n", None, "serve m \\\n  -v\n"),
        ("serve m; x --revision=abc && y", None, "serve m; x && y"),
        ("serve m\n", "abc", "serve m --revision=abc\n"),
        ("serve m # note\n", "a b", "serve m --revision='a b' # note\n"),
    ],
    ids=itertools.count(),
)
def test_flag_is_restored_in_a_script(text: str, value: str | None, expected: str) -> None:
    assert words(restored(script(text), value))[1] == [expected]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (running(command=()), "so are command and args"),
        (running("--", "x"), "after '--' it would not be a flag"),
        (script("serve m; echo"), "not exactly one command"),
        (script("serve m 2>&1"), "not exactly one command"),
        (running("serve m", "rest", command=("sh", "-c")), "not exactly one command"),
    ],
    ids=[
        "no command line",
        "end of the flags",
        "two commands",
        "operators",
        "words after a script",
    ],
)
def test_where_a_flag_belongs_is_not_guessed(body: Json, sentence: str) -> None:
    why = why_not_restorable(workload(body), (ARG,), values("r1"))
    assert why.startswith("component revision: '--revision' is absent, and ")
    assert sentence in why
    assert why.endswith("write --revision=VALUE where it belongs")
    with pytest.raises(Unrestorable, match=r"write --revision=VALUE"):
        restore_operations(workload(body), (ARG,), values("r1"), "t1")
    assert why_not_restorable(workload(body), (ARG,), values(None)) == ""


@pytest.mark.parametrize(
    ("live", "theirs", "value"),
    [
        (running("--revision=r2"), running("--revision=r3"), "r1"),
        (running("--revision=r2"), running("--revision=r2", "-v"), None),
        (running("--revision", "r2"), running("-v", "--revision", "r2"), "r1"),
        (running("-v"), running("-v", "--revision=theirs"), "r1"),
        (running(), running("--revision=theirs"), "r1"),
        (script("serve --revision a"), script("serve --revision a -v"), "b"),
    ],
    ids=["value", "argument beside", "moved", "added by them", "args by them", "script"],
)
def test_edit_of_the_command_line_meanwhile_fails_a_test(
    live: Json, theirs: Json, value: str | None
) -> None:
    operations = restore_operations(workload(live), (ARG,), values(value), "t1")
    refused(workload(theirs), operations)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
REVISIONS = st.none() | st.sampled_from(["r1", "a b", "", "-x", "'", '"', "$x", "#", "\\", "x\ny"])
REVISIONS |= TEXTS
OTHER = st.sampled_from(["-v", "--port=80", "m", "--revision-x", "x y", "sh"])
QUOTES = st.sampled_from(["", "'", '"'])


def spelled(value: str | None, words_: list[str], at: int, joined: bool) -> Json:
    """A command line with the flag among other words."""
    assume(value is None or joined or not value.startswith("-"))
    flag = [] if value is None else [f"--revision={value}"] if joined else ["--revision", value]
    assume(value is None or "$(" not in value)
    at = min(at, len(words_))
    return running(*words_[:at], *flag, *words_[at:])


def scripted(value: str | None, words_: list[str], at: int, joined: bool) -> Json:
    """A script with the flag among other words, in quotes that hold everything."""
    assume(value is None or joined or not value.startswith("-"))
    assume(value is None or "$(" not in value)
    quoted = "" if value is None else "'" + value.replace("'", "'\\''") + "'"
    flag = [] if value is None else [f"--revision{'=' if joined else ' '}{quoted}"]
    at = min(at, len(words_))
    return script(" ".join(["serve", *words_[:at], *flag, *words_[at:]]))


ARGUMENTS = (REVISIONS, st.lists(OTHER, max_size=3), st.integers(0, 3), st.booleans())
COMMAND_LINES = st.builds(spelled, *ARGUMENTS) | st.builds(scripted, *ARGUMENTS)


@given(COMMAND_LINES, COMMAND_LINES)
@example(running("--revision", "x"), running("-v"))
def test_restored_flag_is_the_recorded_one_and_nothing_else_changes(
    live: Json, target: Json
) -> None:
    before, wanted = content(live, (ARG,)), content(target, (ARG,))
    deployed = workload(live)
    assume(not why_not_restorable(deployed, (ARG,), wanted.components))
    operations = restore_operations(deployed, (ARG,), wanted.components, "t1")
    result = apply_patch(deployed, operations)["spec"]["template"]
    found = content(result, (ARG,))
    assert found.components == wanted.components
    assert found.observed_digest == before.observed_digest
    for body in (live, result):
        body["metadata"].pop("annotations", None)
        for field in ("command", "args"):
            body["spec"]["containers"][1].pop(field, None)
    assert result == live


@given(st.builds(spelled, *ARGUMENTS))
def test_spelling_and_position_of_a_flag_are_not_part_of_the_identity(body: Json) -> None:
    value, type_ = read(body)
    assume(type_ is ValueType.STRING)
    _, there = words(body)
    flag = {f"--revision={value}", "--revision", value}
    rest = [word for word in there if word not in flag]
    assume([w for w in there if w in flag] in ([f"--revision={value}"], ["--revision", value]))
    same = running(f"--revision={value}", *rest)
    assert content(same, (ARG,)).digest == content(body, (ARG,)).digest


def test_two_flags_in_one_script_are_restored_together() -> None:
    both = (MODEL, ARG)
    target = content(script("vllm serve --model good --revision r1 -v"), both)
    live = workload(script("vllm serve --revision bad -v --model 'no good'"))
    result = apply_patch(live, restore_operations(live, both, target.components, "t1"))
    text = words(result["spec"]["template"])[1]
    assert text == ["vllm serve --revision r1 -v --model 'good'"]


def test_two_flags_among_words_are_restored_together() -> None:
    both = (MODEL, ARG)
    target = content(running("-v", "--model", "good"), both)
    live = workload(running("--revision", "bad", "-v"))
    result = apply_patch(live, restore_operations(live, both, target.components, "t1"))
    assert words(result["spec"]["template"])[1] == ["-v", "--model=good"]


def test_absent_is_another_version_than_empty() -> None:
    absent, empty = content(running("-v"), (ARG,)), content(running("-v", "--revision="), (ARG,))
    assert absent.components_digest != empty.components_digest
    assert absent.observed_digest == empty.observed_digest


def test_summary_says_that_a_flag_is_absent() -> None:
    assert summary(content(running("-v"), (ARG,)).components) == "without --revision"
