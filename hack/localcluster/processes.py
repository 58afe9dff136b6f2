"""Small helpers for child processes and ports. Standard library only."""

import ctypes
import random
import signal
import socket
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """As `preexec_fn`: the kernel kills the child when the thread that started it ends.

    The thread, not the process: only for children started by a main thread.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses.

    Below the range that outgoing connections draw from, so that a server which is stopped finds
    its port free again, and apart from the ports just under 32768 that kwokctl takes. Random,
    because two that search at once must not agree.
    """
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as listener:
            # Servers set this too; without it a port counts as taken for a minute after its
            # server ended.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
