"""`MetricTemplate`: metrics that a platform team defines once."""

from typing import Annotated

from pydantic import ConfigDict, Field

from model_rollout.api.expressions import PARAMETER_PATTERN, PLACEHOLDER_RULE
from model_rollout.api.metric import Measurement
from model_rollout.api.metric_rules import MEASUREMENT_RULES, TEMPLATE_METRIC_RULES
from model_rollout.api.types import ApiModel, cel, list_map, validations


class Parameter(ApiModel):
    """What a ModelRollout that uses the template may or must say."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=PARAMETER_PATTERN)] = Field(
        description="Name of the parameter; {{args.NAME}} stands for its value.",
        json_schema_extra=validations(
            cel(
                f"self.matches('{PARAMETER_PATTERN}')",
                "write a name of letters, digits and underscores, such as app",
            )
        ),
    )
    default: Annotated[str, Field(max_length=1024)] | None = Field(
        None,
        description="The value where none is given; may have placeholders such as {{workload}}. "
        "Without a default the parameter must be given.",
    )
    description: Annotated[str, Field(max_length=1024)] = Field(
        "", description="What it is for, for people."
    )


class TemplateMetric(Measurement):
    """A metric as the ModelRollouts that use it measure it."""

    model_config = ConfigDict(
        json_schema_extra=validations(*TEMPLATE_METRIC_RULES, *MEASUREMENT_RULES)
    )

    group_by: Annotated[
        dict[
            str,
            Annotated[str, Field(max_length=256, json_schema_extra=validations(PLACEHOLDER_RULE))],
        ],
        Field(max_length=8),
    ] = Field(
        default_factory=dict,
        description="One query answers for every ModelRollout that uses the metric: each takes the "
        "series whose labels have these values, for example {namespace: '{{namespace}}', app: "
        "'{{workload}}'}. The query itself has no placeholders then.",
        json_schema_extra=validations(
            cel(
                "self.all(label, label.matches('^[a-zA-Z_][a-zA-Z0-9_]*$'))",
                "write names of labels in groupBy, for example {app: '{{workload}}'}",
            )
        ),
    )


class MetricTemplateSpec(ApiModel):
    """Metrics, and what they can be adapted by."""

    parameters: Annotated[
        tuple[Parameter, ...], Field(max_length=20, json_schema_extra=list_map())
    ] = Field((), description="What those who use the template may or must say.")
    metrics: Annotated[
        tuple[TemplateMetric, ...], Field(min_length=1, max_length=20, json_schema_extra=list_map())
    ] = Field(description="The metrics.")
