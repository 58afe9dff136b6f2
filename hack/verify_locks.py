"""Checks the two lock files without a network: complete, hashed, and silent about registries."""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = "requirements.lock"
DEVELOPMENT = "requirements-dev.lock"
_FORBIDDEN = re.compile(
    r"://|--(extra-)?index-url|--find-links|--trusted-host|^\s*-[ifer]\b|\s/\w+/"
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?=\s|$)")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")


def main() -> int:
    """Print what is wrong with the locks, one line each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, development = (ROOT / RUNTIME).read_text(), (ROOT / DEVELOPMENT).read_text()
    needed = [Requirement(text) for text in project["dependencies"]]
    extra = [Requirement(text) for text in project["optional-dependencies"]["dev"]]
    problems = [
        *lock_problems(RUNTIME, runtime, needed),
        *lock_problems(DEVELOPMENT, development, needed + extra),
        *differences(pins(runtime), pins(development)),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("run: make update-locks", file=sys.stderr)
    return 1 if problems else 0


def lock_problems(name: str, text: str, needed: list[Requirement]) -> list[str]:
    """Say what is wrong with one lock, given what it has to pin."""
    pinned = pins(text)
    return [
        *(
            f"{name}:{number}: names a registry or a path of a machine"
            for number, line in enumerate(text.splitlines(), start=1)
            if _FORBIDDEN.search(line.partition("#")[0])
        ),
        *(
            f"{name}: no hash: {entry.split()[0]}"
            for entry in entries(text)
            if not _HASH.search(entry)
        ),
        *(f"{name}: not pinned: {entry}" for entry in entries(text) if not _PIN.match(entry)),
        *(
            f"{name}: {requirement} is not met"
            for requirement in needed
            if not met(requirement, pinned)
        ),
    ]


def entries(text: str) -> list[str]:
    """Return the requirements of a lock, each with its hashes on one line."""
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def pins(text: str) -> dict[str, str]:
    """Return the pinned version of each package of a lock."""
    found = (_PIN.match(entry) for entry in entries(text))
    return {canonicalize_name(match[1]): match[2] for match in found if match}


def met(requirement: Requirement, pinned: dict[str, str]) -> bool:
    """Tell whether a lock pins a version that the requirement allows."""
    version = pinned.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def differences(runtime: dict[str, str], development: dict[str, str]) -> list[str]:
    """Say where the tests would run with other versions than users do."""
    return [
        f"{RUNTIME} pins {name} {version}, {DEVELOPMENT} {development.get(name, 'does not')}"
        for name, version in runtime.items()
        if development.get(name) != version
    ]


if __name__ == "__main__":
    sys.exit(main())
