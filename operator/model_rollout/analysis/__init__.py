"""From measurements to evidence: when a metric counts as breached. Pure.

Two rules decide, by what a metric can give:

* rule 1, on counts: a sequential test (`detector.py`) on outcomes that `counters.py` counts;
* rule 2, on values: every sample outside the bounds for long enough (`values.py`).

`evidence.py` is what the rest of the operator uses: it asks questions, takes in their answers, and
says in a `MetricReport` what they mean.
"""
