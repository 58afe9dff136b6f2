"""How far an expression looks back."""

import pytest

from model_rollout.analysis.promql import longest_range


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
