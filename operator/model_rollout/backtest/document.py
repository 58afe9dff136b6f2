"""A result as JSON: a stable shape, documented in docs/backtest.md."""

from typing import Any

from model_rollout.api.types import time_text
from model_rollout.backtest.episodes import Episode, Kind
from model_rollout.backtest.replay import Spell
from model_rollout.backtest.result import Result
from model_rollout.backtest.trace import PLAIN, Trace

VERSION = 1
"""Counts up when a field changes its meaning or goes; new fields may come at any time."""


def as_document(result: Result) -> dict[str, Any]:
    """Return everything that a backtest says; times in RFC 3339, lengths in seconds."""
    period = result.period
    return {
        "version": VERSION,
        "rollout": {
            "namespace": result.namespace,
            "name": result.name,
            "workload": result.workload,
        },
        "period": {
            "from": time_text(period.begin),
            "to": time_text(period.end),
            "intervalSeconds": period.interval,
            "checks": period.count,
        },
        "elapsedSeconds": round(result.elapsed, 1),
        "counts": {_NAMES[kind]: len(result.of(kind)) for kind in Kind},
        "revisions": [_revision(result, spell) for spell in result.spells],
        "episodes": [_episode(result, episode) for episode in result.episodes],
        "metrics": [_metric(trace) for trace in result.traces],
        "unknown": list(result.unknown),
    }


_NAMES = {
    Kind.ROLLBACK: "rollbacks",
    Kind.HOLD: "holds",
    Kind.NOTIFY: "notices",
    Kind.SUSPECT: "suspects",
}


def _time(time: float | None) -> str | None:
    return None if time is None else time_text(time)


def _revision(result: Result, spell: Spell) -> dict[str, Any]:
    return {
        "number": spell.revision,
        "replicaSet": spell.replica_set,
        "images": dict(result.images.get(spell.replica_set, {})),
        "from": _time(spell.begin),
        "to": _time(spell.end),
        "servingSince": _time(spell.serving),
        "stableSince": _time(spell.stable),
    }


def _episode(result: Result, episode: Episode) -> dict[str, Any]:
    seen = episode.sighting
    return {
        "kind": seen.kind.value,
        "reason": seen.reason,
        "from": _time(episode.begin),
        "to": _time(episode.end),
        "seconds": episode.length(result.period.end),
        "revision": seen.revision,
        "target": seen.target,
        "metrics": list(seen.metrics),
        "message": seen.message,
    }


def _metric(trace: Trace) -> dict[str, Any]:
    return {
        "name": trace.name,
        "limit": trace.limit,
        "checksWithData": trace.checks_with_data,
        "gaps": [{"from": _time(begin), "to": _time(end)} for begin, end in trace.gaps],
        "plainThreshold": [
            {
                "inARow": count,
                "fired": len(rule.fired),
                # One value outside its bounds is evidence by itself: there is no alarm without any.
                "firedWhileClear": rule.alone if trace.is_counted else None,
                "times": [_time(time) for time in rule.fired],
            }
            for count, rule in zip(PLAIN, trace.plain, strict=True)
        ],
    }
