"""What rule 1 makes of the demo's models does not depend on luck.

Each pod sends the labelled digits in one order and begins somewhere in it, so that all runs of the
demo can be gone through beforehand.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.manifests import Pace
from demo.model import serve, train
from model_rollout.analysis.detector import (
    FRESH,
    Design,
    OneSample,
    Outcomes,
    strength,
    update,
)
from model_rollout.api.rollout import Analysis

LIMIT = 0.15
A_MINUTE = 60
BUSY = 40  # answers a second of two pods
QUIET = 2


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train.ensure_models(tmp_path_factory.mktemp("models"))


def wrong_answers(models: Path, model: str) -> Any:
    """Whether each held-out digit is taken for another one, in the order of the traffic."""
    classifier = serve.Classifier.load(models / model)
    with np.load(models / model / "holdout.npz") as held_out:
        return classifier.answers(held_out["pixels"]) != held_out["labels"]


def every_run(wrong: Any, answers: int) -> Iterator[Any]:
    """The first answers of a pod, wherever it begins."""
    for start in range(len(wrong)):
        yield np.resize(np.roll(wrong, -start), answers)


def strengths(wrong: Any, a_check: int, metrics: int) -> list[float]:
    """The evidence after each check, as a share of what decides."""
    every = Analysis().false_rollback_every
    design = Design(OneSample(LIMIT), float(Pace().interval), metrics, every, min_checks=4)
    state, found = FRESH, []
    for check in wrong.reshape(-1, a_check):
        state = update(state, design, Outcomes(float(check.sum()), float(a_check)))
        found.append(strength(state) / design.decisive())
    return found


@pytest.mark.parametrize("model", ["digits-v1", "digits-v5"])
def test_a_good_model_is_never_suspected(models: Path, model: str) -> None:
    for run in every_run(wrong_answers(models, model), BUSY * A_MINUTE // 4):
        assert max(strengths(run, BUSY, metrics=2)) < 0.5


@pytest.mark.parametrize("model", ["digits-v2-spoiled", "digits-v6-spoiled"])
def test_a_spoiled_model_is_found_in_seven_checks(models: Path, model: str) -> None:
    for run in every_run(wrong_answers(models, model), BUSY * 7):
        assert max(strengths(run, BUSY, metrics=2)) >= 1.0


def test_the_quiet_model_is_never_suspected(models: Path) -> None:
    for run in every_run(wrong_answers(models, "digits-small"), QUIET * 2 * A_MINUTE):
        assert max(strengths(run, QUIET, metrics=1)) < 0.4


def test_the_naive_rule_fires_often_on_the_quiet_model(models: Path) -> None:
    """Two or three of four answers are in its window: one wrong one is too much."""
    for run in every_run(wrong_answers(models, "digits-small"), QUIET * A_MINUTE):
        checks = run.reshape(-1, QUIET).any(axis=1)
        assert np.count_nonzero(checks[1:] & ~checks[:-1]) >= 3


def test_a_good_model_is_good_in_every_second(models: Path) -> None:
    """The demo itself looks at the last seconds and wants to see the accuracy recover."""
    for model in ("digits-v1", "digits-v5"):
        for run in every_run(wrong_answers(models, model), BUSY // 2):
            assert run.mean() < LIMIT
