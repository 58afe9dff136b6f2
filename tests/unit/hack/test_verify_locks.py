"""The check of the locks finds what must not be in them."""

import pytest
from packaging.requirements import Requirement

from verify_locks import differences, lock_problems, pins

HASH = "--hash=sha256:" + "0" * 64
GOOD = f"kopf==1.45.2 \\\n    {HASH} \\\n    {HASH}\n    # via app (pyproject.toml)\n"
NEEDED = [Requirement("kopf>=1.45,<2")]


def test_good_lock() -> None:
    assert lock_problems("x.lock", GOOD, NEEDED) == []
    assert pins(GOOD) == {"kopf": "1.45.2"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kopf==1.45.2\n", "no hash: kopf==1.45.2"),
        (GOOD + f"pyyaml>=6 {HASH}\n", "not pinned: pyyaml>=6"),
        (GOOD.replace("1.45.2", "1.40.0"), "kopf<2,>=1.45 is not met"),
        ("", "kopf<2,>=1.45 is not met"),
        ("--index-url https://registry.example/simple\n" + GOOD, "names a registry"),
        ("--find-links /wheels\n" + GOOD, "names a registry"),
        (GOOD + f"yarl @ https://files.example/yarl.whl {HASH}\n", "names a registry"),
        (GOOD + "-r other.txt\n", "names a registry or a path"),
    ],
)
def test_problem_is_found(text: str, problem: str) -> None:
    assert any(problem in found for found in lock_problems("x.lock", text, NEEDED))


def test_tests_run_with_the_versions_that_users_get() -> None:
    assert differences({"kopf": "1.45.2"}, {"kopf": "1.45.2", "pytest": "9"}) == []
    assert differences({"kopf": "1.45.2"}, {"kopf": "1.45.1"}) == [
        "requirements.lock pins kopf 1.45.2, requirements-dev.lock 1.45.1"
    ]
