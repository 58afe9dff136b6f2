"""The CustomResourceDefinitions, generated from the models; `make update-crds` writes them."""

from typing import Any

from pydantic import BaseModel

from model_rollout.api import GROUP, VERSION
from model_rollout.api.record import RolloutRecordSpec
from model_rollout.api.revision import ModelRevisionSpec, ModelRevisionStatus
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.api.status import ModelRolloutStatus
from model_rollout.api.structural import Schema, structural_schema
from model_rollout.api.template import MetricTemplateSpec
from model_rollout.api.types import cel, validations


def custom_resource_definitions() -> tuple[dict[str, Any], ...]:
    """Return the CustomResourceDefinitions of the operator."""
    return (_model_rollout(), _model_revision(), _rollout_record(), _metric_template())


def _model_rollout() -> dict[str, Any]:
    # NAME-NUMBER-DIGEST has to fit into 253 characters.
    short_enough = cel(
        "self.metadata.name.size() <= 200",
        "write a metadata.name of at most 200 characters: the names of its ModelRevisions begin "
        "with it",
    )
    return _definition(
        kind="ModelRollout",
        short_name="mro",
        description="Guards the model that a Deployment serves: measures each revision and puts "
        "the last one that was proven good back when one turns bad.",
        spec=structural_schema(ModelRolloutSpec),
        status=ModelRolloutStatus,
        rules=[short_enough],
        columns=[
            _column("Phase", ".status.phase"),
            _column("Revision", ".status.current.revision", "integer"),
            _column("Stable", ".status.stable.revision", "integer"),
            _column("KillSwitch", ".spec.killSwitch"),
            _column("Breached", ".status.breached"),
            _column("Rollbacks", ".status.attempts", "integer"),
            _column("Age", ".metadata.creationTimestamp", "date"),
            {**_column("Message", ".status.message"), "priority": 1},
        ],
    )


def _model_revision() -> dict[str, Any]:
    spec = _immutable(
        ModelRevisionSpec,
        "a ModelRevision records what was deployed and cannot be changed: deploy the content that "
        "you want, and the operator records it as another revision",
    )
    return _definition(
        kind="ModelRevision",
        short_name="mrev",
        description="One combination of component values that was deployed, and what became of it. "
        "Written by the operator.",
        spec=spec,
        status=ModelRevisionStatus,
        rules=[],
        columns=[
            _column("Rollout", ".spec.rolloutRef.name"),
            _column("Number", ".spec.number", "integer"),
            _column("Phase", ".status.phase"),
            _column("Reason", ".status.reason"),
            _column("Model", ".spec.summary"),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def _immutable(model: type[BaseModel], message: str) -> dict[str, Any]:
    """Return the schema of a spec that is written once; `message` says so to who edits it."""
    spec = structural_schema(model)
    rules = spec.get("x-kubernetes-validations", [])
    spec["x-kubernetes-validations"] = [*rules, cel("self == oldSelf", message)]
    return spec


def _rollout_record() -> dict[str, Any]:
    spec = _immutable(
        RolloutRecordSpec,
        "a RolloutRecord says what was decided and cannot be changed; the operator writes another "
        "one for what happens next",
    )
    return _definition(
        kind="RolloutRecord",
        short_name="mrec",
        description="What the operator decided about a ModelRollout, why, by which evidence, and how "
        "it ended. Written by the operator, chained by digests, kept when the ModelRollout is deleted.",
        spec=spec,
        status=None,
        rules=[],
        columns=[
            _column("Stage", ".spec.stage"),
            _column("Rollout", ".spec.rollout.name"),
            _column("Action", ".spec.action"),
            _column("Reason", ".spec.reason"),
            _column("Outcome", ".spec.outcome"),
            _column("Time", ".spec.time"),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def _metric_template() -> dict[str, Any]:
    return _definition(
        kind="MetricTemplate",
        short_name="mtpl",
        description="Metrics that many ModelRollouts share, defined once, for the ModelRollouts of "
        "its namespace; in the namespace of the operator, for all.",
        spec=structural_schema(MetricTemplateSpec),
        status=None,
        rules=[],
        columns=[
            _column("Metrics", ".spec.metrics[*].name"),
            _column("Parameters", ".spec.parameters[*].name"),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
    )


def _column(name: str, path: str, type_: str = "string") -> dict[str, Any]:
    return {"name": name, "type": type_, "jsonPath": path}


def _definition(
    *,
    kind: str,
    short_name: str,
    description: str,
    spec: Schema,
    status: type[BaseModel] | None,
    rules: list[dict[str, str]],
    columns: list[dict[str, Any]],
) -> dict[str, Any]:
    singular = kind.lower()
    plural = f"{singular}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": singular,
                "shortNames": [short_name],
                # Not `all`: `kubectl delete all --all` must not remove the guards.
                "categories": ["ml"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    **({"subresources": {"status": {}}} if status else {}),
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _object(description, spec, status, rules)},
                }
            ],
        },
    }


def _object(
    description: str, spec: Schema, status: type[BaseModel] | None, rules: list[dict[str, str]]
) -> Schema:
    schema: Schema = {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "description": "Version of the schema that this object is written in.",
                "type": "string",
            },
            "kind": {"description": "Kind of this object.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
    }
    if status:
        schema["properties"]["status"] = structural_schema(status, defaults=False)
    return schema | validations(*rules) if rules else schema
