"""Identity by content: what is equal has one digest, whatever the order; what says nothing is left out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_rollout.revisions.canonical import Json, canonical_json, digest, normalised_template

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)


def reordered(value: Any) -> Any:
    """The same JSON, the members of every object in the opposite order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_order_of_members_does_not_matter(value: Any) -> None:
    assert digest(reordered(value)) == digest(value)


def test_order_of_items_matters() -> None:
    assert digest(["a", "b"]) != digest(["b", "a"])


def test_canonical_json_has_no_blanks_and_keeps_letters() -> None:
    assert canonical_json({"b": [1, "ä"], "a": None}) == '{"a":null,"b":[1,"ä"]}'


@pytest.mark.parametrize(
    "noise",
    [
        {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T10:00:00Z"}},
        {"annotations": {"modelrollout.dev/transaction": "0123"}},
        {"annotations": {}},
        {"labels": {"app": "m", "pod-template-hash": "abc"}},
        {"creationTimestamp": None},
        {"annotations": None},
    ],
    ids=lambda noise: str(next(iter(noise.items()))),
)
def test_noise_is_left_out(noise: Json) -> None:
    clean = {"metadata": {"labels": {"app": "m"}}, "spec": {"containers": []}}
    noisy = {"metadata": {"labels": {"app": "m"}} | noise, "spec": {"containers": []}}
    assert normalised_template(noisy) == normalised_template(clean)


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": {"prometheus.io/scrape": "true"}},
        {"labels": {"app": "m", "version": "2"}},
    ],
    ids=["annotation", "label"],
)
def test_other_metadata_is_kept(change: Json) -> None:
    clean = {"metadata": {"labels": {"app": "m"}}, "spec": {}}
    assert normalised_template({"metadata": {"labels": {"app": "m"}} | change, "spec": {}}) != (
        normalised_template(clean)
    )


def test_template_without_metadata_is_taken() -> None:
    assert normalised_template({"spec": {"containers": []}}) == {"spec": {"containers": []}}


def test_template_itself_is_not_changed() -> None:
    body = {"metadata": {"annotations": {"modelrollout.dev/transaction": "x"}}, "spec": {}}
    normalised_template(body)
    assert body["metadata"]["annotations"] == {"modelrollout.dev/transaction": "x"}
