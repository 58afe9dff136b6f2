"""When a rollback has ended, and the question before it."""

import io
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from localcluster.waiting import wait_until
from model_rollout.cli import ending
from model_rollout.cli.ending import End
from model_rollout.cli.output import CommandError
from model_rollout.cli.rollback import end_of, impossible, plan
from model_rollout.cli.view import Rollout
from unit.cli.made_up import PLACE, rollout


def state(switch: str = "Rollback", **status: Any) -> Rollout:
    seen = {"observedGeneration": 1, "killSwitch": {"value": "Rollback", "transaction": "t1"}}
    return Rollout(rollout(status=seen | status) | {"spec": {"killSwitch": switch}})


LAST = {"id": "t1", "outcome": "Succeeded", "message": "It helped"}


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (state(lastTransaction=LAST), End("Succeeded", "It helped")),
        (state(lastTransaction=LAST, observedGeneration=0), None),
        (state(lastTransaction=LAST | {"id": "t0"}), None),
        (state(lastTransaction=LAST, transaction={"id": "t2"}), None),
        (state(transaction={"id": "t1"}), None),
        (state(lastTransaction=LAST, killSwitch={"value": "None"}), None),
        (state(killSwitch={"value": "Rollback"}, reason="SwitchFlipped"), None),
        (
            state(killSwitch={"value": "Rollback"}, reason="NoTarget", message="nowhere"),
            End("NoTarget", "nowhere"),
        ),
        (state("None"), End("Flipped", "somebody flipped the kill switch to None")),
    ],
)
def test_end_of_the_rollback_of_a_flip(found: Rollout, end: End | None) -> None:
    assert end_of(found) == end


def test_plan_without_what_is_not_known() -> None:
    assert plan(state(current={"revision": 2}), [], 1) == (
        "sentiment: Deployment  goes from revision 2 to revision 1; revision 2 is quarantined"
    )


@pytest.mark.parametrize(
    ("status", "to", "said"),
    [
        ({}, None, "its rollback has ended; for another one write first: modelrollout resume"),
        ({"transaction": {"to": 1}}, 3, "its rollback goes to revision 1; for another one write"),
        ({"transaction": {"to": 1}}, 1, ""),
        ({"transaction": {"to": 1}}, None, ""),
        ({"reason": "TargetTaken", "message": "other guards it"}, None, "other guards it"),
        ({"current": None}, None, "nothing is recorded of sentiment yet"),
    ],
)
def test_one_rollback_for_a_flip(status: dict[str, Any], to: int | None, said: str) -> None:
    found = state(**{"current": {"revision": 2}} | status)
    component = {"name": "weights", "value": "v"}
    revisions = [{"spec": {"number": n, "components": [component]}} for n in (1, 2, 3)]
    sentence = impossible(found, revisions, to, 0.0, PLACE)
    assert said in sentence
    assert bool(sentence) is bool(said)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "confirmed"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False), ("x\n", False)],
)
def test_the_question(monkeypatch: pytest.MonkeyPatch, answer: str, confirmed: bool) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    before = signal.getsignal(signal.SIGINT)
    assert ending.confirmed() is confirmed
    assert signal.getsignal(signal.SIGINT) is before


def test_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="write --yes") as raised:
        ending.confirmed()
    assert raised.value.status == 2


def sleeps(pid: int) -> bool:
    """Whether a process waits in the kernel."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_at_the_question_ends_it_at_once() -> None:
    """asyncio's own handler would wait until the line is entered."""
    code = (
        "import asyncio, sys, argparse\n"
        "from model_rollout.cli import connect, ending\n"
        "async def ask(): return ending.confirmed()\n"
        "chosen = argparse.Namespace(command='rollback')\n"
        "sys.exit(connect.ended(chosen, lambda: asyncio.run(ask())))\n"
    )
    ours, theirs = pty.openpty()
    folder = Path(ending.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"PYTHONPATH": str(folder)},
    ) as process:  # fmt: skip
        os.close(theirs)
        assert os.read(ours, 100) == b"Go on? [y/N] "
        # A signal between the question and the read would be lost on the read.
        wait_until(lambda: sleeps(process.pid), 20, "it waits for the answer")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    os.close(ours)
