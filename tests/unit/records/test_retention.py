"""The oldest go, the newest one stays, and no chain gets a gap."""

from hypothesis import given
from hypothesis import strategies as st

from model_rollout.records.retention import Kept, outdated


def kept(sequence: int, time: float, chain: str = "a") -> Kept:
    return Kept("ml", f"{chain}-{sequence}", f"uid-{chain}-{sequence}", chain, sequence, time)


def numbers(records: tuple[Kept, ...]) -> list[int]:
    return [record.sequence for record in records]


def test_old_records_go_oldest_first() -> None:
    records = [kept(3, 30.0), kept(1, 10.0), kept(2, 20.0), kept(4, 40.0)]
    assert numbers(outdated(records, 25.0)) == [1, 2]


def test_newest_record_stays_however_old() -> None:
    assert numbers(outdated([kept(1, 0.0), kept(2, 1.0)], 1000.0)) == [1]


def test_record_that_is_younger_than_its_successor_ends_it() -> None:
    """One that was restored from an export is new to the API server."""
    assert outdated([kept(1, 90.0), kept(2, 10.0), kept(3, 20.0)], 50.0) == ()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9), st.floats(0, 100)), max_size=20),
    st.floats(0, 120),
)
def test_what_stays_of_a_chain_is_its_end(
    made: list[tuple[str, int, float]], before: float
) -> None:
    records = list({(c, s): kept(s, t, c) for c, s, t in made}.values())
    gone = set(outdated(records, before))
    assert all(record.time < before for record in gone)
    for chain in {record.chain for record in records}:
        ordered = sorted((r for r in records if r.chain == chain), key=lambda r: r.sequence)
        stays = [record not in gone for record in ordered]
        assert stays[-1]
        assert stays == sorted(stays)
