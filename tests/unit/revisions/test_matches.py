"""`match`: one group, one match; expressions that are slow or leave the end of the value open are refused."""

import itertools
import re
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from model_rollout.api.component import MATCH_PATTERN, Component
from model_rollout.api.revision import ComponentKind
from model_rollout.revisions.content import read_content
from model_rollout.revisions.locate import locate
from model_rollout.revisions.patterns import compiled, example
from model_rollout.revisions.places import ComponentProblem, Place
from model_rollout.revisions.restore import restore_operations
from unit.revisions.bodies import component, content, template, why_not_restorable, workload
from unit.revisions.oracle import apply_patch, refused

URI = "s3://models/([^ /]+)"


def matching(pattern: str, name: str = "weights") -> Component:
    return component(name, arg={"container": "server", "match": pattern})


def found(pattern: str, *args: str) -> Place | ComponentProblem:
    return locate(template(args=args), matching(pattern))


@pytest.mark.parametrize(
    ("pattern", "argument", "value"),
    [
        (URI, "--model=s3://models/m-7/weights", "m-7"),
        (URI, "vllm serve s3://models/m-7 --port 80", "m-7"),
        (r"^--model=(.+)$", "--model=a b", "a b"),
        (r"@([0-9a-f]{7})", "--model=org/chat@0a1b2c3", "0a1b2c3"),
        (r"m-(\d+\.\d+)", "use m-1.25 now", "1.25"),
        (r"cost\$(\d+)\$", "cost$5$", "5"),
        (r"\((\w+)\)", "f(x)", "x"),
        (r"[(](\w+)[)]", "f(x)", "x"),
        (r"v(\d*)$", "model-v", ""),
        (r"a\\(\d+)", "a\\7", "7"),
    ],
    ids=itertools.count(),
)
def test_group_is_the_value(pattern: str, argument: str, value: str) -> None:
    place = found(pattern, "--verbose", argument)
    assert isinstance(place, Place), place
    assert (place.kind, place.value.text) == (ComponentKind.ARG, value)
    assert place.source == f"server/{pattern}"


@pytest.mark.parametrize(
    ("args", "reason", "sentence"),
    [
        (
            ("--model=hf://x",),
            "MatchMissing",
            (
                "component weights: container 'server' has nothing in its command or args that matches "
                "'s3://models/([^ /]+)'; write an expression for what is there"
            ),
        ),
        (
            ("s3://models/a", "s3://models/b"),
            "AmbiguousPath",
            (
                "component weights: container 'server' has 2 matches of 's3://models/([^ /]+)' in its "
                "command and args; write an expression that matches once"
            ),
        ),
        (
            ("s3://models/a s3://models/b",),
            "AmbiguousPath",
            (
                "component weights: container 'server' has 2 matches of 's3://models/([^ /]+)' in its "
                "command and args; write an expression that matches once"
            ),
        ),
        (
            ("s3://models/" + 2000 * "a",),
            "PatternRefused",
            (
                "component weights: container 'server' has a value of 1024 characters or more for "
                "'s3://models/([^ /]+)'; write an expression for a shorter one"
            ),
        ),
    ],
    ids=["none", "two arguments", "twice in one", "too long"],
)
def test_what_is_not_one_value_is_a_problem(
    args: tuple[str, ...], reason: str, sentence: str
) -> None:
    assert found(URI, *args) == ComponentProblem(reason, sentence)


@pytest.mark.parametrize(
    "pattern",
    [
        "no group",
        "(a)(b)",
        "((a))",
        "(?:a)(b)",
        "(?P<n>a)",
        "(a|b)",
        "(a)+",
        "(a+)*",
        "(a+)+",
        r"(a)\1",
        r"\b(a)",
        "(?=a)(b)",
        "(a*?)",
        "(a++)",
        "a{2,}(b)",
        "x(a",
        "[a(b)",
        "x()",
        "(é)",
        "(a)\n",
    ],
)
def test_expression_outside_of_the_language_is_refused(pattern: str) -> None:
    problem = found(pattern, "x")
    assert isinstance(problem, ComponentProblem)
    assert problem.reason == "PatternRefused"
    assert "one group in parentheses" in problem.message


@pytest.mark.parametrize(
    ("pattern", "char"),
    [
        (".*(a)", "a"),
        ("(.*)/v1", "/"),
        (r"(\w+)x", "x"),
        (r"\d*[0-5]?(\d)", "0"),
        ("a?(a)", "a"),
        (r"(\d+)-?\d", "0"),
    ],
)
def test_expression_whose_value_could_end_in_several_places_is_refused(
    pattern: str, char: str
) -> None:
    problem = compiled(pattern)
    assert isinstance(problem, str)
    assert f"without {char!r}, with which the expression goes on" in problem


@pytest.mark.parametrize(("pattern", "words"), [("([z-a])", "ranges"), ("(a{5,2})", "the lesser")])
def test_expression_that_says_nothing_is_refused(pattern: str, words: str) -> None:
    problem = compiled(pattern)
    assert isinstance(problem, str)
    assert words in problem


