"""One guarded model in a namespace of its own: manifests, an operator behind a fault proxy, waiting.

A version such as `v2` stands for an image and a model URI. `quality` and `wrong` say how good each
version is; whoever changes the deployed version, what Prometheus scrapes follows.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localcluster.accounts import kubeconfig_for_service_account
from localcluster.controlplane import ControlPlane
from localcluster.prometheus import Prometheus
from localcluster.waiting import wait_until
from localcluster.workspace import Workspace, tail
from support.fault_proxy import FaultProxy
from support.faults import Write
from support.kube import Kube
from support.metrics_source import MetricsSource, errors, quality
from support.operator import LEASE, Operator, Setting

Json = dict[str, Any]

NAME = "model"
GOOD, BAD = 0.95, 0.4
FEW, MANY = 0.05, 0.5
"""Shares of wrong answers."""
ALLOWED = 0.2
"""The greatest share of wrong answers that `Scenario.errors` accepts."""
SYSTEM_NAMESPACE = "model-rollout-system"
SERVICE_ACCOUNT = "model-rollout-operator"
_DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """What all scenarios of a test session share."""

    control_plane: ControlPlane
    kube: Kube
    prometheus: Prometheus
    source: MetricsSource
    workspace: Workspace


@dataclass
class Scenario:
    """Everything that a test does and looks at, in one namespace."""

    site: Site
    namespace: str
    proxy: FaultProxy
    operators: list[Operator] = field(default_factory=list)
    quality: dict[str, float | None] = field(
        default_factory=lambda: {"v1": GOOD, "v2": BAD, "v3": GOOD}
    )
    wrong: dict[str, float | None] = field(default_factory=dict)
    """Share of wrong answers of each version; one that is not here, or None, answers nothing."""
    rate: float = 200.0
    """Answers a second of the version that is deployed."""
    late: float = 0.0
    """Seconds until it is known whether an answer was right."""
    seed: int | None = None
    """Draw wrong answers at random; None: evenly."""
    lease_duration: float = 15.0
    """Long: a machine that is busy with other tests must not cost an operator its Lease."""

    # -- what people and programs do -------------------------------------------------------------

    def deploy(self, version: str, *, name: str = NAME, **changes: Any) -> Json:
        """Apply the Deployment, as a pipeline does; metrics follow the one of the usual name."""
        if name == NAME:
            self.publish(version)
        return self.site.kube.apply(deployment(version, name=name, **changes), self.namespace)

    def guard(self, name: str = NAME, **changes: Any) -> Json:
        """Create a ModelRollout; keywords are fields of the spec and replace the short defaults."""
        return self.site.kube.create(rollout(self.namespace, name, **changes), self.namespace)

    def edit(self, patch: Json, *, kind: str = "Deployment", name: str = NAME) -> Json:
        """Merge a patch, as a person with kubectl does."""
        return self.site.kube.merge(kind, self.namespace, name, patch)

    def flip(self, switch: str, name: str = NAME) -> None:
        """`kubectl patch modelrollout … killSwitch`."""
        self.edit({"spec": {"killSwitch": switch}}, kind="ModelRollout", name=name)

    def publish(self, version: str) -> None:
        """Let the gauge show how good this version is, and let it answer."""
        source = self.site.source
        source.publish(self.namespace, self.quality.get(version, GOOD))
        for each, wrong in self.wrong.items():
            rate = self.rate if each == version and wrong is not None else 0.0
            how = {"late": self.late, "seed": self.seed}
            source.serve(self.namespace, rate, wrong or 0.0, version=each, **how)

    def errors(self, **changes: Any) -> Json:
        """A metric of wrong answers, counted; keywords are its fields, None takes one away."""
        counted = {"name": "errors", "counts": errors(self.namespace), "max": ALLOWED}
        return {name: value for name, value in (counted | changes).items() if value is not None}

    def start_operator(
        self,
        *,
        take_over: bool = True,
        account: tuple[str, str] = (SYSTEM_NAMESPACE, SERVICE_ACCOUNT),
        proxy: FaultProxy | None = None,
        beside: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
    ) -> Operator:
        """Start one more operator; it watches the namespaces `beside`, too.

        `take_over`: a predecessor is known to be dead, so its Lease is removed. To wait until it
        expires would cost seconds at every restart; the tests of the Lease do wait.
        """
        if take_over:
            self.site.kube.delete("Lease", self.namespace, LEASE)
        name = f"{self.namespace}-{len(self.operators) + 1}"
        kubeconfig = kubeconfig_for_service_account(
            self.site.control_plane,
            *account,
            self.site.workspace.folder / f"{name}.kubeconfig",
            server=(proxy or self.proxy).url,
        )
        setting = Setting(
            kubeconfig=kubeconfig,
            namespaces=(self.namespace, *beside),
            lease_namespace=self.namespace,
            prometheus_url=self.site.prometheus.url,
            lease_duration=self.lease_duration,
            flags=flags,
        )
        operator = Operator(self.site.workspace, setting, name)
        self.operators.append(operator)
        operator.wait_until_alive()
        return operator

    @property
    def operator(self) -> Operator:
        """The one that was started last."""
        return self.operators[-1]

    def stable(self, version: str = "v1", **spec: Any) -> Operator:
        """Deploy and guard a version, start an operator, and wait until the version is Stable."""
        self.deploy(version)
        self.guard(**spec)
        operator = self.start_operator()
        self.wait_for_reason("Watching")
        assert self.status()["stable"]["revision"] == self.status()["current"]["revision"]
        return operator

    # -- what there is ---------------------------------------------------------------------------

    def rollout(self, name: str = NAME) -> Json:
        found = self.site.kube.get("ModelRollout", self.namespace, name)
        assert found is not None, f"there is no ModelRollout {name}"
        return found

    def status(self, name: str = NAME) -> Json:
        status: Json = self.rollout(name).get("status") or {}
        return status

    def condition(self, type_: str, name: str = NAME) -> Json:
        """A condition, empty while there is none."""
        conditions = self.status(name).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def workload(self, name: str = NAME) -> Json:
        found = self.site.kube.get("Deployment", self.namespace, name)
        assert found is not None, f"there is no Deployment {name}"
        return found

    def template(self, name: str = NAME) -> Json:
        """The pod template without the id of the transaction that wrote it last."""
        template: Json = self.workload(name)["spec"]["template"]
        annotations = template["metadata"].get("annotations") or {}
        annotations.pop("modelrollout.dev/transaction", None)
        if not annotations:
            template["metadata"].pop("annotations", None)
        return template

    def version(self, name: str = NAME) -> str:
        """The deployed version, by its image."""
        return version_of(self.workload(name))

    def revisions(self) -> dict[int, Json]:
        """The ModelRevisions by number."""
        items = self.site.kube.items("ModelRevision", self.namespace)
        return {item["spec"]["number"]: item for item in items}

    def phases(self) -> dict[int, str]:
        """The phases of the ModelRevisions by number."""
        return {n: r.get("status", {}).get("phase", "") for n, r in self.revisions().items()}

    def records(self, name: str = NAME) -> list[Json]:
        """The specs of the RolloutRecords of a name, by number."""
        items = self.site.kube.items("RolloutRecord", self.namespace)
        specs = [i["spec"] for i in items if i["spec"]["rollout"]["name"] == name]
        return sorted(specs, key=lambda spec: (spec["rollout"]["uid"], spec["sequence"]))

    def recorded(self, name: str = NAME) -> list[tuple[int, str, str, str]]:
        """The records in short: number, stage, reason, outcome."""
        fields = ("sequence", "stage", "reason", "outcome")
        return [tuple(spec[field] for field in fields) for spec in self.records(name)]

    def events(self) -> list[tuple[str, str]]:
        """Reason and note of each Event."""
        items = self.site.kube.items("Event", self.namespace)
        ours = [e for e in items if e.get("reportingController") == SERVICE_ACCOUNT]
        return [(event["reason"], event.get("note", "")) for event in ours]

    def quarantined(self, name: str = NAME) -> list[int]:
        return [entry["revision"] for entry in self.status(name).get("quarantine", [])]

    def patches(self, *, committed: bool = True) -> list[Write]:
        """The operator's writes of Deployments."""
        return self.proxy.writes("deployments", committed=committed)

    def written_after(self, count: int) -> list[str]:
        """All writes but the first `count`, refused ones included, in a form that tests can show."""
        texts = []
        for write in self.proxy.writes(committed=False)[count:]:
            body = write.request.json
            status = body.get("status", {}) if isinstance(body, dict) else {}
            texts.append(f"{write.request} {status.get('reason', '')} {status.get('metrics', '')}")
        return texts

    # -- waiting ---------------------------------------------------------------------------------

    def wait_for(
        self, wanted: Callable[[Json], object], describe: str, timeout: float = 30.0
    ) -> Json:
        """Wait until `wanted` accepts the status; return that status."""
        try:
            return wait_until(self.status, timeout, describe, until=wanted)
        except TimeoutError as error:
            logs = "\n".join(tail(operator.log, 25) for operator in self.operators)
            raise TimeoutError(f"{error}\nlogs of the operators:\n{logs}") from None

    def wait_for_reason(self, reason: str, timeout: float = 30.0, name: str = NAME) -> Json:
        """Wait until the status gives this reason."""
        if name == NAME:
            return self.wait_for(
                lambda status: status.get("reason") == reason, f"reason {reason}", timeout
            )
        return wait_until(
            lambda: self.status(name),
            timeout,
            f"{name}: reason {reason}",
            until=lambda status: status.get("reason") == reason,
        )

    def wait_for_outcome(self, outcome: str, timeout: float = 40.0) -> Json:
        """Wait until a transaction ended like this; return `status.lastTransaction`."""
        status = self.wait_for(
            lambda status: (
                not status.get("transaction")
                and status.get("lastTransaction", {}).get("outcome") == outcome
            ),
            f"a transaction that ends {outcome}",
            timeout,
        )
        last: Json = status["lastTransaction"]
        return last

    def wait_for_event(self, reason: str, text: str = "", timeout: float = 15.0) -> str:
        """Wait for an Event; return its note."""
        found = wait_until(
            lambda: [note for why, note in self.events() if why == reason and text in note],
            timeout,
            f"an Event {reason} {text!r}",
        )
        return found[0]


