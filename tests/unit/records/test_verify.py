"""A changed, dropped, reordered or cut record is found and named."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollout.records.chain import content_digest, record_name
from model_rollout.records.verify import Head, Stored, chains, in_order, lost, read_record, verify
from model_rollout.revisions.canonical import Json
from unit.records.made_up import bodies, stored

LENGTH = 6
CHAIN = bodies(LENGTH)
HEAD = CHAIN[-1]["spec"]["digest"]
places = st.integers(0, LENGTH - 1)


def problems(found: list[Json], head: Head | None = None) -> tuple[str, ...]:
    return verify([stored(body) for body in found], head).problems


def sealed(body: Json) -> Json:
    """As by somebody who knows how digests and names are made."""
    spec = body["spec"] | {"digest": content_digest(body["spec"])}
    return body | {"spec": spec, "metadata": body["metadata"] | {"name": record_name(spec)}}


def edited(body: Json, **changes: Any) -> Json:
    return body | {"spec": body["spec"] | changes}


def test_intact_chain_is_intact() -> None:
    verdict = verify([stored(body) for body in CHAIN], Head(HEAD, LENGTH, newest=True))
    assert verdict.intact
    assert (verdict.first, verdict.last, verdict.count, verdict.head) == (1, 6, 6, HEAD)
    assert verdict.notes == ()


def _other(value: Any, draw: st.DataObject) -> Any:
    if isinstance(value, str):
        return draw.draw(st.text(max_size=20).filter(lambda text: text != value))
    if isinstance(value, int):
        return draw.draw(st.integers(1, 99).filter(lambda number: number != value))
    return None


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _paths(item, (*path, key))]
    if isinstance(value, list):
        return [found for key, item in enumerate(value) for found in _paths(item, (*path, key))]
    return [path]


@given(place=places, data=st.data())
def test_any_changed_value_is_found(place: int, data: st.DataObject) -> None:
    body = copy.deepcopy(CHAIN[place])
    path = data.draw(st.sampled_from(_paths(body["spec"])))
    holder: Any = body["spec"]
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = _other(holder[path[-1]], data)
    read = read_record(body, f"line {place + 1}")
    if isinstance(read, str):
        assert read.startswith(f"line {place + 1} is no RolloutRecord: see spec.")
        return
    others = [stored(other) for other in CHAIN if other is not CHAIN[place]]
    found = [p for c in chains([*others, read]).values() for p in verify(in_order(c)).problems]
    assert any("was changed" in problem and read.label in problem for problem in found)


@given(place=st.integers(0, LENGTH - 2))
def test_record_that_was_changed_and_sealed_again_is_found_by_the_one_after_it(place: int) -> None:
    forged = sealed(edited(CHAIN[place], message="nothing happened"))
    found = problems([*CHAIN[:place], forged, *CHAIN[place + 1 :]])
    assert len(found) == 1
    assert found[0].startswith(f"record {place + 1} was replaced: record {place + 2}")


def test_newest_record_that_was_changed_and_sealed_again_is_found_by_the_head() -> None:
    forged = sealed(edited(CHAIN[-1], message="nothing happened"))
    assert problems([*CHAIN[:-1], forged]) == (), "only a kept head can tell"
    (problem,) = problems([*CHAIN[:-1], forged], Head(HEAD, LENGTH))
    assert "which was kept as the head, is not in this chain" in problem


@given(gone=st.sets(st.integers(1, LENGTH - 2), min_size=1))
def test_dropped_records_are_found_and_named(gone: set[int]) -> None:
    found = " ".join(problems([b for index, b in enumerate(CHAIN) if index not in gone]))
    for index in gone:
        assert _names(found, index + 1), (found, index + 1)


def _names(text: str, number: int) -> bool:
    """Alone, or as one of a range."""
    return any(
        f"record {number} is missing" in text or f"records {first} to {last} are missing" in text
        for first in range(1, number + 1)
        for last in range(number, LENGTH + 1)
    )


@given(order=st.permutations(range(LENGTH)).filter(lambda found: found != list(range(LENGTH))))
def test_reordered_lines_are_found(order: list[int]) -> None:
    found = problems([CHAIN[index] for index in order])
    assert found
    assert all("reordered" in problem for problem in found)


@given(left=st.integers(1, LENGTH - 1))
def test_cut_end_is_found_against_a_head_and_says_which_are_missing(left: int) -> None:
    found = problems(CHAIN[:left], Head(HEAD, LENGTH, newest=True))
    missing = f"records {left + 1} to 6 are" if left < LENGTH - 1 else "record 6 is"
    assert found == (f"{missing} missing after record {left}: the end was cut off",)


def test_cut_end_is_found_against_a_head_of_which_only_the_digest_was_kept() -> None:
    (problem,) = problems(CHAIN[:3], Head(HEAD))
    assert "ends with record 3: the end was cut off or replaced" in problem


@given(place=places)
def test_older_head_is_in_a_chain_that_has_grown(place: int) -> None:
    assert problems(CHAIN, Head(CHAIN[place]["spec"]["digest"])) == ()


def test_record_that_somebody_added_at_the_end_is_found_against_the_status() -> None:
    head = Head(CHAIN[3]["spec"]["digest"], 4, newest=True)
    (problem,) = problems(CHAIN, head)
    assert problem.startswith("records 5 to 6 are there although record 4 is the newest")


@given(first=st.integers(1, LENGTH - 1))
def test_what_retention_removed_is_told_and_no_problem(first: int) -> None:
    verdict = verify([stored(body) for body in CHAIN[first:]], Head(HEAD, LENGTH, newest=True))
    assert verdict.intact
    assert verdict.notes == (
        f"it begins at record {first + 1}: the earlier ones were removed by retention",
    )


def test_beginning_that_was_cut_off_and_numbered_anew_is_found() -> None:
    forged = sealed(edited(CHAIN[2], sequence=1))
    assert any("numbered anew" in problem for problem in problems([forged]))


def test_late_beginning_without_the_one_before_it_is_found() -> None:
    body = copy.deepcopy(CHAIN[2])
    del body["spec"]["previous"]
    assert any("names no record before it" in problem for problem in problems([sealed(body)]))


def test_record_that_is_there_twice_is_found() -> None:
    assert any("is there twice" in p for p in problems([*CHAIN[:2], CHAIN[1], *CHAIN[2:]]))


def test_two_records_with_one_number_are_found() -> None:
    forged = sealed(edited(CHAIN[1], message="nothing happened"))
    assert any("one was added" in p for p in problems([*CHAIN[:2], forged, *CHAIN[2:]]))


def test_record_under_another_name_is_found() -> None:
    renamed = CHAIN[0] | {"metadata": CHAIN[0]["metadata"] | {"name": "sentiment-1-cafe0000"}}
    (problem,) = problems([renamed, *CHAIN[1:]])
    assert "was renamed" in problem


@settings(max_examples=50)
@given(order=st.permutations(range(LENGTH)))
def test_records_from_where_there_is_no_order_are_put_in_order(order: list[int]) -> None:
    assert verify(in_order(stored(CHAIN[index]) for index in order)).intact


def test_chains_of_several_rollouts_are_told_apart() -> None:
    other = bodies(2, uid="uid-2")
    mixed = [stored(body) for pair in zip(CHAIN[:2], other, strict=True) for body in pair]
    found = chains(mixed)
    assert [verify(chain).intact for chain in found.values()] == [True, True]
    assert set(found) == {"uid-1", "uid-2"}


def test_chain_of_which_nothing_is_left_is_found() -> None:
    verdict = lost("ml", "sentiment", "uid-1", Head(HEAD, LENGTH))
    assert not verdict.intact
    assert "although record 6 was written" in verdict.problems[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "it has no metadata or no spec"),
        ({"metadata": {}, "spec": []}, "it has no metadata or no spec"),
        ({"metadata": {}, "spec": {"sequence": 0}}, "see spec.action"),
    ],
)
def test_what_is_no_record_is_said(body: Json, said: str) -> None:
    found = read_record(body, "line 3")
    assert not isinstance(found, Stored)
    assert found.startswith("line 3 is no RolloutRecord")
    assert said in found
