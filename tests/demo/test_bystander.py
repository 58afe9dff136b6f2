"""The watch of the quiet model counts what happened, each time once."""

from pathlib import Path
from typing import Any

import pytest

from demo.bystander import Bystander
from demo.kube import Kube


def status(naive: str = "Clear", accuracy: str = "Clear", transaction: str = "") -> dict[str, Any]:
    metrics = [{"name": "accuracy", "class": accuracy}, {"name": "naive", "class": naive}]
    begun = {"transaction": {"id": transaction}} if transaction else {}
    return {"metrics": metrics, **begun}


@pytest.fixture
def bystander() -> Bystander:
    return Bystander(Kube(Path("kubectl"), Path("kubeconfig"), Path()))


def test_nothing_is_counted_before_anything_is_measured(bystander: Bystander) -> None:
    bystander.see({})
    assert (bystander.fired, bystander.doubted, bystander.transactions) == (0, 0, set())


def test_a_breach_that_lasts_is_one(bystander: Bystander) -> None:
    for naive in ("Breached", "Breached", "Clear", "Suspect", "Breached", "Clear"):
        bystander.see(status(naive))
    assert bystander.fired == 2


@pytest.mark.parametrize("accuracy", ["Suspect", "Breached"])
def test_doubt_about_the_model_is_seen(bystander: Bystander, accuracy: str) -> None:
    bystander.see(status(accuracy=accuracy))
    bystander.see(status())
    assert bystander.doubted == 1


def test_a_rollback_is_not_forgotten(bystander: Bystander) -> None:
    bystander.see(status(transaction="1f"))
    bystander.see(status())
    assert bystander.transactions == {"1f"}
