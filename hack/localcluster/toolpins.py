"""Which tools there are, which version each is pinned to, and which other versions do as well.

Standard library only: a newcomer's first command runs before anything is installed.
The pins are the go.mod files under `hack/tools`; nothing here repeats a version.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]

TOOLS_FOLDER = Path(__file__).resolve().parent.parent / "tools"

# Go names a binary after the last element of its package path that is not a major version.
_MAJOR_VERSION = re.compile(r"v\d+")
# etcd's main package is called "server".
_RENAMED = {"server": "etcd"}


@dataclass(frozen=True)
class Group:
    """Tools that come from one Go module and are built together."""

    name: str
    cold_build: str  # how long it took from empty caches, so that a newcomer knows what to expect

    @property
    def folder(self) -> Path:
        return TOOLS_FOLDER / self.name

    @property
    def go_mod(self) -> str:
        return (self.folder / "go.mod").read_text()

    @property
    def binaries(self) -> list[str]:
        return [binary_name(package) for package in tool_packages(self.go_mod)]

    @property
    def version(self) -> str:
        return pinned_version(self.go_mod, tool_packages(self.go_mod)[0])

    @property
    def cache_key(self) -> str:
        content = (self.folder / "go.mod").read_bytes() + (self.folder / "go.sum").read_bytes()
        return f"{self.name}-{hashlib.sha256(content).hexdigest()[:12]}"

    @property
    def linker_flags(self) -> str:
        """With the versions that these projects set when they link a release."""
        flags = ["-s", "-w"]
        if (
            self.name == "kubernetes"
        ):  # kwokctl and Helm refuse a server that calls itself v0.0.0-master
            flags += ["-X", f"k8s.io/component-base/version.gitVersion={self.version}"]
        if self.name == "prometheus":
            flags += [
                "-X",
                f"github.com/prometheus/common/version.Version={prometheus_release(self.version)}",
            ]
        return " ".join(flags)


GROUPS = (
    Group("etcd", "30 s"),
    Group("kubernetes", "4 m 40 s"),
    Group("kwok", "1 m 10 s"),
    Group("prometheus", "2 m 50 s"),
)


def group_of(binary: str) -> Group:
    for group in GROUPS:
        if binary in group.binaries:
            return group
    raise KeyError(f"no go.mod under {TOOLS_FOLDER} has the tool {binary!r}")


def tool_packages(go_mod: str) -> list[str]:
    """The package paths of a go.mod's `tool` directives, in their order."""
    blocks = re.findall(r"^tool \(\n(.*?)^\)", go_mod, re.MULTILINE | re.DOTALL)
    single = re.findall(r"^tool ([^\s(]+)", go_mod, re.MULTILINE)
    return single + [
        line.strip() for block in blocks for line in block.splitlines() if line.strip()
    ]


def binary_name(package: str) -> str:
    name = next(part for part in reversed(package.split("/")) if not _MAJOR_VERSION.fullmatch(part))
    return _RENAMED.get(name, name)


def pinned_version(go_mod: str, package: str) -> str:
    """The version that go.mod requires of the module which `package` is in."""
    required = re.findall(r"^(?:require )?\s*(\S+) (v\S+)", go_mod, re.MULTILINE)
    holders = [
        (module, version) for module, version in required if f"{package}/".startswith(f"{module}/")
    ]
    if not holders:
        raise ValueError(f"go.mod requires no module for the tool {package}")
    longest: tuple[str, str] = max(holders, key=lambda holder: len(holder[0]))
    return longest[1]


def prometheus_release(module_version: str) -> str:
    """Prometheus 3.5.2 is the Go module v0.305.2: its minor version counts both, in hundreds."""
    _, minor, patch = parse_version(module_version)
    return f"{minor // 100}.{minor % 100}.{patch}"


def parse_version(text: str) -> Version:
    """The first version in the output of `--version`, or of a go.mod line."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        raise ValueError(f"no version in {text[:200]!r}")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def version_fits(binary: str, version: Version, pin: Version) -> bool:
    """Whether a binary that is already on the machine may stand in for the pinned one."""
    if binary == "kubectl":  # Kubernetes supports a kubectl one minor version away from its server
        return version[0] == pin[0] and abs(version[1] - pin[1]) <= 1
    if binary.startswith("kube-"):  # behaviour under test must not depend on the machine
        return version[:2] == pin[:2]
    return version >= {"etcd": (3, 5, 0), "prometheus": (3, 0, 0), "promtool": (3, 0, 0)}.get(
        binary, (0, 7, 0)
    )
