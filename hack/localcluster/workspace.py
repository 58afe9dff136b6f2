"""A temporary folder that takes the processes started for it along when it goes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localcluster import janitor


class Workspace:
    """A folder, a mark for the processes that belong to it, and a janitor that survives us.

    A process that forks without `exec` (multiprocessing's "fork") keeps the janitor's pipe open:
    then the janitor waits for that one to end, too.
    """

    def __init__(self, purpose: str) -> None:
        if sys.platform != "linux":
            raise RuntimeError(
                "the local control plane needs Linux (its clean-up reads /proc); elsewhere use kind"
            )
        self.folder = Path(tempfile.mkdtemp(prefix=f"modelrollout-{purpose}-")).resolve()
        self.environment = os.environ | {janitor.MARK: str(self.folder)}
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", "-S", janitor.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the owner's terminal must not reach it
            cwd="/",
        )

    def spawn(
        self, command: Sequence[str | os.PathLike[str]], log: Path, *, cwd: Path | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a process that ends with this workspace, its output appended to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def close(self) -> None:
        """Kill what was started here and remove the folder; the janitor does, as for every end."""
        if self._janitor.stdin is not None and not self._janitor.stdin.closed:
            self._janitor.stdin.close()
        if self._janitor.wait() != 0 or self.folder.exists():  # somebody killed the janitor
            janitor.sweep(self.folder)


def tail(path: Path, lines: int = 15) -> str:
    """The end of a log, for error messages."""
    if not path.exists():
        return f"{path.name}: no such file"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
