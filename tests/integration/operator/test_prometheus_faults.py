"""What a Prometheus that gives no value, or nonsense, does to the models that are measured by it.

All models are guarded by one operator, and all of what happens to them happens at the same time: a
fault that is only known by a deadline would otherwise be waited for alone.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from support.fault_proxy import Write
from support.metrics_source import quality
from support.prometheus_proxy import BOMB_SIZE, CANARY, Fault, Json, PrometheusProxy
from support.scenario import BAD, GOOD, Scenario, Site, scenario, version_of

DEADLINE = 10.0
"""Of one query, in the operator."""

# -- the models ----------------------------------------------------------------------------------


@dataclass
class Model:
    """One of several guarded models, with a gauge and a Prometheus of its own."""

    case: Scenario
    name: str
    prometheus: PrometheusProxy
    quality: dict[str, float | None] = field(default_factory=dict)
    """What the gauge shows while a version is deployed; `GOOD` where nothing is said."""

    @property
    def query(self) -> str:
        return quality(self.case.namespace).replace("}", f',model="{self.name}"}}')

    def show(self, value: float | None, **labels: str) -> None:
        """Set the gauge; None takes it away. With labels it is one more series."""
        self.case.site.source.publish(self.case.namespace, value, model=self.name, **labels)

    def deploy(self, version: str, **changes: Any) -> None:
        self.case.deploy(version, name=self.name, **changes)
        self.show_version(version)

    def show_version(self, version: str) -> None:
        self.show(self.quality.get(version, GOOD))

    def guard(self, **spec: Any) -> None:
        """Create its ModelRollout; `metric` changes fields of its one metric."""
        metric = {"query": self.query, **spec.pop("metric", {})}
        url = {"url": self.prometheus.url}
        self.case.guard(self.name, target=self.name, prometheus=url, metric=metric, **spec)

    def stable(self, version: str = "v1", **spec: Any) -> None:
        """Deploy and guard it, and wait until the version is Stable."""
        self.deploy(version)
        self.guard(**spec)
        self.wait_for_reason("Watching")

    def edit(self, **spec: Any) -> None:
        """Merge fields into the spec of its ModelRollout."""
        self.case.edit({"spec": spec}, kind="ModelRollout", name=self.name)

    def status(self) -> Json:
        return self.case.status(self.name)

    def version(self) -> str:
        return self.case.version(self.name)

    def phase(self, revision: int) -> str:
        """The phase of one of its ModelRevisions."""
        items = self.case.site.kube.items("ModelRevision", self.case.namespace)
        mine = [item for item in items if item["spec"]["rolloutRef"]["name"] == self.name]
        [phase] = [i["status"]["phase"] for i in mine if i["spec"]["number"] == revision]
        return str(phase)

    def events(self) -> list[tuple[str, str]]:
        """Reason and note of each of its Events."""
        items = self.case.site.kube.items("Event", self.case.namespace)
        ours = [e for e in items if e["regarding"]["name"] == self.name]
        return [(event["reason"], event["note"]) for event in ours]

    def statuses(self) -> list[Json]:
        """Every status that the operator wrote, oldest first: what a poll may miss."""
        writes = self.case.proxy.writes("modelrollouts/status")
        ours = [write for write in writes if write.request.name == self.name]
        return [write.answer["status"] for write in ours]

    def patches(self) -> int:
        """How often the operator tried to write the Deployment, dry runs and refusals included."""
        writes = self.case.proxy.writes("deployments", committed=False)
        return sum(write.request.name == self.name for write in writes)

    def wait(self, wanted: Callable[[Json], object], describe: str, timeout: float = 40.0) -> Json:
        """Wait until `wanted` accepts the status; return that status."""
        return wait_until(
            self.status, timeout, f"{self.name}: {describe}", until=wanted, interval=0.2
        )

    def wait_for_reason(self, reason: str, timeout: float = 40.0) -> Json:
        return self.wait(lambda status: status.get("reason") == reason, reason, timeout)

    def wait_for_outcome(self, outcome: str, timeout: float = 40.0) -> Json:
        """Wait until a transaction ended like this; return `status.lastTransaction`."""
        status = self.wait(
            lambda status: (
                not status.get("transaction")
                and status.get("lastTransaction", {}).get("outcome") == outcome
            ),
            f"a transaction that ends {outcome}",
            timeout,
        )
        last: Json = status["lastTransaction"]
        return last

    def wait_for_measurements(self, count: int) -> None:
        """Wait for so many more: what was not done until then will not be done."""
        wanted = len(self.prometheus.questions("/query")) + count
        wait_until(
            lambda: len(self.prometheus.questions("/query")) >= wanted,
            count + 30.0,
            f"{self.name}: {count} more measurements",
            interval=0.2,
        )


class Models:
    """Several models in the namespace of one scenario; may be used by several threads."""

    def __init__(self, case: Scenario, prometheus: Prometheus) -> None:
        self.case = case
        self.prometheus = prometheus
        self._models: dict[str, Model] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.case.proxy.committed = self._follow
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, name: str, **quality: float | None) -> Model:
        """Make a model that is not deployed yet; `quality` says how good its versions are."""
        proxy = self._stack.enter_context(PrometheusProxy(self.prometheus.url))
        model = self._models[name] = Model(self.case, name, proxy, dict(quality))
        return model

    def __getitem__(self, name: str) -> Model:
        return self._models[name]

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def _follow(self, write: Write) -> None:
        """The restored version answers now, so its quality is what is measured."""
        model = self._models.get(write.request.name)
        if model is not None and write.request.resource == "deployments":
            model.show_version(version_of(write.answer))


# -- the troubles --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """One way in which Prometheus gives no value, and how the operator must say so."""

    label: str
    begin: Callable[[Model], object]
    end: Callable[[Model], object]
    state: str
    reason: str
    """Of the condition MetricsAvailable."""
    advice: str
    """What the sentence must tell people to do."""
    at_once: bool = False
    """It will not pass by itself, so nobody is made to wait for the news."""
    status_reason: str = "MetricsUnavailable"


def answer(fault: Fault, state: str, reason: str, advice: str, *, at_once: bool = False) -> Trouble:
    return Trouble(
        fault.value,
        lambda model: model.prometheus.inject(fault),
        lambda model: model.prometheus.clear(),
        state,
        reason,
        advice,
        at_once,
    )


def value(label: str, shown: float | None, advice: str) -> Trouble:
    return Trouble(
        label,
        lambda model: model.show(shown),
        lambda model: model.show(GOOD),
        "NoData",
        "NoData",
        advice,
    )


def query(label: str, promql: str, state: str, reason: str, advice: str) -> Trouble:
    return Trouble(
        label,
        lambda model: _measure_by(model, promql),
        lambda model: _measure_by(model, model.query),
        state,
        reason,
        advice,
        at_once=True,
    )


def url(label: str, address: str | None, state: str, reason: str, advice: str) -> Trouble:
    return Trouble(
        label,
        lambda model: model.edit(prometheus={"url": address}),
        lambda model: model.edit(prometheus={"url": model.prometheus.url}),
        state,
        reason,
        advice,
    )


def _measure_by(model: Model, promql: str) -> None:
    [metric] = model.case.rollout(model.name)["spec"]["metrics"]
    model.edit(metrics=[metric | {"query": promql}])


_URL = "correct spec.prometheus.url"
_LOG = "look into the log of Prometheus"
_CHEAPER = "write a cheaper query"
_AGGREGATE = "aggregate it, for example with sum()"
_DIVISION = "a division by zero"

TROUBLES = (
    answer(Fault.REFUSED, "Error", "ConnectionRefused", _URL),
    url("unknown host", "http://prometheus.invalid:9090", "Error", "NameNotFound", _URL),
    answer(Fault.UNKNOWN_ERROR, "Error", "ServerError", _LOG),
    answer(Fault.BAD_GATEWAY, "Error", "ServerError", _LOG),
    answer(Fault.UNAVAILABLE, "Error", "ServerError", _LOG),
    answer(Fault.ERROR_STATUS, "Error", "ServerError", _LOG),
    answer(Fault.FORBIDDEN, "Error", "CredentialsRefused", "name credentials in spec.prometheus"),
    answer(Fault.HANGS, "Error", "Timeout", _CHEAPER),
    answer(Fault.DRIPS, "Error", "Timeout", _CHEAPER),
    answer(Fault.TRUNCATED, "Error", "MalformedAnswer", _URL),
    answer(Fault.CUT_OFF, "Error", "MalformedAnswer", _URL),
    answer(Fault.HTML, "Error", "MalformedAnswer", _URL),
    answer(Fault.OVERSIZED, "Error", "AnswerTooLarge", _AGGREGATE),
    answer(Fault.BOMB, "Error", "AnswerTooLarge", _AGGREGATE),
    answer(Fault.REDIRECT, "Error", "Redirected", "redirects are not followed"),
    answer(Fault.STRING, "Ambiguous", "Ambiguous", _AGGREGATE, at_once=True),
    answer(Fault.HISTOGRAM, "Ambiguous", "Ambiguous", _AGGREGATE, at_once=True),
    Trouble(
        "several series",
        lambda model: model.show(GOOD, pod=CANARY),
        lambda model: model.show(None, pod=CANARY),
        "Ambiguous",
        "Ambiguous",
        _AGGREGATE,
        at_once=True,
    ),
    query("no PromQL", "sum(", "Error", "BadQuery", "try it there and correct it"),
    query("range of values", "up[1m]", "Ambiguous", "Ambiguous", _AGGREGATE),
    value("NaN", math.nan, _DIVISION),
    value("Inf", math.inf, _DIVISION),
    value("minus Inf", -math.inf, _DIVISION),
    value("empty", None, "selects a series"),
    replace(
        url("no URL", None, "Good", "PrometheusUnknown", "write spec.prometheus.url"),
        at_once=True,
        status_reason="PrometheusUnknown",
    ),
)


@dataclass(frozen=True)
class Course:
    """What was seen of one trouble."""

    model: Model
    during: Json
    """The status once the metrics were called unavailable."""
    written: list[Json]
    """All that the operator wrote, from the beginning of the trouble on."""


def course(models: Models, trouble: Trouble) -> Course:
    """Let one trouble come and go."""
    model = models.add("".join(c if c.isalnum() else "-" for c in trouble.label.lower()))
    model.stable(metric={"noDataAfter": "3s"})
    before = len(model.statuses())
    trouble.begin(model)
    during = model.wait(lambda status: _availability(status) == "False", "noticed", 60)
    trouble.end(model)
    model.wait(
        lambda status: status["reason"] == "Watching" and _availability(status) == "True", "over"
    )
    return Course(model, during, model.statuses()[before:])


def _available(status: Json) -> Json:
    found = [c for c in status.get("conditions", []) if c["type"] == "MetricsAvailable"]
    return found[0] if found else {}


def _availability(status: Json) -> str:
    return str(_available(status).get("status"))


# -- what else happens at the same time ----------------------------------------------------------


def slow_beside_prompt(models: Models) -> Any:
    """A model is deployed and rolled back while the Prometheus of another one hangs."""
    slow, prompt = models.add("slow"), models.add("prompt", v2=BAD)
    slow.stable()
    prompt.stable()
    begun = len(slow.prometheus.questions())
    slow.prometheus.inject(Fault.HANGS)
    prompt.deploy("v2")
    last = prompt.wait_for_outcome("Succeeded")
    slow.wait(lambda status: _availability(status) == "False", "noticed", 60)
    hung = [question.time for question in slow.prometheus.questions()[begun:]]
    slow.prometheus.clear()
    slow.wait_for_reason("Watching")
    asked = [q.time for q in prompt.prometheus.questions("/query") if hung[0] < q.time < hung[-1]]
    return SimpleNamespace(hung=hung, asked=asked, last=last)


def breach_beside_missing_data(models: Models) -> Any:
    """One metric has no data for long; then another one is breached."""
    model = models.add("masked", v2=BAD)
    metrics = [
        {"name": kind, "query": model.query.replace("}", f',kind="{kind}"}}'), "min": 0.8}
        | {"for": "0s", "noDataAfter": "1s"}
        for kind in ("missing", "")
    ]
    metrics[1]["name"] = "breached"
    model.show(GOOD, kind="missing")
    model.stable(metrics=metrics)
    model.show(None, kind="missing")
    model.wait_for_reason("MetricsUnavailable")
    model.deploy("v2")
    last = model.wait_for_outcome("Succeeded")
    status = model.wait_for_reason("MetricsUnavailable")
    return SimpleNamespace(model=model, last=last, status=status)


def candidate_without_data(models: Models) -> Any:
    """A metric has no data from the beginning, for longer than the bake lasts; then it has."""
    model = models.add("unmeasured", v1=None)
    model.deploy("v1")
    model.guard(metric={"noDataAfter": "3s"})
    model.wait_for_reason("MetricsUnavailable")
    model.wait_for_measurements(2)
    phase, status = model.phase(1), model.status()
    model.show(GOOD)
    model.wait_for_reason("Watching")
    return SimpleNamespace(model=model, phase=phase, status=status)


def outage_in_the_middle_of_a_breach(models: Models) -> Any:
    """Prometheus goes away while a metric is outside its bounds, not for long enough yet."""
    model = models.add("outage", v2=BAD)
    model.stable(metric={"for": "4s"})
    model.deploy("v2")
    model.wait(lambda status: status["phase"] == "Suspect", "Suspect")
    model.prometheus.inject(Fault.UNAVAILABLE)
    model.wait_for_reason("MetricsUnavailable")
    model.wait_for_measurements(3)
    patches, out, asked = model.patches(), model.status(), len(model.prometheus.questions())
    model.prometheus.clear()
    last = model.wait_for_outcome("Succeeded")
    back = model.prometheus.questions()[asked].time
    return SimpleNamespace(model=model, patches=patches, out=out, last=last, back=back)


def range_over_two_revisions(models: Models) -> Any:
    """The query of a good revision still sees for six seconds how bad the one before was."""
    model = models.add("range")
    model.stable(metric={"query": f"min_over_time({model.query}[6s])"})
    before = len(model.statuses())
    # Time for some bad samples before the new revision serves, and for a good one after them.
    model.deploy("v2", minReadySeconds=3)
    model.show(BAD)
    wait_until(
        lambda: models.prometheus.query(model.query)[0]["value"][1] == str(BAD), 5, "bad samples"
    )
    model.show(GOOD)
    model.wait(
        lambda status: status["current"]["revision"] == 2 and status["reason"] == "Watching",
        "the new revision is Stable",
    )
    return SimpleNamespace(model=model, written=model.statuses()[before:])


SCENES = (
    slow_beside_prompt,
    breach_beside_missing_data,
    candidate_without_data,
    outage_in_the_middle_of_a_breach,
    range_over_two_revisions,
)


@pytest.fixture(scope="module")
def models(site: Site) -> Iterator[Models]:
    # An empty --prometheus-url is what an unset value of a chart makes of it: none.
    nowhere = replace(site, prometheus=SimpleNamespace(url=""))
    with scenario(nowhere, "faults") as case, Models(case, site.prometheus) as models:
        case.start_operator()
        yield models


@pytest.fixture(scope="module")
def seen(models: Models) -> Iterator[dict[str, Future[Any]]]:
    """What came of everything, by name. All of it has begun."""
    plays = {trouble.label: partial(course, models, trouble) for trouble in TROUBLES}
    plays |= {scene.__name__: partial(scene, models) for scene in SCENES}
    with ThreadPoolExecutor(len(plays)) as pool:
        yield {name: pool.submit(play) for name, play in plays.items()}


# -- the tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.label)
def test_trouble_is_named_with_advice_and_holds_until_it_passes(
    seen: dict[str, Future[Any]], trouble: Trouble
) -> None:
    found: Course = seen[trouble.label].result(60)
    [metric] = found.during["metrics"]
    condition = _available(found.during)
    assert (metric["state"], condition["reason"]) == (trouble.state, trouble.reason)
    assert trouble.advice in condition["message"]
    assert found.during["reason"] == trouble.status_reason
    assert trouble.advice in found.during["message"]
    assert found.model.patches() == 0


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.label)
def test_only_what_may_pass_by_itself_is_waited_for(
    seen: dict[str, Future[Any]], trouble: Trouble
) -> None:
    found: Course = seen[trouble.label].result(60)
    first = next(s for s in found.written if s["metrics"][0]["state"] == trouble.state)
    assert _availability(first) == ("False" if trouble.at_once else "True")


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.label)
def test_trouble_and_its_end_are_one_event_each(
    seen: dict[str, Future[Any]], trouble: Trouble
) -> None:
    model = seen[trouble.label].result(60).model
    wait_until(model.events, 10, "the last Event", until=lambda e: "MetricsMeasured" in dict(e))
    reasons = [reason for reason, _ in model.events()]
    assert reasons.count(trouble.status_reason) == 1
    assert reasons.count("MetricsMeasured") == 1


def test_slow_prometheus_does_not_delay_the_checks_of_others(seen: dict[str, Future[Any]]) -> None:
    found = seen["slow_beside_prompt"].result(60)
    assert found.hung[-1] - found.hung[0] > DEADLINE
    assert max(b - a for a, b in pairwise(found.asked)) < DEADLINE / 2
    assert _seconds(found.last["startedAt"]) < found.hung[0] + DEADLINE


def test_breach_is_not_masked_by_missing_data_of_another_metric(
    seen: dict[str, Future[Any]],
) -> None:
    found = seen["breach_beside_missing_data"].result(60)
    assert "breached is 0.4" in found.last["message"]
    assert [m["state"] for m in found.status["metrics"]] == ["NoData", "Good"]
    assert (found.model.version(), found.model.patches()) == ("v1", 1)


def test_revision_without_data_is_not_stable(seen: dict[str, Future[Any]]) -> None:
    found = seen["candidate_without_data"].result(60)
    assert found.phase == "Candidate"
    assert "stable" not in found.status
    assert found.model.phase(1) == "Stable"


def test_outage_rolls_nothing_back_and_does_not_count_as_evidence(
    seen: dict[str, Future[Any]],
) -> None:
    found = seen["outage_in_the_middle_of_a_breach"].result(60)
    assert found.patches == 0
    assert found.out["metrics"][0]["class"] == "Suspect"
    assert _seconds(found.last["startedAt"]) - found.back >= 4.0 - 0.5
    assert (found.model.version(), found.model.patches()) == ("v1", 1)


def test_data_of_the_revision_before_is_shown_and_never_counts(
    seen: dict[str, Future[Any]],
) -> None:
    found = seen["range_over_two_revisions"].result(60)
    serving = [s for s in found.written if s["current"]["revision"] == 2]
    serving = [s for s in serving if "servingSince" in s["current"]]
    assert "Bad" in {s["metrics"][0]["state"] for s in serving}, "nothing old was in the range"
    assert {s["metrics"][0]["class"] for s in serving} == {"Clear"}
    assert found.model.patches() == 0


def test_bomb_is_not_unpacked(models: Models, seen: dict[str, Future[Any]]) -> None:
    seen[Fault.BOMB.value].result(60)
    status = Path(f"/proc/{models.case.operator._process.pid}/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak) * 1024 < BOMB_SIZE


def test_redirect_is_not_followed(seen: dict[str, Future[Any]]) -> None:
    model = seen[Fault.REDIRECT.value].result(60).model
    assert {question.path for question in model.prometheus.questions()} == {"/api/v1/query"}


def test_prometheus_is_sent_no_credentials(models: Models, seen: dict[str, Future[Any]]) -> None:
    wait(seen.values(), 60)
    headers = {
        name.lower()
        for model in models
        for question in model.prometheus.questions()
        for name in question.headers
    }
    assert "content-type" in headers
    assert not headers & {"authorization", "cookie", "proxy-authorization"}


HISTORY_FAULTS = (
    Fault.UNKNOWN_ERROR,
    Fault.ERROR_STATUS,
    Fault.TRUNCATED,
    Fault.HTML,
    Fault.STRING,
    Fault.HISTOGRAM,
    Fault.OVERSIZED,
    Fault.BOMB,
    Fault.REDIRECT,
)


def test_restart_beside_faulty_servers_measures_at_once(
    models: Models, seen: dict[str, Future[Any]]
) -> None:
    """Each other model has another fault; more of them hang than there are threads for history."""
    wait(seen.values(), 60)
    prompt, *others = [models["prompt"], *(model for model in models if model.name != "prompt")]
    asked = {model.name: _histories(model) for model in models}
    models.case.operator.kill()
    for fault, model in zip(HISTORY_FAULTS, others, strict=False):
        model.prometheus.inject(fault, only="_range")
    for model in others[len(HISTORY_FAULTS) :]:
        model.prometheus.inject(Fault.HANGS)
    begun = time.time()
    models.case.start_operator()
    measured = [prompt, *others[: len(HISTORY_FAULTS)]]
    wait_until(
        lambda: [m.name for m in measured if _histories(m) == asked[m.name]],
        DEADLINE,
        "those that were not asked for a history",
        until=lambda missing: not missing,
    )
    assert prompt.prometheus.questions("_range")[-1].time - begun < DEADLINE / 2
    prompt.wait_for_measurements(3)
    assert {model.status()["reason"] for model in measured} == {"Watching"}


def _histories(model: Model) -> int:
    return len(model.prometheus.questions("_range"))


def test_no_text_of_prometheus_shows_up_anywhere(
    models: Models, seen: dict[str, Future[Any]]
) -> None:
    wait(seen.values(), 60)
    proxy = models.case.proxy
    written = [write.request.json for write in proxy.writes(committed=False)]
    events = [write.request.json for write in proxy.writes("events", committed=False)]
    logs = [operator.log.read_text() for operator in models.case.operators]
    told = json.dumps([written, events, logs])
    assert "MetricsUnavailable" in told, "otherwise this looks at nothing"
    for text in (CANARY, "parse error", "unclosed", "Traceback"):
        assert text not in told


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
