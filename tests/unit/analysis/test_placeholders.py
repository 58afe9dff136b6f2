"""Placeholders become contents of strings, and nothing gets out of them."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.analysis.placeholders import (
    Problem,
    Values,
    expand,
    filled,
    used,
    versioned,
)

IMAGE = "registry:5000/team/m:1.2@sha256:0f1e"
VALUES = Values(
    namespace="ml",
    name="guard",
    workload="sentiment",
    pod_template_hash="5d4f",
    revision=7,
    components={"model": IMAGE, "weights": "s3://bucket/models"},
    args={"app": "shop", "codes": "5..|429"},
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANING = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def unquoted(literal: str) -> str:
    """The value of a string literal, as Prometheus reads it; fails where Prometheus refuses it.

    After https://github.com/prometheus/prometheus/blob/main/util/strutil/quote.go
    """
    quote, contents = literal[0], literal[1:-1]
    assert literal[-1] == quote
    if quote == "`":
        assert "`" not in contents
        return contents
    assert "\n" not in contents
    assert quote not in _ESCAPE.sub("", contents), "a quote that is not escaped ends the string"
    assert not contents.replace("\\\\", "").endswith("\\"), "the closing quote is escaped"
    return _ESCAPE.sub(lambda found: {**_MEANING, quote: quote}[found[1]], contents)


def problem(text: str, values: Values = VALUES) -> Problem:
    found = expand(text, values)
    assert isinstance(found, Problem), found
    return found


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("namespace", "ml"),
        ("name", "guard"),
        ("workload", "sentiment"),
        ("podTemplateHash", "5d4f"),
        ("revision", "7"),
        ("component.model", IMAGE),
        ("component.model.tag", "1.2"),
        ("component.weights", "s3://bucket/models"),
        ("args.app", "shop"),
    ],
)
def test_placeholder_stands_for_its_value(placeholder: str, value: str) -> None:
    assert expand(f'x{{a="{{{{{placeholder}}}}}"}}', VALUES) == f'x{{a="{value}"}}'


@pytest.mark.parametrize("written", ["{{workload}}", "{{ workload }}", "{{\tworkload\n}}"])
def test_blanks_in_the_braces_do_not_matter(written: str) -> None:
    assert expand(f'x{{a="{written}"}}', VALUES) == 'x{a="sentiment"}'


def test_placeholders_stand_among_other_text() -> None:
    text = "x{a='{{namespace}}/{{workload}}-0'} / y{b=`{{name}}`}"
    assert expand(text, VALUES) == "x{a='ml/sentiment-0'} / y{b=`guard`}"


@pytest.mark.parametrize("text", ["", "sum(x)", 'x{a="{b}"}', 'x{a=~"a{2}}"}', "x # it's {"])
def test_text_without_placeholders_stays_as_it_is(text: str) -> None:
    assert expand(text, VALUES) == text


def test_comment_stays_as_it_is() -> None:
    text = "x{a=\"{{workload}}\"} # don't touch {{this}}\n+ y{b='{{workload}}'}"
    assert expand(text, VALUES) == ("x{a=\"sentiment\"} # don't touch {{this}}\n+ y{b='sentiment'}")


def test_hash_in_a_string_begins_no_comment() -> None:
    assert expand('x{a="#{{workload}}"}', VALUES) == 'x{a="#sentiment"}'


def test_values_are_not_expanded_again() -> None:
    tricky = replace(VALUES, workload="{{name}}")
    assert expand('x{a="{{workload}}"}', tricky) == 'x{a="{{name}}"}'


@given(TEXTS, st.sampled_from("\"'"))
def test_any_value_comes_back_from_the_string(value: str, quote: str) -> None:
    values = Values("n", "n", "w", components={"c": value})
    text = expand(f"x{{a={quote}{{{{component.c}}}}{quote}}}", values)
    assert isinstance(text, str)
    assert unquoted(text.removeprefix("x{a=").removesuffix("}")) == value


@given(TEXTS)
def test_any_value_without_backticks_comes_back_from_a_raw_string(value: str) -> None:
    values = Values("n", "n", "w", components={"c": value})
    found = expand("x{a=`{{component.c}}`}", values)
    if "`" in value:
        assert found == Problem(
            'the value of {{component.c}} holds a backtick: write its string in "quotes"'
        )
    else:
        assert isinstance(found, str)
        assert unquoted(found.removeprefix("x{a=").removesuffix("}")) == value


@given(TEXTS, TEXTS, st.sampled_from(["=~", "!~ "]), st.sampled_from("\"'"))
def test_in_a_pattern_a_value_stands_for_itself(
    value: str, other: str, operator: str, quote: str
) -> None:
    values = Values("n", "n", "w", components={"c": value})
    text = expand(f"x{{a{operator}{quote}{{{{component.c}}}}{quote}}}", values)
    assert isinstance(text, str)
    literal = text.removeprefix(f"x{{a{operator}").removesuffix("}")
    assert re.fullmatch(unquoted(literal), value)
    assert bool(re.fullmatch(unquoted(literal), other)) is (value == other)


def test_only_what_follows_a_pattern_operator_is_a_pattern() -> None:
    text = 'x{a=~"{{component.model.tag}}", b="{{component.model.tag}}"}'
    assert expand(text, VALUES) == 'x{a=~"1\\\\.2", b="1.2"}'


def test_argument_in_a_pattern_is_a_pattern() -> None:
    assert expand('x{code=~"{{args.codes}}"}', VALUES) == 'x{code=~"5..|429"}'


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("m:1.2", "1.2"),
        ("registry/m:latest", "latest"),
        ("registry:5000/m:1.2@sha256:ab", "1.2"),
        ("s3://models/sentiment:v3", "v3"),
    ],
)
def test_tag(value: str, tag: str) -> None:
    values = replace(VALUES, components={"model": value})
    assert expand('"{{component.model.tag}}"', values) == f'"{tag}"'


@pytest.mark.parametrize(
    "value", ["m", "registry:5000/m", "m@sha256:ab", "registry:5000/m@sha256:ab", "m:", ""]
)
def test_value_without_tag(value: str) -> None:
    values = replace(VALUES, components={"model": value})
    assert problem('"{{component.model.tag}}"', values) == Problem(
        "the value of component model has no tag: write {{component.model}}, or deploy a value "
        "with a tag"
    )


EXISTING = (
    "{{namespace}}, {{name}}, {{workload}}, {{podTemplateHash}}, {{revision}}, "
    "{{component.model}}, {{component.model.tag}}, {{component.weights}}, "
    "{{component.weights.tag}}, {{args.app}}, {{args.codes}}"
)


@pytest.mark.parametrize(
    "name",
    ["workloda", "Workload", "component", "component.", "component.x", "component.model.digest",
     "args.x", "args", "", "pod template hash"],
)  # fmt: skip
def test_unknown_placeholder_is_refused_with_what_exists(name: str) -> None:
    assert problem(f'x{{a="{{{{{name}}}}}"}}').message == (
        f"{{{{{name}}}}} is no placeholder: there are {EXISTING}"
    )


@pytest.mark.parametrize("text", ['x{a="{{workload"}', 'x{a="{{workload}"}'])
def test_malformed_placeholder_is_refused(text: str) -> None:
    assert problem(text).message == f'"{{{{" begins a placeholder: there are {EXISTING}'


@pytest.mark.parametrize(
    "text",
    ["x{a={{workload}}}", "rate(x[{{workload}}])", '"a" + {{workload}}', '{{workload}}{a="b"}',
     'x{a="unclosed {{workload}}'],
)  # fmt: skip
def test_placeholder_outside_of_a_string_is_refused(text: str) -> None:
    assert problem(text).message == (
        "a placeholder stands outside of a string: write it in quotes, for example "
        'app="{{workload}}"'
    )


@pytest.mark.parametrize("name", ["podTemplateHash", "revision"])
def test_what_is_not_known_yet_passes(name: str) -> None:
    unknown = replace(VALUES, pod_template_hash=None, revision=None)
    assert problem(f'"{{{{{name}}}}}"', unknown) == Problem(
        f"the value of {{{{{name}}}}} is not known yet", passing=True
    )


def test_value_that_is_too_long_is_refused() -> None:
    whole_template = replace(VALUES, components={"template": "x" * 1025})
    assert problem('"{{component.template}}"', whole_template).message == (
        "the value of {{component.template}} has 1025 characters, too many to select by: write "
        "{{revision}} or {{podTemplateHash}}"
    )


def test_text_that_is_no_promql_is_filled_as_it_is() -> None:
    assert filled("{{namespace}}/{{args.codes}}", VALUES) == "ml/5..|429"


def test_used() -> None:
    assert used('x{a="{{workload}}", b="{{ args.x }}"} + {{workload}}') == {"workload", "args.x"}
    assert used("x{}") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x{a="{{podTemplateHash}}"}', True),
        ('x{a="{{ revision }}"}', True),
        ('x{a="{{component.model}}"}', True),
        ('x{a="{{component.model.tag}}"}', True),
        ('x{a="{{workload}}-{{name}}"}', False),
        ('x{revision="3"}', False),
    ],
)
def test_versioned(text: str, expected: bool) -> None:
    assert versioned(text) is expected
