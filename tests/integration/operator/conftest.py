"""Runs the scenarios of one file side by side: each has a namespace of its own and mostly waits.

A test of this folder that takes `case` is started together with its neighbours, in a thread, when
the first of them is due; its own turn is then to wait for its result. Nothing changes for the test
itself, and `-k`, `-x` and node ids work as always. All files of a folder below this one are
neighbours.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.scenario import Scenario, Site, scenario

AT_ONCE = 6

_HERE = Path(__file__).parent


class SideBySide:
    """The results of the tests that were started, by node id."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scenario")
        self._results: dict[str, Future[None]] = {}

    def result(self, item: pytest.Function) -> None:
        """Wait for one test; start it and its neighbours first if need be."""
        if item.nodeid not in self._results:
            for neighbour in item.session.items:
                if _group(neighbour) == _group(item) and _takes_a_case(neighbour):
                    self._results[neighbour.nodeid] = self._pool.submit(self._run, neighbour)
        self._results[item.nodeid].result()

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _run(self, item: pytest.Function) -> None:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        with scenario(self._site) as case:
            item.obj(case=case, **parameters)


def _group(item: pytest.Item) -> Path:
    """What runs together: a file of this folder, or a folder below."""
    return item.path if item.path.parent == _HERE else item.path.parent


def _takes_a_case(item: Any) -> bool:
    """Tell whether it takes nothing else; what needs other fixtures runs in its turn, as usual."""
    if not isinstance(item, pytest.Function):
        return False
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return set(item._fixtureinfo.argnames) - set(parameters) == {"case"}


@pytest.fixture(scope="session")
def side_by_side(site: Site) -> Iterator[SideBySide]:
    running = SideBySide(site)
    yield running
    running.end()  # before the control plane goes


@pytest.fixture
def case(
    request: pytest.FixtureRequest, site: Site, side_by_side: SideBySide
) -> Iterator[SideBySide | Scenario]:
    """A scenario, or what stands for one that is made in the thread where the test runs."""
    if _takes_a_case(request.node):
        yield side_by_side
    else:
        with scenario(site) as made:
            yield made


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    found = pyfuncitem.funcargs.get("case")
    if not isinstance(found, SideBySide):
        return None
    found.result(pyfuncitem)
    return True
