"""What commands read and follow, with errors as sentences."""

import contextlib
from typing import Any

import pytest

from model_rollout.cli import cluster as module
from model_rollout.cli.cluster import Changed, Cluster
from model_rollout.cli.kubeconfig import Place
from model_rollout.cli.output import CommandError
from model_rollout.ports.kubernetes import (
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    TestFailed,
    Unauthorized,
    Unavailable,
)
from unit.cli.made_up import PLACE, MadeUpConnection, event, page, rollout

LIST = "/apis/modelrollout.dev/v1alpha1/namespaces/ml/modelrollouts"
GONE = Unavailable("WATCH /x: 410 Expired")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_WATCH", 0.0)


def over(*script: Any, place: Place = PLACE) -> tuple[Cluster, MadeUpConnection]:
    connection = MadeUpConnection(list(script))
    return Cluster(connection, place), connection  # type: ignore[arg-type]


async def followed(cluster: Cluster, name: str | None = None) -> list[tuple[str, str, bool]]:
    """Follow until the script ends, which is an error that no attempt helps against."""
    seen = []
    with contextlib.suppress(CommandError):
        async for change in cluster.changes(name):
            metadata = change.body["metadata"]
            seen.append((metadata["name"], metadata["resourceVersion"], change.gone))
    return seen


async def test_lists_are_read_to_their_end_and_sorted() -> None:
    cluster, connection = over(page(rollout("b"), token="t"), page(rollout("a")))
    found = await cluster.rollouts()
    assert [body["metadata"]["name"] for body in found] == ["a", "b"]
    assert [query["continue"] for _, _, query in connection.asked] == ["", "t"]
    assert found[0]["kind"] == "ModelRollout"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            Forbidden("x"),
            (
                "you may not list modelrollouts in namespace ml: ask for a Role with the verb list on "
                "modelrollouts of the API group modelrollout.dev; to check: kubectl auth can-i list "
                "modelrollouts.modelrollout.dev"
            ),
        ),
        (Unauthorized("x"), "does not accept your credentials: log in again, or write --context"),
        (
            Unavailable("GET x: 503"),
            "cannot be asked (GET x: 503): try again, or correct --context",
        ),
        (NotFound("x"), "install the CustomResourceDefinitions with: modelrollout crds | kubectl"),
        (Rejected("GET x: 400"), "the API server refuses this: GET x: 400"),
    ],
)
async def test_errors_say_what_to_do(error: Exception, said: str) -> None:
    cluster, _ = over(error)
    with pytest.raises(CommandError) as raised:
        await cluster.rollouts()
    assert said in str(raised.value)
    assert raised.value.status == 1


async def test_everywhere_needs_a_cluster_role() -> None:
    cluster, connection = over(Forbidden("x"), place=Place(None, None, "ml", True, ()))
    with pytest.raises(CommandError, match=r"in all namespaces: ask for a ClusterRole .* -A$"):
        await cluster.rollouts()
    assert connection.asked[0][1] == "/apis/modelrollout.dev/v1alpha1/modelrollouts"


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (page(rollout("a"), rollout("b")), "in namespace ml; there are a, b"),
        (page(rollout("a")), "in namespace ml; there is a"),
        (page(), "in namespace ml; there is none"),
        (Forbidden("x"), "there is no ModelRollout c in namespace ml"),
        (NotFound("x"), "this cluster does not know modelrollouts"),
    ],
)
async def test_a_name_that_is_not_there_is_told_with_those_that_are(
    listed: object, said: str
) -> None:
    cluster, _ = over(NotFound("x"), listed)
    with pytest.raises(CommandError) as raised:
        await cluster.rollout("c")
    assert str(raised.value).endswith(said) or said in str(raised.value)


@pytest.mark.parametrize("error", [TestFailed("x"), Conflict("x")])
async def test_a_patch_whose_tests_do_not_hold(error: Exception) -> None:
    cluster, _ = over(error)
    with pytest.raises(Changed):
        await cluster.patch(rollout(), [])


async def test_revisions_are_those_of_this_very_rollout_by_number() -> None:
    cluster, connection = over(page({"spec": {"number": 10}}, {"spec": {"number": 9}}))
    assert [r["spec"]["number"] for r in await cluster.revisions(rollout())] == [9, 10]
    assert connection.asked[0][2]["labelSelector"] == "modelrollout.dev/rollout-uid=uid-sentiment"


async def test_changes_begin_with_what_there_is() -> None:
    cluster, connection = over(
        page(rollout("a", 3), version=5),
        [event("MODIFIED", rollout("a", 7)), event("ADDED", rollout("b", 8))],
    )
    assert await followed(cluster) == [("a", "3", False), ("a", "7", False), ("b", "8", False)]
    assert connection.asked[1] == ("WATCH", LIST, {"resourceVersion": "5"})
    # The watch ended by itself: the next one goes on from there.
    assert connection.asked[2] == ("WATCH", LIST, {"resourceVersion": "8"})


async def test_bookmarks_move_the_place_and_are_not_shown() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "99"}})
    cluster, connection = over(page(rollout("a", 3), version=5), [bookmark])
    assert await followed(cluster) == [("a", "3", False)]
    assert connection.asked[2][2]["resourceVersion"] == "99"


async def test_a_place_that_is_forgotten_is_found_by_a_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster, _ = over(
        page(rollout("a", 3), rollout("b", 4), rollout("c", 5), version=5),
        [GONE],
        page(rollout("a", 3), rollout("b", 9), version=12),
        [event("DELETED", rollout("b", 13))],
    )
    assert (await followed(cluster))[3:] == [("c", "5", True), ("b", "9", False), ("b", "13", True)]
    assert capsys.readouterr().err == ""


async def test_a_connection_that_is_lost_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_WAITS", (0.0, 0.0))
    lost = Unavailable("WATCH /x: no answer: ClientError")
    cluster, _ = over(
        page(rollout("a", 3)),
        [lost],
        lost,
        page(rollout("a", 4)),
        [event("MODIFIED", rollout("a", 5))],
    )
    assert [version for _, version, _ in await followed(cluster)] == ["3", "4", "5"]
    assert capsys.readouterr().err.count("trying again in 0 s") == 2


async def test_a_connection_that_stays_lost_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITS", (0.0,))
    lost = Unavailable("WATCH /x: no answer: ClientError")
    cluster, connection = over(page(rollout("a", 3)), [lost], lost, page(rollout("a", 4)))
    assert len(await followed(cluster)) == 1
    assert len(connection.script) == 1


async def test_a_name_is_followed_alone() -> None:
    cluster, connection = over(page(rollout("a", 3)), [event("MODIFIED", rollout("a", 4))])
    follow = cluster.follow("a")
    seen = [await anext(follow), await anext(follow)]
    assert [body["metadata"]["resourceVersion"] for body in seen] == ["3", "4"]
    assert connection.asked[0][2]["fieldSelector"] == "metadata.name=a"
    assert connection.asked[1][2]["fieldSelector"] == "metadata.name=a"


async def test_following_ends_when_it_is_deleted() -> None:
    cluster, _ = over(page(rollout("a", 3)), [event("DELETED", rollout("a", 4))])
    with pytest.raises(CommandError, match="ModelRollout a was deleted: nothing guards it now"):
        async for _body in cluster.follow("a"):
            pass


async def test_following_what_is_not_there() -> None:
    cluster, _ = over(page(), page(rollout("b")))
    with pytest.raises(CommandError, match="no ModelRollout a in namespace ml; there is b"):
        async for _body in cluster.follow("a"):
            pass
