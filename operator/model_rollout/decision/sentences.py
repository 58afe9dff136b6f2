"""Sentences about several things at once."""

from collections.abc import Iterable

from model_rollout.analysis.measurement import State
from model_rollout.analysis.report import MetricReport


def of_unavailable(reports: Iterable[MetricReport]) -> str:
    """Say why metrics cannot be judged.

    A Prometheus that is down fails all metrics alike: that is said once, with all their names.
    """
    names: dict[str, list[str]] = {}
    for report in reports:
        told = report.message
        failed = report.state is State.ERROR and told.startswith(f"{report.name} ")
        rest = told.removeprefix(report.name) if failed else told
        names.setdefault(rest, []).extend([report.name] if failed else [])
    return "; ".join(listed(alike) + rest for rest, alike in names.items())


def listed(names: list[str]) -> str:
    """Return names as people list them: `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
