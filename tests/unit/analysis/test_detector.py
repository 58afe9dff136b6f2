"""Rule 1: examples that people can check by hand."""

import math

import pytest

from model_rollout.analysis.detector import (
    FRESH,
    Design,
    DetectorState,
    OneSample,
    Outcomes,
    TwoSample,
    from_text,
    more_bad_to_decide,
    strength,
    to_text,
    update,
)

DAY = 86_400.0
CHECKS = Design(OneSample(0.15), 30.0, 1, 100 * DAY, 4)
NIGHTS = Design(OneSample(0.15), DAY, 1, 100 * DAY, 1)
RATIO = Design(TwoSample(1.5), 30.0, 1, 100 * DAY, 6)


def after(design: Design, *checks: Outcomes, state: DetectorState = FRESH) -> DetectorState:
    for outcomes in checks:
        state = update(state, design, outcomes)
    return state


def checks_to_breach(design: Design, outcomes: Outcomes, most: int = 5000) -> int:
    state = FRESH
    for number in range(1, most + 1):
        state = update(state, design, outcomes)
        if strength(state) >= design.decisive():
            return number
    return 0


def test_decisive_strength_is_the_logarithm_of_checks_between_false_rollbacks() -> None:
    assert CHECKS.decisive() == pytest.approx(math.log(288_000))
    assert NIGHTS.decisive() == pytest.approx(math.log(100))


def test_metrics_share_the_allowed_rate() -> None:
    three = Design(OneSample(0.15), 30.0, 3, 100 * DAY, 4)
    assert three.decisive() - CHECKS.decisive() == pytest.approx(math.log(3))


def test_slower_outcomes_need_less_strength() -> None:
    assert CHECKS.decisive(spacing=DAY) == pytest.approx(math.log(100))
    assert CHECKS.decisive(spacing=1.0) == CHECKS.decisive()


