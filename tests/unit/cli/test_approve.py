"""What can be approved, what an approval leads to, and how that ends."""

from typing import Any

import pytest

from model_rollout.cli.approve import Followed, impossible, plan
from model_rollout.cli.ending import End
from model_rollout.cli.main import main
from model_rollout.cli.view import Rollout
from unit.cli.made_up import PLACE, rollout

ID, NEXT = "0123456789abcdef", "fedcba9876543210"
ANNOTATION = {"annotations": {"modelrollout.dev/approve": ID}}
HELD = {
    "action": "Hold",
    "reason": "AwaitingApproval",
    "message": "rollback.mode is Manual",
    "from": 2,
    "to": 1,
    "transaction": ID,
}


def state(
    *,
    annotated: bool = False,
    switch: str = "None",
    reason: str = "AwaitingApproval",
    **status: Any,
) -> Rollout:
    """Revision 2 is bad, and its rollback waits."""
    known = {"observedGeneration": 1, "current": {"revision": 2}, "reason": reason}
    known |= {"message": "rollback.mode is Manual", "lastDecision": HELD}
    found = rollout(status=known | status, metadata=ANNOTATION if annotated else {})
    return Rollout(found | {"spec": {"killSwitch": switch, "rollback": {}}})


def test_what_waits_can_be_approved_by_its_id_or_without() -> None:
    assert impossible(state(), None, PLACE) == ""
    assert impossible(state(), ID, PLACE) == ""
    assert impossible(state(annotated=True), ID, PLACE) == "", "it was asked for already"


@pytest.mark.parametrize(
    ("found", "wanted", "sentence"),
    [
        (state(), NEXT, f"{NEXT} does not wait, {ID} does: modelrollout approve sentiment {ID}"),
        (state(reason="Watching"), None, "nothing waits for approval: rollback.mode is Manual (Wa"),
        (state(lastDecision=None), None, "nothing waits for approval"),
        (
            state(reason="DryRun", lastDecision=HELD | {"reason": "DryRun"}),
            None,
            "set it to Manual",
        ),
        (state(transaction={"id": ID, "to": 1}), ID, "to revision 1 is under way already"),
        (
            state(switch="Pause"),
            None,
            "is Pause, which no approval overrides; first: modelrollout r",
        ),
        (state(switch="Rollback"), None, "is Rollback, which is in charge now"),
        (state(reason="TargetTaken", message="another guards it"), None, "another guards it"),
        (state(current=None), None, "nothing is recorded of sentiment yet"),
        (
            state(annotated=True, lastDecision=HELD | {"transaction": NEXT}),
            None,
            "has not answered another approval yet",
        ),
    ],
)
def test_impossible_with_a_sentence(found: Rollout, wanted: str | None, sentence: str) -> None:
    assert sentence in impossible(found, wanted, PLACE)


@pytest.mark.parametrize("reason", ["Cooldown", "BudgetExhausted", "OutsideWindow", "FleetFrozen"])
def test_what_another_brake_holds_can_be_approved(reason: str) -> None:
    assert (
        impossible(state(reason=reason, lastDecision=HELD | {"reason": reason}), None, PLACE) == ""
    )


def test_plan_says_from_where_to_where_and_why() -> None:
    moves, why = plan(state(), [{"spec": {"number": 1, "summary": "v1"}}])
    assert moves == (
        f"sentiment: Deployment  goes from revision 2 to revision 1 (v1) (transaction {ID})"
    )
    assert why == "Why it waits: rollback.mode is Manual"


def last(id_: str, outcome: str = "Succeeded") -> dict[str, str]:
    return {"id": id_, "outcome": outcome, "message": "It helped"}


@pytest.mark.parametrize(
    ("states", "end"),
    [
        ([state(annotated=True)], None),
        ([state(transaction={"id": ID})], None),
        ([state(annotated=True, transaction={"id": ID})], None),
        ([state(transaction={"id": ID}), state(lastTransaction=last(ID))], "Succeeded"),
        ([state(lastTransaction=last(ID, "StillBreached"))], "StillBreached"),
        ([state(transaction={"id": ID}), state(transaction={"id": NEXT})], None),
        (
            [
                state(transaction={"id": ID}),
                state(transaction={"id": NEXT}),
                state(lastTransaction=last(NEXT)),
            ],
            "Succeeded",
        ),
        ([state(annotated=True, lastTransaction=last(NEXT))], None),
        ([state(annotated=True), state(reason="ApprovalRefused")], "ApprovalRefused"),
    ],
    ids=[
        "not read yet",
        "begun",
        "not removed yet",
        "ended",
        "ended unseen",
        "chain goes on",
        "chain ended",
        "another ended before",
        "refused",
    ],
)
def test_end_of_what_was_approved(states: list[Rollout], end: str | None) -> None:
    followed = Followed(ID)
    found: End | None = None
    for each in states:
        assert found is None
        found = followed.end_of(each)
    assert (found.outcome if found else None) == end


def test_id_that_is_none_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["approve", "sentiment", "2!"])
    assert "write for example 0123456789abcdef" in capsys.readouterr().err
