"""Cleans up after an owner that may have had no time to: the process to start is this file itself.

It waits at the end of a pipe whose other end only the owner holds. However the owner ends, `kill
-9` included, the pipe closes; then everything that carries the folder's mark is killed and the
folder removed. Standard library only, and no import of this package: it starts as `python -I -S
janitor.py FOLDER`, in 20 ms and 8 MiB.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# In the environment of everything that is started for a folder, and so of everything that those
# start in turn.
MARK = "LOCALCLUSTER_FOLDER"
_GIVE_UP_AFTER = 30.0


def marked_processes(folder: Path) -> list[int]:
    """The processes that were started for `folder`, but for the one that asks."""
    mark = f"{MARK}={folder}".encode()
    return [pid for pid in _process_ids() if pid != os.getpid() and mark in _environment(pid)]


def _process_ids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return []


def sweep(folder: Path) -> None:
    """Kill what belongs to `folder`, then remove it."""
    deadline = time.monotonic() + _GIVE_UP_AFTER
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        # Twice: a process that the owner had just forked gets its mark only when it executes its
        # program.
        members = marked_processes(folder)
        for pid in members:
            _kill(pid)
        quiet = 0 if members else quiet + 1
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # only the owner's end counts
    while os.read(0, 4096):
        pass
    sweep(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
