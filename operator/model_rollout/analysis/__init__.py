"""From measurements to evidence: when a metric counts as breached. Pure.

Two rules decide, by what a metric can give:

* rule 1, on counts: a sequential test (`analysis/counts.py`, arrives with `metrics[].counts`);
* rule 2, on values: every sample outside the bounds for long enough (`analysis/values.py`).

Both keep an immutable `Evidence`, take one measurement at a time, and answer with a `MetricReport`.
"""
