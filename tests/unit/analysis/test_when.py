"""`analysis.when`: three-valued logic, and messages that say what to write instead."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.when import (
    MAX_LENGTH,
    Term,
    Verdict,
    When,
    compile_when,
    judge,
    used_metrics,
)

METRICS = ("accuracy", "latency_p95", "drift_psi")
GOOD = Term(breached=False, suspect=False, has_data=True)
SUSPECT = Term(breached=False, suspect=True, has_data=True)
BREACHED = Term(breached=True, suspect=False, has_data=True)
SILENT = Term(breached=None, suspect=None, has_data=False)

TRUE, FALSE, UNKNOWN = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN


def compiled(
    text: str, metrics: tuple[str, ...] = METRICS, acting: tuple[str, ...] | None = None
) -> When:
    when = compile_when(text, metrics, acting)
    assert isinstance(when, When), when
    return when


def problem(text: str, metrics: tuple[str, ...] = METRICS) -> str:
    found = compile_when(text, metrics)
    assert isinstance(found, Problem), found
    return found.message


def terms(*states: Term) -> dict[str, Term]:
    return dict(zip(METRICS, states, strict=False))


@pytest.mark.parametrize(
    ("states", "any_of", "all_of"),
    [
        ((GOOD, GOOD), FALSE, FALSE),
        ((GOOD, BREACHED), TRUE, FALSE),
        ((BREACHED, BREACHED), TRUE, TRUE),
        ((SILENT, GOOD), UNKNOWN, FALSE),
        ((SILENT, BREACHED), TRUE, UNKNOWN),
        ((SILENT, SILENT), UNKNOWN, UNKNOWN),
        ((SUSPECT, GOOD), FALSE, FALSE),
    ],
)
def test_any_and_all(states: tuple[Term, ...], any_of: Verdict, all_of: Verdict) -> None:
    metrics = METRICS[:2]

    assert judge(compiled("Any", metrics), terms(*states)) is any_of
    assert judge(compiled("All", metrics), terms(*states)) is all_of


@pytest.mark.parametrize("text", ["Any", "All"])
def test_any_and_all_look_only_at_metrics_that_may_roll_back(text: str) -> None:
    when = compiled(text, acting=("accuracy",))

    assert judge(when, terms(BREACHED, GOOD, SILENT)) is TRUE
    assert judge(when, terms(GOOD, BREACHED, BREACHED)) is FALSE
    assert used_metrics(when) == ("accuracy",)


@pytest.mark.parametrize("text", ["Any", "All"])
def test_without_a_metric_that_may_roll_back_nothing_is_a_reason(text: str) -> None:
    assert judge(compiled(text, acting=()), terms(BREACHED, BREACHED, BREACHED)) is FALSE


@pytest.mark.parametrize(
    ("text", "states", "verdict"),
    [
        ("accuracy.breached && !drift_psi.suspect", (BREACHED, GOOD, GOOD), TRUE),
        ("accuracy.breached && !drift_psi.suspect", (BREACHED, GOOD, SUSPECT), FALSE),
        ("accuracy.breached && !drift_psi.suspect", (BREACHED, GOOD, SILENT), UNKNOWN),
        ("drift_psi.suspect && accuracy.breached", (GOOD, GOOD, SILENT), FALSE),
        ("drift_psi.suspect || accuracy.breached", (BREACHED, GOOD, SILENT), TRUE),
        ("accuracy.breached || drift_psi.suspect", (GOOD, GOOD, SILENT), UNKNOWN),
        ("accuracy.breached || !accuracy.hasData", (SILENT, GOOD, GOOD), TRUE),
        ("accuracy.hasData ? accuracy.breached : latency_p95.breached", (SILENT, BREACHED), TRUE),
        ("accuracy.suspect ? latency_p95.breached : false", (SILENT, BREACHED), UNKNOWN),
        ("accuracy.breached != latency_p95.breached", (BREACHED, GOOD), TRUE),
        ("accuracy.breached != latency_p95.breached", (BREACHED, SILENT), UNKNOWN),
        ("accuracy.breached || !accuracy.breached && drift_psi.breached", (SILENT,), UNKNOWN),
    ],
)
def test_expression(text: str, states: tuple[Term, ...], verdict: Verdict) -> None:
    assert judge(compiled(text), terms(*states)) is verdict


def test_a_metric_that_is_not_there_has_no_data() -> None:
    assert judge(compiled("accuracy.breached"), {}) is UNKNOWN
    assert judge(compiled("!accuracy.hasData"), {}) is TRUE
    assert judge(compiled("All"), {}) is UNKNOWN


def test_expression_may_have_several_lines_and_spaces() -> None:
    when = compiled("accuracy . breached\r\n\t&& (\n  latency_p95.suspect\n)\n")

    assert judge(when, terms(BREACHED, SUSPECT)) is TRUE


def test_used_metrics_are_those_of_the_text_in_its_order() -> None:
    text = "drift_psi.breached && (accuracy.suspect || drift_psi.suspect)"

    assert used_metrics(compiled(text)) == ("drift_psi", "accuracy")


def test_equal_by_text_and_metrics() -> None:
    text = "accuracy.breached"

    assert compiled(text) == compiled(text)
    assert hash(compiled(text)) == hash(compiled(text))
    assert compiled(text) != compiled(text, METRICS[:2])
    assert compiled(text) != compiled(text + " ")


@pytest.mark.parametrize(
    "name", ["type", "int", "bool", "size", "duration", "has", "google", "and"]
)
def test_metrics_may_be_named_like_types_and_functions(name: str) -> None:
    when = compiled(f"{name}.breached", (name,))

    assert judge(when, {name: BREACHED}) is TRUE


@pytest.mark.parametrize(
    "name",
    """as break const continue else false for function if import in let loop namespace null package
    return true var void while""".split(),  # noqa: SIM905 - a list of words
)
def test_metric_named_like_a_word_of_cel_has_to_be_renamed(name: str) -> None:
    assert problem(f"accuracy.breached && {name}.breached", (*METRICS, name)) == (
        f"analysis.when cannot name the metric {name}, which is a word of CEL: "
        f"rename the metric, for example {name}_metric"
    )
    assert compiled("accuracy.breached || false", (*METRICS, name))


GRAMMAR = (
    "write NAME.breached, NAME.suspect and NAME.hasData with !, &&, ||, ==, !=, ? : and parentheses"
)
FIELDS = "write accuracy.breached, accuracy.suspect or accuracy.hasData"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracyy.breached", "names accuracyy; the metrics are accuracy, latency_p95, drift_psi"),
        ("true", "names no metric; the metrics are accuracy, latency_p95, drift_psi"),
        ("", "names no metric; the metrics are accuracy, latency_p95, drift_psi"),
        ("accuracy.value < 0.85", f"reads accuracy.value: {FIELDS}"),
        ("accuracy.Breached", f"reads accuracy.Breached: {FIELDS}"),
        ("accuracy", f"names accuracy without a field: {FIELDS}"),
        ("accuracy['breached']", f"names accuracy without a field: {FIELDS}"),
        ("accuracy.breached ||", "ends too early, at character 21: something is missing after it"),
        ("(accuracy.breached\n", "ends too early, at line 1, character 19: something is missing"),
        (
            "accuracy.breached)",
            f"has ) at character 18, where it is not understood: {GRAMMAR}",
        ),
        (
            "accuracy.breached\n  latency_p95.breached",
            f"has latency_p95.breached at line 2, character 3, where it is not understood: {GRAMMAR}",
        ),
        (
            "accuracy.breached ||\r\n|| drift_psi.breached",
            f"has || at line 2, character 1, where it is not understood: {GRAMMAR}",
        ),
        ("accuracy.breached & drift_psi.breached", "has & at character 19: write &&"),
        ("accuracy.breached AND drift_psi.breached", "has AND at character 19: write &&"),
        ("not accuracy.breached", "has not at character 1: write !"),
        ("not(accuracy.breached)", "has not at character 1: write !"),
        ("accuracy.breached = true", "has = at character 19: write =="),
        (
            "accuracy.breached > 0.5",
            "has > at character 19: limits belong to the metric, as min and max",
        ),
        ("accuracy.breached == 1", f"has 1 at character 22: {GRAMMAR}"),
        ("accuracy.breached || 'x'.matches('x+')", f"has ' at character 22: {GRAMMAR}"),
        ("accuracy.breached.size()", f"has . at character 18: {GRAMMAR}"),
        ("accuracy.breached \0", f"has '\\x00' at character 19: {GRAMMAR}"),
        ("has(accuracy.breached)", f"calls has, but there are no functions: {GRAMMAR}"),
        ("accuracy.all(x, x)", f"calls accuracy.all, but there are no functions: {GRAMMAR}"),
        ("any", "is any: write Any"),
        ("ALL ", "is ALL: write All"),
        ("(" * 60 + "accuracy.breached" + ")" * 60, "is nested too deeply: use fewer parentheses"),
        ("accuracy.breached" + " " * MAX_LENGTH, "is longer than 1024 characters: shorten it"),
    ],
)
def test_refusal_says_what_to_write(text: str, message: str) -> None:
    assert problem(text).startswith(f"analysis.when {message}")


@pytest.mark.parametrize(
    "text",
    ["!accuracy.breached", "accuracy.hasData || drift_psi.suspect", "true || !drift_psi.suspect"],
)
def test_an_expression_that_is_true_for_good_metrics_is_refused(text: str) -> None:
    assert problem(text) == (
        "analysis.when is true while every metric is good and would roll back a healthy model: "
        "write when to roll back, for example accuracy.breached"
    )


# An expression as text, and what Kleene's logic makes of it (None: unknown).
Value = bool | None
Expression = tuple[str, Callable[[Mapping[str, Term]], Value]]


def k_not(value: Value) -> Value:
    return None if value is None else not value


def k_and(left: Value, right: Value) -> Value:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def variable(name: str, field: str) -> Expression:
    attribute = "has_data" if field == "hasData" else field
    return f"{name}.{field}", lambda states: getattr(states[name], attribute)


def negation(inner: Expression) -> Expression:
    return f"!{inner[0]}", lambda states: k_not(inner[1](states))


def conjunction(left: Expression, right: Expression) -> Expression:
    return f"({left[0]} && {right[0]})", lambda states: k_and(left[1](states), right[1](states))


def disjunction(left: Expression, right: Expression) -> Expression:
    return (
        f"({left[0]} || {right[0]})",
        lambda states: k_not(k_and(k_not(left[1](states)), k_not(right[1](states)))),
    )


LITERALS: list[Expression] = [("true", lambda _: True), ("false", lambda _: False)]
EXPRESSIONS = st.recursive(
    st.builds(
        variable, st.sampled_from(METRICS), st.sampled_from(["breached", "suspect", "hasData"])
    )
    | st.sampled_from(LITERALS),
    lambda inner: (
        st.builds(negation, inner)
        | st.builds(conjunction, inner, inner)
        | st.builds(disjunction, inner, inner)
    ),
    max_leaves=12,
)
TERMS = st.builds(
    Term, st.sampled_from([True, False, None]), st.sampled_from([True, False, None]), st.booleans()
)
STATES = st.fixed_dictionaries(dict.fromkeys(METRICS, TERMS))
VERDICTS = {True: TRUE, False: FALSE, None: UNKNOWN}


@given(EXPRESSIONS, st.lists(STATES, min_size=1, max_size=5))
def test_verdict_is_that_of_kleenes_logic(
    expression: Expression, samples: list[dict[str, Term]]
) -> None:
    text, value = expression
    when = compile_when(text, METRICS)

    if isinstance(when, Problem):
        refused_for_a_reason = (
            value(dict.fromkeys(METRICS, GOOD)) is True
            or not any(name in text for name in METRICS)
            or len(text) > MAX_LENGTH
        )
        assert refused_for_a_reason, when.message
        return
    for states in samples:
        assert judge(when, states) is VERDICTS[value(states)]


NAMES = [
    "accuracy",
    "drift_psi",
    "breached",
    "suspect",
    "hasData",
    "true",
    "in",
    "null",
    "has",
    "x",
]
SIGNS = [".", "!", "&&", "||", "==", "!=", "?", ":", "(", ")", " ", "\n", "\r", "\f"]
FOREIGN = [
    "&",
    "'",
    '"',
    "[",
    "]",
    "{",
    "}",
    ",",
    "1",
    "0.5",
    "-",
    "<",
    "`",
    "//",
    "\\",
    "\ud800",
    "é",
]


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(NAMES + SIGNS + FOREIGN), max_size=30).map("".join)
)
def test_no_text_raises_anything(text: str) -> None:
    when = compile_when(text, METRICS)

    if isinstance(when, Problem):
        assert when.message.startswith("analysis.when ")
    else:
        assert judge(when, {}) in Verdict


@given(
    st.lists(
        st.sampled_from(
            ["accuracy.breached", "drift_psi.hasData", "!", "&&", "||", "(", ")", "?", ":"]
        ),
        max_size=12,
    ).map(" ".join),
    STATES,
)
def test_whatever_compiles_gives_a_verdict(text: str, states: dict[str, Term]) -> None:
    when = compile_when(text, METRICS)

    assert isinstance(when, Problem) or judge(when, states) in Verdict


def test_compiling_and_judging_are_cheap() -> None:
    """Ten times what they take, so that a busy machine passes."""
    text = "accuracy.breached && (latency_p95.breached || !drift_psi.suspect)"
    when, states = compiled(text), terms(BREACHED, GOOD, SUSPECT)

    assert _seconds(lambda: compile_when(text, METRICS), 20) < 0.005
    assert _seconds(lambda: judge(when, states), 1000) < 50e-6


def _seconds(call: Callable[[], object], times: int) -> float:
    def once() -> float:
        begin = time.perf_counter()
        for _ in range(times):
            call()
        return (time.perf_counter() - begin) / times

    return median(once() for _ in range(5))
