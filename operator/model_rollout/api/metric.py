"""One quality metric: what is measured, against what, and what follows."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from model_rollout.api.expressions import BucketSelector, Query, Selector
from model_rollout.api.metric_rules import (
    BASELINE_RULES,
    COUNTS_RULES,
    MEASUREMENT_RULES,
    METRIC_RULES,
    NAME_RULES,
    QUANTILE_RULES,
    REF_NAME_RULES,
)
from model_rollout.api.types import (
    UNWRITTEN,
    ApiModel,
    Duration,
    Label,
    ObjectName,
    PositiveDuration,
    validations,
)


class MetricAction(StrEnum):
    """What a proven breach of a metric leads to."""

    ROLLBACK = "Rollback"
    NOTIFY = "Notify"
    NONE = "None"


class OnNoData(StrEnum):
    """What follows when a metric was without data for `noDataAfter`."""

    HOLD = "Hold"
    NOTIFY = "Notify"
    ROLLBACK = "Rollback"


class BaselineFrom(StrEnum):
    """Whose outcomes a metric is compared with."""

    WORKLOAD = "Workload"
    STABLE_REVISION = "StableRevision"


MetricName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z]([a-z0-9_]*[a-z0-9])?$",
        json_schema_extra=validations(*NAME_RULES),
    ),
]
"""The name of a metric: also an identifier in `analysis.when`."""


class Counts(ApiModel):
    """Cumulative counters of outcomes: two of the three."""

    model_config = ConfigDict(json_schema_extra=validations(*COUNTS_RULES))

    good: Selector | None = Field(
        None,
        description="Selector of the counters of good outcomes, for example "
        'predictions_correct_total{app="sentiment"}.',
    )
    bad: Selector | None = Field(
        None,
        description="Selector of the counters of bad outcomes. Counters that do not exist yet "
        "count as 0 while total has data.",
    )
    total: Selector | None = Field(
        None, description="Selector of the counters of all outcomes, good and bad."
    )


class Histogram(ApiModel):
    """The buckets of a histogram."""

    metric: BucketSelector = Field(
        description="Selector of the cumulative buckets, for example "
        'request_seconds_bucket{app="sentiment"}.',
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95,
        description="The share of outcomes that must not be above max: 0.95 is a bound of the "
        "95th percentile. Not used with a baseline.",
        json_schema_extra=validations(*QUANTILE_RULES),
    )


class WorkloadRef(ApiModel):
    """Another Deployment in the namespace of the ModelRollout."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=253, json_schema_extra=validations(*REF_NAME_RULES)),
    ] = Field(
        description="Name of the Deployment; may have placeholders, for example {{name}}-stable."
    )


class Baseline(ApiModel):
    """What the outcomes are compared with, instead of a fixed limit."""

    model_config = ConfigDict(json_schema_extra=validations(*BASELINE_RULES))

    from_: BaselineFrom = Field(
        alias="from",
        description="Workload: another Deployment that serves at the same time. StableRevision: "
        "what was recorded of the newest other revision that was proven good.",
    )
    ref: WorkloadRef | None = Field(
        None, description="Workload: the other Deployment, in this namespace."
    )
    max_worse: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="StableRevision: by how much the share of bad outcomes may be greater, for "
        "example 0.02 for two points.",
    )
    max_ratio: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        None,
        description="How many times as great as the baseline's the share of bad outcomes may be, "
        "for example 1.5.",
    )


class TemplateRef(ApiModel):
    """A metric that a MetricTemplate defines."""

    name: ObjectName = Field(
        description="Name of the MetricTemplate, in this namespace or in the operator's."
    )
    metric: MetricName | None = Field(
        None, description="Name of the metric in the template. Default: the name of this metric."
    )
    args: Annotated[
        dict[str, Annotated[str, Field(max_length=1024)]],
        Field(max_length=20),
    ] = Field(
        default_factory=dict,
        description="Values of the template's parameters; may have placeholders such as "
        "{{workload}}.",
    )