@contextlib.contextmanager
def scenario(site: Site, label: str = "case") -> Iterator[Scenario]:
    """A namespace, the roles of deploy/ in it, and a proxy; all of it goes at the end."""
    namespace = f"{label}-{next(_numbers)}"[:63]
    site.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for body in _leader_election(namespace):
        site.kube.create(body, namespace)
    with FaultProxy(site.control_plane.server, str(site.control_plane.ca)) as proxy:
        made = Scenario(site, namespace, proxy)
        proxy.committed = lambda write: _follow(made, write)
        try:
            yield made
        finally:
            proxy.clear()
            for operator in made.operators:
                operator.stop()
            site.source.forget(namespace)
            # Not waited for: the names of namespaces are never used twice.
            site.kube.delete("Namespace", "", namespace)


def _follow(made: Scenario, write: Write) -> None:
    """The restored version answers now, so its quality is what is measured."""
    if write.request.resource == "deployments" and write.request.name == NAME:
        made.publish(version_of(write.answer))


def _leader_election(namespace: str) -> list[Json]:
    """The Role and RoleBinding of deploy/ for a Lease in another namespace, rules unchanged."""
    text = (_DEPLOY / "rbac" / "leader_election_role.yaml").read_text()
    bodies = [body for body in yaml.safe_load_all(text) if body]
    for body in bodies:
        body["metadata"]["namespace"] = namespace
    return bodies


