"""How far an expression looks back, and how one is narrowed."""

import pytest

from model_rollout.analysis.promql import (
    expression_of,
    longest_range,
    selector_of,
    with_matcher,
)


@pytest.mark.parametrize(
    ("query", "length"),
    [
        ("up", 0.0),
        ("rate(x[10m])", 600.0),
        ("rate(x[ 10m ])", 600.0),
        ("rate(x[1h30m])", 5400.0),
        ("rate(x[5m]) / rate(y[1h])", 3600.0),
        ("rate(x[300])", 300.0),
        ("rate(x[1.5])", 1.5),
        ("max_over_time(rate(x[5m])[1h:1m])", 3900.0),
        ("max_over_time(rate(x[5m])[1h:])", 3900.0),
        ("max_over_time(max_over_time(x[5m:1m])[1h:1m])", 3900.0),
        ("x offset 1d", 86400.0),
        ("x OFFSET 1d", 86400.0),
        ("x offset 90", 90.0),
        ("x offset -5m", 0.0),
        ("rate(x[5m] offset 1h)", 3900.0),
        ("rate(x[5m]) - rate(x[5m] offset 1w)", 605100.0),
        ('rate(x{path="[9h]"}[5m])', 300.0),
        ("rate(x{path='a\\'[9h]'}[5m])", 300.0),
        ("rate(x{path=`[9h]`}[5m])", 300.0),
        ("rate(x[5m]) # was [9h]", 300.0),
        ("rate(x[5m]) # it's\n + rate(y[2h]) # don't", 7200.0),
        ('rate(x{a="#"}[2h])', 7200.0),
        ("rate(x[nonsense])", 0.0),
    ],
)
def test_longest_range(query: str, length: float) -> None:
    assert longest_range(query) == length


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("x_bucket", "x_bucket{M}"),
        (" x_bucket ", "x_bucket{M}"),
        ("x_bucket{}", "x_bucket{M}"),
        ("x_bucket{ }", "x_bucket{M}"),
        ('x_bucket{app="a"}', 'x_bucket{app="a",M}'),
        ('x_bucket{app="a",}', 'x_bucket{app="a",M}'),
        ('x_bucket{app="a" , }', 'x_bucket{app="a",M}'),
        ('{__name__="x_bucket"}', '{__name__="x_bucket",M}'),
        ('{"x.bucket", app="a"}', '{"x.bucket", app="a",M}'),
        ("x_bucket{path=\"/{id}\",q='}'}", "x_bucket{path=\"/{id}\",q='}',M}"),
        ("x_bucket{path=`,}`}", "x_bucket{path=`,}`,M}"),
    ],
)
def test_matcher_is_added_to_a_selector(selector: str, expected: str) -> None:
    assert with_matcher(selector, "M") == expected


def test_without_labels_nothing_is_narrowed() -> None:
    assert selector_of("x_total", ()) == "x_total"
    assert expression_of("max(x)", ()) == "max(x)"
