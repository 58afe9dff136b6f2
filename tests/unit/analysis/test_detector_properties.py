"""Rule 1: what holds for any outcomes."""

import math
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollout.analysis import overdispersion
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
LIMITS = st.floats(-6.0, 6.0).map(lambda logit: 1.0 / (1.0 + 10.0**-logit))
ONE = st.builds(
    Design,
    LIMITS.map(OneSample),
    st.sampled_from([30.0, 300.0, DAY]),
    st.integers(1, 20),
    st.sampled_from([1.0, DAY, 100 * DAY]),
    st.integers(1, 100),
)
TWO = st.builds(
    Design,
    st.floats(0.5, 10.0).map(TwoSample),
    st.just(30.0),
    st.integers(1, 20),
    st.just(100 * DAY),
    st.integers(1, 12),
)
DESIGNS = ONE | TWO


@st.composite
def outcomes(draw: st.DrawFn, greatest: float = 1e12) -> Outcomes:
    exponent = math.log10(greatest)
    totals = st.floats(-2.0, exponent).map(lambda x: 10.0**x) | st.just(0.0) | st.just(greatest)
    shares = st.floats(0.0, 1.0) | st.sampled_from([0.0, 1.0])
    total, base_total = draw(totals), draw(totals)
    return Outcomes(total * draw(shares), total, base_total * draw(shares), base_total)


HISTORIES = st.lists(outcomes(), max_size=40) | st.lists(outcomes(100.0), max_size=40)


def after(history: list[Outcomes], design: Design, state: DetectorState = FRESH) -> DetectorState:
    for check in history:
        state = update(state, design, check)
    return state


def numbers(state: DetectorState) -> list[float]:
    arms = (state.own, state.base)
    dispersion = [x for arm in arms for x in (arm.measured, arm.block_measured)]
    return [*state.logs, *dispersion, state.share]


@given(DESIGNS, HISTORIES)
def test_evidence_is_a_number_below_its_ceiling(design: Design, history: list[Outcomes]) -> None:
    state = after(history, design)
    assert not any(math.isnan(number) or number == math.inf for number in numbers(state))
    assert strength(state) <= design.decisive() + math.log(4) + 1e-6
    assert more_bad_to_decide(state, design) >= 0