class Measurement(ApiModel):
    """What a metric in a ModelRollout and one in a MetricTemplate have in common."""

    model_config = ConfigDict(json_schema_extra=validations(*MEASUREMENT_RULES))

    name: MetricName = Field(
        description="Name of the metric: lower case letters, digits and underscores."
    )
    query: Query | None = Field(
        None,
        description="A PromQL expression that returns one value: a scalar or a vector of one "
        "series. Prefer counts or histogram where they exist: a value says nothing about chance.",
    )
    counts: Counts | None = Field(
        None,
        description="Outcomes as cumulative counters: two of good, bad and total. The operator "
        "differences them and decides by a sequential test.",
    )
    histogram: Histogram | None = Field(
        None, description="Buckets of a histogram: outcomes above max are the bad ones."
    )
    min: float | None = Field(
        None,
        description="The smallest acceptable value; of counts, the smallest acceptable share of "
        "good outcomes.",
    )
    max: float | None = Field(
        None,
        description="The greatest acceptable value; of counts, the greatest acceptable share of "
        "bad outcomes; of a histogram, of the quantile.",
    )
    baseline: Baseline | None = Field(
        None,
        description="Compare with other outcomes instead of with min or max. With counts or a "
        "histogram; a histogram keeps its max, which says what is bad.",
    )
    sample_time: Query | None = Field(
        None,
        description="A PromQL expression for the time at which the value of the query was made, "
        "in seconds since the epoch. Without it a value that is repeated looks new.",
    )
    for_: Duration | None = Field(
        None,
        alias="for",
        description="How long the evidence must last before the metric counts as breached. With a "
        "query, every sample of that time must be outside the bounds, and 0s lets the first bad "
        "sample decide. Default: 0s with counts and histogram, with a query the longer of 5m and "
        "3 x interval.",
    )
    every: PositiveDuration | None = Field(
        None,
        description="How often a new value or new outcomes arrive. Default: analysis.interval.",
    )
    delay: Duration | None = Field(
        None,
        description="How long after an answer its outcome may arrive: what arrives earlier than "
        "that after a revision began to serve belongs to the one before. Not needed where the "
        "selectors name the revision by a placeholder. Default: 0s.",
    )
    min_checks: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        description="With counts and histogram: how many checks it takes at least to decide. "
        "Default: 4 with every up to 5m, 2 up to 1h, else 1; 6 against a Workload.",
    )
    max_age: PositiveDuration | None = Field(
        None,
        description="With a query: a value older than this is no data. Default: the longer of 5m "
        "and 2 x every.",
    )
    no_data_after: PositiveDuration | None = Field(
        None,
        description="How long the metric may be without data before onNoData applies and the "
        "condition MetricsAvailable turns False. Default: the longer of 15m and 2 x every.",
    )
    on_no_data: OnNoData = Field(
        OnNoData.HOLD,
        description="What follows then. Hold: nothing is rolled back and nothing becomes Stable. "
        "Notify: an Event as well. Rollback: as a breach. Default: Hold, or as in the template.",
        json_schema_extra=UNWRITTEN,
    )
    action: MetricAction = Field(
        MetricAction.ROLLBACK,
        description="What a proven breach leads to: Rollback, Notify (condition and Event only) or "
        "None (measured and shown). Default: Rollback, or as in the template.",
        json_schema_extra=UNWRITTEN,
    )


class Metric(Measurement):
    """One quality metric and what is still acceptable."""

    model_config = ConfigDict(
        json_schema_extra=validations(*METRIC_RULES, *MEASUREMENT_RULES),
    )

    template_ref: TemplateRef | None = Field(
        None,
        description="Take the metric from a MetricTemplate; min, max, for, every, delay, "
        "noDataAfter, onNoData and action written here win over those of the template.",
    )
    blames: Annotated[tuple[Label, ...], Field(max_length=16)] = Field(
        (),
        description="Components that a breach of this metric points to. Only those are restored, "
        "where they changed; if that does not help, everything is. Empty: everything.",
        json_schema_extra=UNWRITTEN,
    )
