"""kubectl for what people do, and `kubectl proxy` for reading often.

The proxy knows every way of logging in that kubectl does. It listens on a socket in a private
folder, not on a port: whoever can reach it has the rights of the kubeconfig.
"""

import http.client
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcluster.processes import die_with_parent
from localcluster.waiting import wait_until

Json = dict[str, Any]

_TIMEOUT = 30.0


class KubectlFailed(RuntimeError):
    """kubectl ended with an error; the message holds what it said."""


class ReadFailed(RuntimeError):
    """The API server answered a read with an error."""


class Kube:
    """One cluster, with the rights of one kubeconfig."""

    def __init__(self, kubectl: Path, kubeconfig: Path, folder: Path) -> None:
        self._command = [str(kubectl), "--kubeconfig", str(kubeconfig)]
        self._command += ["--cache-dir", str(folder / "kubectl-cache")]
        self._socket = folder / "api.sock"
        self._proxy: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the proxy; reads work once this returns."""
        self._proxy = subprocess.Popen(
            [*self._command, "proxy", f"--unix-socket={self._socket}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the demo, which still reads while it cleans up
            preexec_fn=die_with_parent,
        )
        wait_until(lambda: self.get("/version"), _TIMEOUT, "kubectl proxy answers")

    def stop(self) -> None:
        if self._proxy is not None:
            self._proxy.kill()
            self._proxy.wait()
            self._proxy = None

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl and return what it printed."""
        run = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if run.returncode != 0:
            said = run.stderr.strip() or run.stdout.strip()
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {said}")
        return run.stdout

    def get(self, path: str) -> Json:
        """Read from the API server."""
        with self._request(path, _TIMEOUT) as answer:
            body: Json = json.loads(answer.read())
            return body

    def watch(self, path: str, timeout: float) -> Iterator[Json]:
        """The objects below `path` as they are now and as they change, for `timeout` seconds."""
        seconds = max(1, round(timeout))
        with self._request(f"{path}?watch=true&timeoutSeconds={seconds}", timeout + 5) as answer:
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]

    def _request(self, path: str, timeout: float) -> http.client.HTTPResponse:
        connection = _SocketConnection(self._socket, timeout)
        # One request per connection: the socket then ends with the answer.
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        if answer.status != 200:
            with answer:
                raise ReadFailed(f"{path}: {answer.status} {answer.read(300)!r}")
        return answer


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