def test_decisive_strength_never_falls_to_nothing() -> None:
    hasty = Design(OneSample(0.15), 3600.0, 1, 1.0, 1)
    assert hasty.decisive() == pytest.approx(math.log(3))
    many = Design(OneSample(0.15), 3600.0, 1, 1.0, 10)
    assert many.decisive() == pytest.approx(math.log(21))


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_limit_is_strictly_between_0_and_1(limit: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        OneSample(limit)


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.inf, math.nan])
def test_a_ratio_is_positive_and_finite(ratio: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        TwoSample(ratio)


def test_fresh_state_has_no_evidence() -> None:
    assert strength(FRESH) == -math.inf


def test_one_check_gives_the_mean_of_the_likelihood_ratios() -> None:
    # b0 = 0.5: alternatives 1.15/2.15, 0.6, 2.5/3.5 and 5/6; one bad and one good outcome.
    ratios = [4 * b * (1 - b) for b in (1.15 / 2.15, 0.6, 2.5 / 3.5, 5 / 6)]
    state = after(Design(OneSample(0.5), 30.0, 1, 100 * DAY, 4), Outcomes(1.0, 2.0))
    phi = 1.002
    expected = math.log(sum(r ** (1 / phi) for r in ratios) / 4)
    assert strength(state) == pytest.approx(expected)


@pytest.mark.parametrize("min_checks", [1, 2, 4, 6, 18, 30, 100])
def test_total_failure_takes_exactly_min_checks(min_checks: int) -> None:
    design = Design(OneSample(0.15), 30.0, 1, 100 * DAY, min_checks)
    assert checks_to_breach(design, Outcomes(1e6, 1e6)) == min_checks


@pytest.mark.parametrize("false_rollback_every", [60.0, 600.0, 3600.0])
def test_total_failure_takes_min_checks_however_little_is_needed(
    false_rollback_every: float,
) -> None:
    design = Design(OneSample(0.15), 30.0, 1, false_rollback_every, 4)
    assert checks_to_breach(design, Outcomes(1e6, 1e6)) == 4


def test_one_wild_check_does_not_decide() -> None:
    healthy = after(CHECKS, *[Outcomes(2.0, 20.0)] * 100)
    wild = after(CHECKS, Outcomes(1e9, 1e9), state=healthy)
    assert strength(wild) < CHECKS.decisive() / 2


def test_one_nightly_batch_decides_when_it_is_clearly_beyond_the_limit() -> None:
    assert checks_to_breach(NIGHTS, Outcomes(1500.0, 5000.0)) == 1


def test_one_nightly_batch_just_beyond_the_limit_does_not_decide() -> None:
    assert strength(after(NIGHTS, Outcomes(800.0, 5000.0))) < NIGHTS.decisive() / 2


def test_evidence_that_one_alternative_alone_holds_still_decides() -> None:
    # 18 % is near the first alternative and refutes the others.
    assert checks_to_breach(CHECKS, Outcomes(36.0, 200.0)) > 0


def test_a_rate_at_the_limit_never_breaches() -> None:
    assert checks_to_breach(CHECKS, Outcomes(3.0, 20.0)) == 0


@pytest.mark.parametrize("limit", [1e-9, 1e-5, 1e-3, 0.999, 1 - 1e-9])
def test_good_outcomes_alone_never_leave_clear(limit: float) -> None:
    design = Design(OneSample(limit), 30.0, 1, 100 * DAY, 4)
    state = after(design, *[Outcomes(0.0, 1.0)] * 3000)
    # Where good outcomes weigh little, evidence still creeps; go on from near its fixed point.
    almost = DetectorState((design.decisive() / 4 - 1e-6,) * 4, 3000, state.own)
    for begin in (state, almost):
        assert strength(after(design, *[Outcomes(0.0, 1.0)] * 50, state=begin)) <= (
            design.decisive() / 4
        )


@pytest.mark.parametrize("limit", [1e-6, 1e-3, 0.5, 0.999, 1 - 1e-6])
def test_total_failure_is_found_at_any_limit_that_leaves_room_for_it(limit: float) -> None:
    design = Design(OneSample(limit), 30.0, 1, 100 * DAY, 4)
    enough = 100.0 / (1.0 - limit)
    assert 4 <= checks_to_breach(design, Outcomes(enough, enough)) < 1000


def test_evidence_recovers_after_a_short_outage() -> None:
    outage = after(CHECKS, *[Outcomes(20.0, 20.0)] * 10)
    assert strength(outage) >= CHECKS.decisive()
    recovered = after(CHECKS, *[Outcomes(1.0, 20.0)] * 150, state=outage)
    assert strength(recovered) < CHECKS.decisive() / 4


def test_a_long_good_time_does_not_delay_a_breach() -> None:
    young = after(CHECKS, *[Outcomes(1.0, 20.0)] * 100)
    old = after(CHECKS, *[Outcomes(1.0, 20.0)] * 5000)
    bad = [Outcomes(10.0, 20.0)] * 5
    assert strength(after(CHECKS, *bad, state=old)) == strength(after(CHECKS, *bad, state=young))


@pytest.mark.parametrize("outcomes", [Outcomes(0, 0), Outcomes(0, 0, 3, 9)])
@pytest.mark.parametrize("design", [CHECKS, RATIO])
def test_no_outcomes_are_no_observation(design: Design, outcomes: Outcomes) -> None:
    state = after(design, Outcomes(3.0, 20.0, 3.0, 20.0))
    assert update(state, design, outcomes) is state


def test_without_the_other_workload_there_is_nothing_to_compare() -> None:
    assert update(FRESH, RATIO, Outcomes(5.0, 20.0)) is FRESH


def test_observations_are_counted() -> None:
    assert after(CHECKS, Outcomes(1, 2), Outcomes(0, 0), Outcomes(0, 2)).observations == 2


def test_more_bad_outcomes_than_outcomes_count_as_all_bad() -> None:
    assert strength(after(CHECKS, Outcomes(3.0, 2.0))) >= strength(after(CHECKS, Outcomes(2, 2)))


def test_a_dip_that_both_workloads_share_is_none() -> None:
    dip = [Outcomes(6.0, 20.0, 60.0, 200.0)] * 200
    assert strength(after(RATIO, *dip)) < RATIO.decisive() / 4


def test_three_times_the_failures_of_the_other_workload_breach() -> None:
    assert 6 <= checks_to_breach(RATIO, Outcomes(30.0, 200.0, 100.0, 2000.0)) <= 12


def test_failures_that_only_this_workload_has_breach() -> None:
    assert checks_to_breach(RATIO, Outcomes(5.0, 20.0, 0.0, 200.0)) >= 6


def test_failures_that_only_the_other_workload_has_do_not_breach() -> None:
    assert checks_to_breach(RATIO, Outcomes(0.0, 20.0, 50.0, 200.0), 500) == 0


def test_a_state_of_the_other_form_is_no_evidence() -> None:
    suspicious = after(CHECKS, *[Outcomes(10.0, 20.0)] * 4)
    switched = update(suspicious, RATIO, Outcomes(0.0, 20.0, 1.0, 20.0))
    assert strength(switched) < 0


class TestMoreBadToDecide:
    def test_says_how_many_bad_outcomes_in_a_row_decide(self) -> None:
        state = after(CHECKS, *[Outcomes(1.0, 2.0)] * 10)
        missing = more_bad_to_decide(state, CHECKS)
        uncapped = Design(CHECKS.hypothesis, 30.0, 1, 100 * DAY, 1)
        assert missing > 1
        # One check of them all: phi there is of two outcomes, as the checks before.
        assert strength(update(state, uncapped, Outcomes(missing * 1.05, missing * 1.05))) >= (
            CHECKS.decisive()
        )

    def test_falls_with_each_bad_outcome(self) -> None:
        state = after(CHECKS, *[Outcomes(1.0, 2.0)] * 10)
        worse = after(CHECKS, Outcomes(2.0, 2.0), state=state)
        assert more_bad_to_decide(worse, CHECKS) < more_bad_to_decide(state, CHECKS)

    def test_is_0_once_it_is_decided(self) -> None:
        state = after(CHECKS, *[Outcomes(20.0, 20.0)] * 5)
        assert more_bad_to_decide(state, CHECKS) == 0

    def test_counts_from_the_beginning(self) -> None:
        assert more_bad_to_decide(FRESH, CHECKS) == pytest.approx(math.log(288_000 * 4) / 1.2, 0.2)

    def test_works_against_another_workload(self) -> None:
        state = after(RATIO, *[Outcomes(3.0, 20.0, 10.0, 200.0)] * 3)
        assert 1 <= more_bad_to_decide(state, RATIO) < more_bad_to_decide(FRESH, RATIO)

    def test_ends_where_a_bad_outcome_says_almost_nothing(self) -> None:
        design = Design(OneSample(1 - 1e-15), 30.0, 1, 100 * DAY, 4)
        assert more_bad_to_decide(FRESH, design) > 10**9


class TestText:
    STATE = after(RATIO, *[Outcomes(i % 7, 20.0, i % 31, 200.0) for i in range(700)])

    def test_is_lossless(self) -> None:
        assert from_text(to_text(self.STATE)) == self.STATE
        assert from_text(to_text(FRESH)) == FRESH

    def test_is_short(self) -> None:
        assert len(to_text(self.STATE)) < 600

    @pytest.mark.parametrize(
        "text", ["", "sr1:", "sr1", "sr1:AAAA", "hello", "sr1:é", "sr1:====", "{}"]
    )
    def test_foreign_text_is_refused(self, text: str) -> None:
        assert from_text(text) is None

    def test_a_newer_version_is_refused(self) -> None:
        assert from_text(to_text(self.STATE).replace("sr1:", "sr2:")) is None

    def test_truncated_text_is_refused(self) -> None:
        text = to_text(self.STATE)
        assert all(from_text(text[:length]) is None for length in range(len(text)))

    def test_altered_text_is_refused(self) -> None:
        text = to_text(self.STATE)
        for at in range(4, len(text)):
            other = "A" if text[at] != "A" else "B"
            assert from_text(text[:at] + other + text[at + 1 :]) in (None, self.STATE)
