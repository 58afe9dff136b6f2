"""Finds the binaries of the control plane, or builds them. Standard library only."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from localcluster.toolbuild import build_group
from localcluster.toolpins import GROUPS, Group, Version, group_of, parse_version, version_fits


def cache_root() -> Path:
    """Where built tools are kept. Outside the work tree, so that several checkouts share them."""
    if configured := os.environ.get("MODELROLLOUT_TOOLS_DIR"):
        return Path(configured).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "modelrollout" / "tools"


def tool(binary: str) -> Path:
    """The path of one binary. Builds its group first if no version that fits is on the machine."""
    return locate([binary])[binary]


def all_binaries() -> list[str]:
    return [binary for group in GROUPS for binary in group.binaries]


def locate(binaries: list[str], *, say: Callable[[str], None] | None = None) -> dict[str, Path]:
    """The paths of `binaries`: from KUBEBUILDER_ASSETS, from PATH, or built into the cache.

    Build progress goes to stderr. `say` also hears why a binary found on the machine was not used.
    """
    found = {binary: _on_machine(binary, say or _silent) for binary in binaries}
    missing = [group_of(binary) for binary, path in found.items() if path is None]
    _build([group for group in GROUPS if group in missing])
    return {
        binary: path or cache_folder(group_of(binary)) / binary for binary, path in found.items()
    }


def cache_folder(group: Group) -> Path:
    return cache_root() / group.cache_key


def _build(groups: list[Group]) -> None:
    unbuilt = [group for group in groups if not cache_folder(group).is_dir()]
    for number, group in enumerate(unbuilt, start=1):
        build_group(group, cache_folder(group), position=f"{number}/{len(unbuilt)}")


def _on_machine(binary: str, say: Callable[[str], None]) -> Path | None:
    for candidate in _candidates(binary):
        version = installed_version(binary, candidate)
        if version is None:
            say(f"{candidate}: does not tell its version, not used")
        elif not version_fits(binary, version, parse_version(_pin(binary))):
            found = ".".join(map(str, version))
            say(f"{candidate}: version {found} does not fit the pinned {_pin(binary)}, not used")
        else:
            return candidate
    return None


def _candidates(binary: str) -> Iterator[Path]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")  # the convention of envtest
    if assets and (path := Path(assets) / binary).is_file():
        yield path
    if on_path := shutil.which(binary):
        yield Path(on_path)


def _pin(binary: str) -> str:
    return group_of(binary).version


def installed_version(binary: str, path: Path) -> Version | None:
    arguments = ["version", "--client"] if binary == "kubectl" else ["--version"]
    try:
        run = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=20, check=True
        )
        return parse_version(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a broken or foreign program of that name: as good as absent


def _silent(_: str) -> None:
    return None