def version_of(workload: Json) -> str:
    image: str = workload["spec"]["template"]["spec"]["containers"][0]["image"]
    return image.partition(":")[2]


def deployment(
    version: str,
    *,
    name: str = NAME,
    replicas: int = 1,
    container: Json | None = None,
    **spec: Any,
) -> Json:
    """A Deployment that serves a version; `container` replaces fields of its one container."""
    server = {
        "name": "server",
        "image": f"model:{version}",
        "env": [{"name": "MODEL_URI", "value": f"s3://models/{version}"}],
        **(container or {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [server]},
            },
            **spec,
        },
    }


COMPONENTS = [
    {"name": "image", "image": {"container": "server"}},
    {"name": "weights", "env": {"container": "server", "name": "MODEL_URI"}},
]


def rollout(namespace: str, name: str = NAME, **changes: Any) -> Json:
    """A ModelRollout with durations short enough for a test.

    `analysis` and `rollback` are merged with the short defaults, everything else replaces them.
    `warmUp` is the one that must not be 0s where a rollback is verified: it discards what Prometheus
    scraped before the restored version answered.
    """
    analysis = {"interval": "1s", "settle": "0s", "warmUp": "1s", "bakeTime": "1s"}
    rollback = {
        "verifyFor": "1s",
        "deadline": "20s",
        "cooldown": "0s",
        "budget": {"maxRollbacks": 20},
    }
    metric = {"name": "quality", "query": quality(namespace), "min": 0.8, "for": "0s"}
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {"name": name},
        "spec": {
            "targetRef": {"name": changes.pop("target", NAME)},
            "components": COMPONENTS,
            "metrics": [{**metric, **changes.pop("metric", {})}],
            "analysis": {**analysis, **changes.pop("analysis", {})},
            "rollback": {**rollback, **changes.pop("rollback", {})},
            **changes,
        },
    }