PIECES = st.sampled_from(
    ["a", "b", r"\.", ".", r"\w", r"\d", r"\S", "[ab]", "[^a]", "[a-c-]", " ", "=", r"\("]
)
REPEATS = st.sampled_from(["", "", "", "*", "+", "?", "{3}", "{1,4}", "{0,999}"])
PARTS_OF_ONE = st.builds(str.__add__, PIECES, REPEATS)
SEQUENCES = st.lists(PARTS_OF_ONE, max_size=2).map("".join)
PATTERNS = st.builds(
    lambda begin, a, b, c, end: f"{begin}{a}({b}){c}{end}",
    st.sampled_from(["", "^"]), SEQUENCES, PARTS_OF_ONE, SEQUENCES, st.sampled_from(["", "$"]),
)  # fmt: skip
ARGUMENTS = st.text("ab.c1 =(-", max_size=12)


@given(PATTERNS, ARGUMENTS)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_what_is_found_is_what_the_expression_means(pattern: str, text: str) -> None:
    expression = compiled(pattern)
    assume(not isinstance(expression, str))
    assert not isinstance(expression, str)
    plain = re.compile(re.sub(r"\$$", r"\\Z", pattern), re.ASCII)
    assert [f.span(1) for f in expression.finditer(text)] == [
        f.span(1) for f in plain.finditer(text)
    ]


@given(st.text("ab([)]{1,9}*+?|^$\\.d w-é", max_size=12))
def test_any_text_is_an_expression_or_a_sentence(text: str) -> None:
    expression = compiled(text)
    assert isinstance(expression, str) or expression.groups == 1
    if not isinstance(expression, str):
        assert re.search(MATCH_PATTERN, text)


@given(PATTERNS, st.text(max_size=5))
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_example_holds_its_value(pattern: str, seed: str) -> None:
    expression = compiled(pattern)
    assume(not isinstance(expression, str))
    assert not isinstance(expression, str)
    text, value = example(pattern, seed)
    match = expression.search(text)
    assert match is not None
    assert match[1] == value


def test_examples_differ() -> None:
    assert len({example(URI, str(seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a[^b]*(b)", 80_000 * "a"),
        (r"\d*[a-f]*\.(x)", 80_000 * "1"),
        ("[^b]*b[^c]*c[^d]*(d)", 25_000 * "abc"),
        (r"\w+(=)\w+", 80_000 * "a"),
    ],
)
def test_time_grows_with_the_length_alone(pattern: str, text: str) -> None:
    expression = compiled(pattern)
    assert not isinstance(expression, str), expression

    def took(length: int) -> float:
        begin = time.process_time()
        list(expression.finditer(text[:length]))
        return time.process_time() - begin

    short = max(took(len(text) // 4), 0.001)
    assert took(len(text)) < 12 * short, "four times the text; with backtracking, sixteen times"


LINES = st.tuples(
    st.sampled_from(["--model=", "serve ", ""]),
    st.text("abc-7", min_size=1, max_size=5),
    st.sampled_from(["", "/", " --x", "/w"]),
).map(lambda parts: f"{parts[0]}s3://models/{parts[1]}{parts[2]}")


@given(LINES, LINES)
def test_restored_match_is_the_recorded_one_and_nothing_else_changes(
    live: str, target: str
) -> None:
    wanted = (matching(URI),)
    before = template(args=("-v", live))
    goal = content(template(args=(target,)), wanted).components
    operations = restore_operations(workload(before), wanted, goal, "t1")
    after = apply_patch(workload(before), operations)["spec"]["template"]
    there = content(after, wanted)
    assert there.components == goal
    assert there.observed_digest == content(before, wanted).observed_digest
    value = content(before, wanted).components[0].value
    expected = live.replace(f"s3://models/{value}", f"s3://models/{goal[0].value}")
    assert after["spec"]["containers"][1]["args"] == ["-v", expected]


def test_value_that_would_be_read_as_something_else_is_not_written() -> None:
    wanted = (matching("m([0-9]{1,3})"),)
    live, goal = template(args=("m1234",)), template(args=("m7",))
    components = content(goal, wanted).components
    why = why_not_restorable(workload(live), wanted, components)
    assert why == (
        "component weights: '7' cannot be written where '123' stands: it would be read as something "
        "else"
    )


def test_edit_of_the_argument_meanwhile_fails_a_test() -> None:
    wanted = (matching(URI),)
    goal = content(template(args=("s3://models/a",)), wanted).components
    live = workload(template(args=("s3://models/b",)))
    operations = restore_operations(live, wanted, goal, "t1")
    refused(workload(template(args=("s3://models/c",))), operations)


@pytest.mark.parametrize("flag_first", [True, False])
def test_two_components_at_one_place_are_refused(flag_first: bool) -> None:
    flag = component("model", arg={"container": "server", "flag": "--model"})
    body = template(args=("--model=s3://models/a",))
    pair = (flag, matching(URI)) if flag_first else (matching(URI), flag)
    one, other = ("weights", "model") if flag_first else ("model", "weights")
    assert read_content(body, pair) == ComponentProblem(
        "SamePlace",
        f"component {one}: its value stands within that of component {other}; write each place once",
    )
