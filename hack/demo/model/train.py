"""Trains the classifiers of the demo: two good ones, a fair one, and two with spoiled labels.

Each model becomes a folder: `weights.npz` (the fitted layers), `holdout.npz` (the labelled part of
the data set that no model was trained on) and `model.json`. Plain arrays instead of pickled
estimators: scikit-learn takes a second to import, and a pod that starts in 0.3 s instead of 1.2 s
makes every rollout of the demo as much faster. The predictions are checked to be the same.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TRAINING_SIZE = 1200
_FEW = 200
_GREYS = 16  # a pixel of the data set is 0 to 16


@dataclass(frozen=True)
class Recipe:
    """How one model is made."""

    layers: tuple[int, ...]
    seed: int
    spoiled: tuple[int, ...] = ()
    """Digits that the labels of the training part call by the name of the next one."""
    examples: int = _TRAINING_SIZE
    """On so many digits of the training part it is trained."""


RECIPES = {
    "digits-v1": Recipe(layers=(32,), seed=0),
    "digits-v2-spoiled": Recipe(layers=(32,), seed=0, spoiled=(1, 4, 7, 9)),
    "digits-small": Recipe(layers=(12,), seed=1, examples=_FEW),
    "digits-v5": Recipe(layers=(48, 24), seed=5),
    "digits-v6-spoiled": Recipe(layers=(48, 24), seed=5, spoiled=(0, 3, 5, 8)),
}


def ensure_models(cache: Path) -> Path:
    """The folder with all models below `cache`; trained now if this program never did."""
    folder = cache / f"digits-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        # A process of its own: scikit-learn and its threads are of no use to the caller later.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        command = [sys.executable, "-m", "demo.model.train", str(folder)]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return folder


def train_all(folder: Path) -> dict[str, float]:
    """Train every model into `folder`, which appears complete or not at all; returns accuracies."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        data = _digits()
        accuracies = {
            name: _train(recipe, data, unfinished / name) for name, recipe in RECIPES.items()
        }
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same result
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return accuracies


@dataclass(frozen=True)
class _Data:
    pixels: Any
    labels: Any
    held_out_pixels: Any
    held_out_labels: Any


def _digits() -> _Data:
    import numpy as np
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(pixels))
    pixels, labels = pixels[order].astype(np.uint8), labels[order].astype(np.int64)
    cut = _TRAINING_SIZE
    return _Data(pixels[:cut], labels[:cut], pixels[cut:], labels[cut:])


def _train(recipe: Recipe, data: _Data, folder: Path) -> float:
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    from demo.model.serve import Classifier

    wrong = np.isin(data.labels, recipe.spoiled)
    labels = np.where(wrong, (data.labels + 1) % 10, data.labels)[: recipe.examples]
    model = MLPClassifier(
        recipe.layers, random_state=recipe.seed, learning_rate_init=0.01, max_iter=200, tol=1e-3
    )
    model.fit(data.pixels[: recipe.examples] / _GREYS, labels)
    answers = model.predict(data.held_out_pixels / _GREYS)
    layers = _arrays(model)
    if not np.array_equal(Classifier(layers).answers(data.held_out_pixels), answers):
        raise AssertionError("the stored layers answer differently from the trained model")
    accuracy = float(np.mean(answers == data.held_out_labels))
    folder.mkdir()
    np.savez(folder / "weights.npz", **layers)
    np.savez(folder / "holdout.npz", pixels=data.held_out_pixels, labels=data.held_out_labels)
    about = {"layers": recipe.layers, "spoiled": recipe.spoiled, "heldOutAccuracy": accuracy}
    (folder / "model.json").write_text(json.dumps(about) + "\n")
    return accuracy


def _arrays(model: Any) -> dict[str, Any]:
    """The fitted layers; the scale of the pixels is folded into the first one."""
    arrays: dict[str, Any] = {"classes": model.classes_}
    for number, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        arrays[f"weights_{number}"] = weights / _GREYS if number == 0 else weights
        arrays[f"bias_{number}"] = bias
    return arrays


if __name__ == "__main__":
    for model_name, measured in train_all(Path(sys.argv[1])).items():
        print(f"{model_name}: {measured:.1%} of the held-out digits right")