@settings(max_examples=5, deadline=None)
@given(DESIGNS, st.lists(outcomes(), min_size=1, max_size=7))
def test_many_checks_do_not_overflow(design: Design, history: list[Outcomes]) -> None:
    state = after(history * (20_000 // len(history)), design)
    assert not any(math.isnan(number) or number == math.inf for number in numbers(state))


@given(DESIGNS, HISTORIES, HISTORIES)
def test_a_restart_changes_nothing(
    design: Design, before: list[Outcomes], later: list[Outcomes]
) -> None:
    state = after(before, design)
    restored = from_text(to_text(state))
    assert restored is not None
    assert restored == state
    assert after(later, design, restored) == after(later, design, state)


@given(st.text())
def test_text_of_others_is_refused(text: str) -> None:
    assert from_text(text) is None


@given(DESIGNS, HISTORIES, st.integers(0, 10**6))
def test_truncated_text_is_refused(design: Design, history: list[Outcomes], cut: int) -> None:
    text = to_text(after(history, design))
    assert from_text(text[: cut % len(text)]) is None


@given(DESIGNS, HISTORIES, outcomes(), st.floats(0.0, 1.0))
def test_more_bad_outcomes_in_the_latest_check_are_not_less_evidence(
    design: Design, history: list[Outcomes], check: Outcomes, share: float
) -> None:
    # The same state before, hence the same phi; the same totals, and the same other workload.
    state = after(history, design)
    better = Outcomes(check.bad * share, check.total, check.base_bad, check.base_total)
    least, greatest = (strength(update(state, design, c)) for c in (better, check))
    assert greatest >= least - 1e-9 * max(1.0, abs(least))


@given(DESIGNS, st.lists(outcomes(), max_size=60))
def test_good_outcomes_alone_stay_clear(design: Design, history: list[Outcomes]) -> None:
    good = [Outcomes(0.0, c.total, c.base_bad, c.base_total) for c in history]
    assert strength(after(good, design)) <= design.decisive() / 4 + 1e-9


@given(DESIGNS, HISTORIES, outcomes())
def test_a_good_check_never_lifts_evidence_out_of_clear(
    design: Design, history: list[Outcomes], check: Outcomes
) -> None:
    state = after(history, design)
    good = Outcomes(0.0, check.total, check.base_bad, check.base_total)
    later = strength(update(state, design, good))
    assert later <= max(strength(state), design.decisive() / 4) + 1e-9


@given(DESIGNS, HISTORIES, outcomes())
def test_one_check_adds_at_most_the_cap(
    design: Design, history: list[Outcomes], check: Outcomes
) -> None:
    state = after(history, design)
    cap = design.decisive() / design.min_checks if design.min_checks > 1 else math.inf
    before = math.log1p(math.exp(strength(state)))
    assert strength(update(state, design, check)) <= before + cap + 1e-9


@given(DESIGNS, st.lists(outcomes(), min_size=1, max_size=120))
def test_fewer_checks_than_min_checks_never_breach(design: Design, history: list[Outcomes]) -> None:
    if design.min_checks > 1:
        few = history[: design.min_checks - 1]
        assert strength(after(few, design)) < design.decisive()


def halves(check: Outcomes) -> list[Outcomes]:
    half = Outcomes(check.bad / 2, check.total / 2, check.base_bad / 2, check.base_total / 2)
    return [half, half]


@given(DESIGNS, st.lists(outcomes(100.0), max_size=4), outcomes(100.0))
def test_two_halves_are_as_one_check_within_the_stated_bound(
    design: Design, history: list[Outcomes], check: Outcomes
) -> None:
    # The same phi (no design effect, too few checks to measure one), and no cap.
    with patch.object(overdispersion, "_CORRELATION", 0.0):
        null = design.hypothesis
        null = OneSample(null.limit) if isinstance(null, OneSample) else null
        design = Design(null, design.pace, design.metrics, 1e30, 1)
        state = after(history, design)
        whole = strength(update(state, design, check))
        split = strength(after(halves(check), design, state))
    if whole < design.decisive():
        assert (
            whole - 1e-9 * max(1.0, abs(whole)) <= split <= math.log(2 * math.exp(whole) + 1) + 1e-9
        )


@given(DESIGNS, HISTORIES, outcomes())
def test_two_halves_add_at_most_two_caps_more(
    design: Design, history: list[Outcomes], check: Outcomes
) -> None:
    state = after(history, design)
    whole = strength(update(state, design, check))
    split = strength(after(halves(check), design, state))
    cap = design.decisive() / design.min_checks
    if design.min_checks > 1:
        assert split <= math.log(2 * math.exp(whole) + 1) + 2 * cap + 1e-9


@given(ONE, HISTORIES, st.floats(0.0, 12.0))
def test_two_halves_of_an_all_bad_check_lose_at_most_half_a_cap(
    design: Design, history: list[Outcomes], exponent: float
) -> None:
    state = after(history, design)
    check = Outcomes(10.0**exponent, 10.0**exponent)
    whole = strength(update(state, design, check))
    split = strength(after(halves(check), design, state))
    if design.min_checks > 1:
        assert split >= whole - design.decisive() / design.min_checks / 2 - 1e-9


@given(HISTORIES)
def test_phi_is_at_least_1(history: list[Outcomes]) -> None:
    dispersion = overdispersion.UNSEEN
    for check in history:
        if check.total > 0:
            assert overdispersion.inflation(dispersion, check.total, 0.002) >= 1.0
            dispersion = overdispersion.seen(dispersion, check.bad, check.total)
