"""When a rollback has ended, and the question before it."""

import io
import signal
from typing import Any

import pytest

from model_rollout.cli import rollback
from model_rollout.cli.output import CommandError
from model_rollout.cli.rollback import End, end_of, plan
from model_rollout.cli.view import Rollout
from unit.cli.made_up import rollout


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
    assert rollback._confirmed() is confirmed
    assert signal.getsignal(signal.SIGINT) is before


def test_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="write --yes") as raised:
        rollback._confirmed()
    assert raised.value.status == 2
