"""The pure layers take the time as an argument and throw no dice: same input, same decision.

import-linter sees imports only; this sees calls such as `datetime.now()`, too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "operator" / "model_rollout"
LAYERS = ("analysis", "api", "decision", "records", "revisions")
MODULES = {"time", "random", "uuid", "secrets", "asyncio", "logging"}
CALLS = {"now", "utcnow", "today", "urandom", "getrandom", "print", "open", "input"}

FILES = [path for layer in LAYERS for path in sorted((PACKAGE / layer).rglob("*.py"))]


def impure(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"import {name.name}" for name in names if _root(name.name) in MODULES)
            case ast.ImportFrom(module=str(module)) if _root(module) in MODULES:
                yield f"from {module} import"
            case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called)) if called in CALLS:
                yield f"{called}() in line {node.lineno}"


def _root(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_is_pure(path: Path) -> None:
    assert list(impure(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os.path, random",
        "from uuid import uuid4",
        "from datetime import datetime\ndatetime.now(UTC)",
        "x = datetime.datetime.utcnow()",
        "import os\nos.urandom(8)",
        "print('hello')",
    ],
)
def test_check_finds(source: str) -> None:
    assert list(impure(ast.parse(source)))


def test_formatting_a_time_is_pure() -> None:
    source = "from datetime import UTC, datetime\ndatetime.fromtimestamp(moment, UTC).isoformat()"
    assert not list(impure(ast.parse(source)))
