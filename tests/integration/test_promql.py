"""A real Prometheus reads the PromQL that we write, and that we let through, as it is meant."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from model_rollout.analysis.placeholders import Values, expand
from support.metrics_source import MetricsSource
from support.selectors import SELECTORS

NEIGHBOURS = [
    ("1.2", "1x2"),
    ("a+b", "aab"),
    ("m:1.0.0+build", "m:1.0.00build"),
    ("(a|b)", "a"),
    ("[a]{2}^$*?", "aa"),
    ("C:\\d", "C:5"),
    ("it's", "its"),
    ('a"b', "ab"),
    ("two\nlines", "two lines"),
    ("{{name}}", "name"),
    ("ünï-码", "uni"),
]
VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def server() -> Iterator[Prometheus]:
    with MetricsSource() as source:
        for number, names in enumerate(NEIGHBOURS):
            for name in names:
                source.publish(f"pair-{number}", 1.0, label=_in_exposition(name))
        targets = {"labels": [source.address]}
        with Prometheus(scrape_interval="500ms", static_targets=targets) as prometheus:
            wait_until(lambda: bool(prometheus.query("quality")), 30, "the labels were scraped")
            yield prometheus


def _in_exposition(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def expanded(text: str, value: str) -> str:
    found = expand(text, Values("ml", "guard", "sentiment", "5d4f", 7, {"x": value}))
    assert isinstance(found, str)
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALUES)
def test_value_arrives_in_strings_of_all_kinds(server: Prometheus, value: str) -> None:
    # What is absent gets the labels that its matchers name.
    matchers = """a="{{component.x}}", b='{{component.x}}'"""
    raw = "" if "`" in value else ", c=`{{component.x}}`"
    [series] = server.query(expanded(f"absent(nothing{{{matchers}{raw}}})", value))
    assert set(series["metric"].values()) == {value}
    assert len(series["metric"]) == (3 if raw else 2)


@pytest.mark.parametrize("quote", ['"', "'", "`"])
@pytest.mark.parametrize("pair", range(len(NEIGHBOURS)))
def test_value_in_a_pattern_matches_itself_only(server: Prometheus, pair: int, quote: str) -> None:
    value, _ = NEIGHBOURS[pair]
    selector = f'quality{{ns="pair-{pair}", label=~{quote}{{{{component.x}}}}{quote}}}'
    [series] = server.query(expanded(selector, value))
    assert series["metric"]["label"] == value


@pytest.mark.parametrize("case", SELECTORS)
def test_selector_that_is_let_through_can_be_asked_for(server: Prometheus, case: str) -> None:
    values = Values(
        "ml", "guard", "sentiment", "5d4f", 7, {"model": "registry/m:1", "model-2": "m"}
    )
    selector = expand(SELECTORS[case], values)
    assert isinstance(selector, str)
    assert server.query(selector) == []
    assert server.query(f"{selector}[5m]") == []
