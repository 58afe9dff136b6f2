from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from model_rollout.backtest.episodes import Episodes, Kind, PlainThreshold, Sighting

HOLD = Sighting(Kind.HOLD, "MetricsUnavailable", "no data", 1)
ROLLBACK = Sighting(Kind.ROLLBACK, "MetricBreached", "61 of 214", 2, 1, ("accuracy",))
SUSPECT = Sighting(Kind.SUSPECT, "Suspicious", "5 of 20", 2, metrics=("accuracy",), weight=0.5)


def test_consecutive_checks_are_one_episode() -> None:
    episodes = Episodes()
    for now, seen in enumerate([[], [HOLD], [HOLD], [], [HOLD]]):
        episodes.observe(30.0 * now, seen)
    assert [(e.begin, e.end) for e in episodes.all()] == [(30.0, 90.0), (120.0, None)]


def test_one_that_has_not_ended_lasts_until_the_end() -> None:
    episodes = Episodes()
    episodes.observe(30.0, [HOLD])
    [episode] = episodes.all()
    assert episode.end is None
    assert episode.length(100.0) == 70.0


def test_another_reason_or_revision_is_another_episode() -> None:
    episodes = Episodes()
    for now, seen in enumerate([HOLD, replace(HOLD, reason="NoTarget"), replace(HOLD, revision=3)]):
        episodes.observe(float(now), [seen])
    assert len(episodes.all()) == 3


def test_the_sentence_of_the_strongest_evidence_is_kept() -> None:
    episodes = Episodes()
    for now, weight in enumerate([0.5, 0.9, 0.7]):
        seen = replace(SUSPECT, weight=weight, message=f"{weight}")
        episodes.observe(float(now), [seen], 2, {"accuracy"})
    [episode] = episodes.all()
    assert episode.sighting.message == "0.9"


def test_a_rollback_lasts_until_its_metrics_are_clear() -> None:
    episodes = Episodes()
    checks = [
        ([ROLLBACK], True),
        ([SUSPECT], True),
        ([ROLLBACK], True),
        ([], False),
        ([SUSPECT], True),
    ]
    for now, (seen, not_clear) in enumerate(checks):
        episodes.observe(float(now), seen, 2, {"accuracy"} if not_clear else set())
    found = [(e.sighting.kind, e.begin, e.end) for e in episodes.all()]
    assert found == [(Kind.ROLLBACK, 0.0, 3.0), (Kind.SUSPECT, 4.0, None)]


def test_a_rollback_ends_with_its_revision() -> None:
    episodes = Episodes()
    episodes.observe(0.0, [ROLLBACK], 2, {"accuracy"})
    episodes.observe(30.0, [], 3, {"accuracy"})
    [episode] = episodes.all()
    assert episode.end == 30.0


def test_its_sentence_is_the_first_one_and_later_metrics_are_added() -> None:
    episodes = Episodes()
    episodes.observe(0.0, [ROLLBACK], 2, {"accuracy"})
    later = replace(ROLLBACK, message="later", metrics=("toxicity", "accuracy"))
    episodes.observe(30.0, [later], 2, {"accuracy"})
    [episode] = episodes.all()
    assert episode.sighting.message == "61 of 214"
    assert episode.sighting.metrics == ("accuracy", "toxicity")


def test_another_metric_may_be_suspect_meanwhile() -> None:
    episodes = Episodes()
    other = replace(SUSPECT, metrics=("toxicity",))
    episodes.observe(0.0, [ROLLBACK, other], 2, {"accuracy", "toxicity"})
    assert len(episodes.all()) == 2


@given(st.lists(st.booleans(), max_size=60))
def test_episodes_hold_exactly_the_checks_that_said_so(said: list[bool]) -> None:
    episodes = Episodes()
    for now, yes in enumerate(said):
        episodes.observe(float(now), [HOLD] if yes else [])
    covered = [
        any(e.begin <= now < (len(said) if e.end is None else e.end) for e in episodes.all())
        for now in range(len(said))
    ]
    assert covered == said


def fired(needed: int, said: str) -> PlainThreshold:
    rule = PlainThreshold(needed)
    for now, letter in enumerate(said):
        rule.observe(float(now), outside=letter.lower() == "x", clear=letter != "X")
    return rule


def test_one_sample_outside_fires_each_time_anew() -> None:
    assert fired(1, "x.xx.").fired == [0.0, 2.0]


def test_three_in_a_row_fire_once() -> None:
    assert fired(3, "xx.xxxx.xxx").fired == [5.0, 10.0]


def test_it_is_counted_how_often_a_threshold_fires_alone() -> None:
    assert fired(1, "x.X.x").alone == 2


def test_what_is_held_during_a_rollback_belongs_to_it() -> None:
    episodes = Episodes()
    episodes.observe(0.0, [ROLLBACK], 2, {"accuracy"})
    episodes.observe(30.0, [replace(HOLD, revision=2)], 2, {"accuracy"})
    assert [e.sighting.kind for e in episodes.all()] == [Kind.ROLLBACK]


def test_a_breach_without_a_way_back_is_one_hold() -> None:
    episodes = Episodes()
    held = replace(HOLD, reason="NoTarget", metrics=("accuracy",))
    suspect = replace(SUSPECT, revision=1)
    for now, seen in enumerate([held, suspect, held]):
        episodes.observe(float(now), [seen], 1, {"accuracy"})
    assert [(e.sighting.kind, e.end) for e in episodes.all()] == [(Kind.HOLD, None)]
