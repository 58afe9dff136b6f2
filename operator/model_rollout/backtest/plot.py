"""Writes the picture of a result: PNG, or one HTML file that needs nothing else."""

import html
import importlib.util
from pathlib import Path

from model_rollout.backtest.manifests import InputError
from model_rollout.backtest.result import Result
from model_rollout.backtest.table import as_table

_WIDTH = 130
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; color: #222; }}
svg {{ width: 100%; height: auto; }}
pre {{ font-size: 0.85rem; overflow-x: auto; background: #f6f6f6; padding: 1rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{svg}
<pre>{text}</pre>
</body>
</html>
"""


def check_plot(file: str) -> None:
    """Raise InputError when this file cannot be written: better before the replay than after it."""
    path = Path(file)
    if path.suffix not in (".html", ".png"):
        raise InputError(f"--plot {file}: write a file name that ends in .html or .png")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--plot {file}: there is no folder {path.absolute().parent}")
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("--plot needs matplotlib: pip install 'model-rollout-operator[plot]'")


def write_plot(result: Result, file: str) -> None:
    """Draw a result into a file. Raises InputError when it cannot be written."""
    # Only here: it takes a second to load, and who draws nothing need not have it.
    from model_rollout.backtest.chart import as_png, as_svg

    path = Path(file)
    try:
        if path.suffix == ".png":
            path.write_bytes(as_png(result))
        else:
            path.write_text(_page(result, as_svg(result)), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--plot {file} cannot be written: {error.strerror}") from None


def _page(result: Result, svg: str) -> str:
    title = f"Backtest of ModelRollout {result.namespace}/{result.name}"
    text = as_table(result, _WIDTH)
    return _PAGE.format(title=html.escape(title), svg=svg, text=html.escape(text))
