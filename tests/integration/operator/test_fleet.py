"""An outage of measurement makes all models look bad at once: few are rolled back, then none."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from localcluster.waiting import wait_until
from support.operator import Operator
from support.scenario import BAD, GOOD, NAME, Scenario, Site, scenario

SECOND = "second"
NAMES = (NAME, SECOND)
FLAGS = ("--fleet-window", "15s")


@pytest.fixture
def teams(site: Site) -> Iterator[list[Scenario]]:
    """Three namespaces."""
    with ExitStack() as stack:
        yield [stack.enter_context(scenario(site, "team")) for _ in range(3)]


def start(teams: list[Scenario]) -> Operator:
    """One operator for all of them."""
    beside = tuple(team.namespace for team in teams[1:])
    return teams[0].start_operator(beside=beside, flags=FLAGS)


def two_good_revisions(teams: list[Scenario]) -> Operator:
    """Six models in three namespaces, each with somewhere to go back to."""
    for team in teams:
        for name in NAMES:
            team.deploy("v1", name=name)
            team.guard(name, target=name)
    operator = start(teams)
    for version, number in (("v1", 1), ("v3", 2)):
        for team in teams:
            for name in NAMES:
                team.deploy(version, name=name)
        wait_until(
            lambda number=number: all(
                (team.status(name).get("stable") or {}).get("revision") == number
                for team in teams
                for name in NAMES
            ),
            60,
            f"revision {number} of all models is Stable",
        )
    return operator


def everywhere(teams: list[Scenario], value: float) -> None:
    """What Prometheus says of all versions."""
    for team in teams:
        team.quality = {"v1": value, "v3": value}
        team.publish("v3")


def models(teams: list[Scenario], reason: str) -> list[tuple[Scenario, str]]:
    return [(t, n) for t in teams for n in NAMES if t.status(n).get("reason") == reason]


def test_outage_of_measurement_freezes_the_fleet_until_it_is_over(teams: list[Scenario]) -> None:
    operator, first = two_good_revisions(teams), teams[0]
    everywhere(teams, BAD)
    frozen = wait_until(
        lambda: models(teams, "FleetFrozen"), 30, "two are held", until=lambda f: len(f) == 2
    )
    latched = wait_until(
        lambda: models(teams, "RollbackDidNotHelp"),
        30,
        "four did not help",
        until=lambda f: len(f) == 4,
    )
    assert len(first.patches()) == 4
    assert operator.metric("modelrollout_fleet_frozen") == 1.0
    assert operator.metric("modelrollout_fleet_rollbacks") == 6.0
    team, name = frozen[0]
    assert team.condition("FleetFrozen", name)["status"] == "True"
    assert "of 6 models in 3 namespaces" in team.condition("FleetFrozen", name)["message"]
    assert "of 6 models in 3 namespaces" in team.wait_for_event("FleetFrozen")
    assert latched[0][0].condition("FleetFrozen", latched[0][1])["status"] == "False"

    operator.kill()
    operator = start(teams)
    operator.wait_until_leading()
    operator.wait_for_checks(24)
    assert len(models(teams, "FleetFrozen")) == 2, "what it knew is in the statuses"
    assert len(first.patches()) == 4

    everywhere(teams, GOOD)
    wait_until(lambda: models(teams, "Watching"), 30, "all recover", until=lambda f: len(f) == 6)
    wait_until(
        lambda: operator.metric("modelrollout_fleet_frozen"),
        40,
        "it thaws",
        until=lambda v: v == 0.0,
    )
    assert len(first.patches()) == 4
    team.site.source.publish(team.namespace, BAD)
    wait_until(lambda: team.version(name) == "v1", 30, "a model that breaks alone is rolled back")
