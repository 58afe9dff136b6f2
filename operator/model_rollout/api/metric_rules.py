"""CEL rules of a metric: what a schema cannot say, with sentences that say what to write.

Each rule holds where the fields that it speaks of are absent, so that only one of them fails.
"""

from model_rollout.api.types import cel


def _one_of(*fields: str) -> str:
    return f"[{', '.join(f'has(self.{field})' for field in fields)}].filter(x, x).size()"


def _without(field: str, *others: str) -> str:
    """Return a rule: where `field` is, none of the others is."""
    return f"!has(self.{field}) || !({' || '.join(f'has(self.{other})' for other in others)})"


NAME_RULES = (
    cel(
        "self.matches('^[a-z]([a-z0-9_]*[a-z0-9])?$')",
        "write a name of lower case letters, digits and underscores, such as latency_p95",
    ),
)

COUNTS_RULES = (
    cel(
        f"{_one_of('good', 'bad', 'total')} == 2",
        "write two of good, bad and total: good and total, bad and total, or good and bad",
    ),
)

QUANTILE_RULES = (
    cel(
        "self > 0.0 && self < 1.0",
        "write a quantile between 0 and 1, for example 0.95 for the 95th percentile",
    ),
)

REF_NAME_RULES = (
    cel(
        r"self.matches(r'^([a-z0-9]|\{\{[^{}]+\}\})(([-a-z0-9.]|\{\{[^{}]+\}\})*"
        r"([a-z0-9]|\{\{[^{}]+\}\}))?$')",
        "write the name of a Deployment, such as sentiment-stable or {{name}}-stable",
    ),
)

BASELINE_RULES = (
    cel(
        "self.from != 'Workload' || (has(self.ref) && has(self.maxRatio) && !has(self.maxWorse))",
        "a baseline from: Workload needs ref and maxRatio and takes no maxWorse, for example "
        "ref: {name: sentiment-stable} and maxRatio: 1.5",
    ),
    cel(
        "self.from != 'StableRevision' || !has(self.ref)",
        "a baseline from: StableRevision is what was recorded: leave out ref",
    ),
    cel(
        f"self.from != 'StableRevision' || {_one_of('maxWorse', 'maxRatio')} == 1",
        "a baseline from: StableRevision needs maxWorse or maxRatio, one of them, for example "
        "maxWorse: 0.02",
    ),
    cel(
        "!has(self.maxWorse) || (self.maxWorse > 0.0 && self.maxWorse < 1.0)",
        "write maxWorse as a share between 0 and 1, for example 0.02 for two points",
    ),
    cel(
        "!has(self.maxRatio) || self.maxRatio >= 1.0",
        "write a maxRatio of at least 1, for example 1.5",
    ),
)

# Sentences that are also said of a metric whose template leaves its limit open.
MIN_ABOVE_MAX = "min must not be greater than max"
GOOD_HAS_MIN = (
    "counts of good and total have a min, the share of good outcomes: write min instead of max"
)
BAD_HAS_MAX = (
    "counts of bad and total have a max, the share of bad outcomes: write max instead of min"
)
ONE_LIMIT = (
    "counts have one limit: write min for the share of good outcomes or max for the share of bad "
    "ones"
)
BELOW_ONE = "the limit of counts is a share: write a limit below 1, for example 0.999"
ABOVE_ZERO = "the limit of counts is a share: write a limit above 0, for example 0.001"
UPPER_ONLY = "a histogram has an upper limit only: write max instead of min"
NEEDS_MAX = "write the max of a histogram: outcomes above it are the bad ones"
MAX_ABOVE_ZERO = "write a max above 0: it is compared with the upper bounds of buckets"

_COUNTS = "!has(self.counts) || "
_HISTOGRAM = "!has(self.histogram) || "
_LIMITS = "[has(self.min) ? self.min : 0.5, has(self.max) ? self.max : 0.5]"

MEASUREMENT_RULES = (
    cel("!has(self.min) || !has(self.max) || self.min <= self.max", MIN_ABOVE_MAX),
    cel(
        f"{_COUNTS}!has(self.counts.good) || !has(self.counts.total) || !has(self.max)",
        GOOD_HAS_MIN,
    ),
    cel(
        f"{_COUNTS}!has(self.counts.bad) || !has(self.counts.total) || !has(self.min)",
        BAD_HAS_MAX,
    ),
    cel(f"{_COUNTS}!has(self.min) || !has(self.max)", ONE_LIMIT),
    cel(f"{_COUNTS}{_LIMITS}.all(limit, limit < 1.0)", BELOW_ONE),
    cel(f"{_COUNTS}{_LIMITS}.all(limit, limit > 0.0)", ABOVE_ZERO),
    cel(f"{_HISTOGRAM}!has(self.min)", UPPER_ONLY),
    cel(f"{_HISTOGRAM}!has(self.max) || self.max > 0.0", MAX_ABOVE_ZERO),
    cel(
        "!has(self.baseline) || has(self.counts) || has(self.histogram)",
        "a baseline compares outcomes: write counts or histogram with it, or min or max for a "
        "query",
    ),
    cel(
        f"!has(self.baseline) || {_COUNTS}(!has(self.min) && !has(self.max))",
        "a baseline takes the place of a limit: leave out min and max, or leave out baseline",
    ),
    cel(
        "!has(self.sampleTime) || has(self.query)",
        "sampleTime belongs to a query: leave it out, scrapes have times of their own",
    ),
    cel(
        "!has(self.maxAge) || has(self.query)",
        "maxAge belongs to a query: leave it out, or write noDataAfter",
    ),
    cel(
        "!has(self.minChecks) || has(self.counts) || has(self.histogram)",
        "minChecks belongs to counts or histogram: for a query write for, a duration",
    ),
)

_SELECTORS = ("counts.good", "counts.bad", "counts.total", "histogram.metric")


def _present(path: str) -> str:
    """Return the condition that a field and the one that holds it are there."""
    return f"has(self.{path.split('.')[0]}) && has(self.{path})"


def _selectors(otherwise: str) -> str:
    """Return the list of selectors, with a text in place of those that are absent."""
    texts = (f"{_present(path)} ? self.{path} : '{otherwise}'" for path in _SELECTORS)
    return f"[{', '.join(texts)}]"


_AGAINST_WORKLOAD = "has(self.baseline) && self.baseline.from == 'Workload'"

_WORKLOAD_RULE = cel(
    f"!({_AGAINST_WORKLOAD}) || {_selectors('{{workload}}')}.all(text, "
    r"text.matches(r'\{\{\s*workload\s*\}\}'))",
    "with a baseline from: Workload every selector is read for both Deployments: write "
    '{{workload}} where its name stands, for example app="{{workload}}"',
)

METRIC_RULES = (
    cel(
        f"{_one_of('query', 'counts', 'histogram', 'templateRef')} == 1",
        "write exactly one of query, counts, histogram or templateRef",
    ),
    cel(
        _without("templateRef", "baseline", "sampleTime", "minChecks", "maxAge"),
        "a metric with templateRef is measured as its template says: only min, max, for, every, "
        "delay, noDataAfter, onNoData and action may stand beside it",
    ),
    cel(
        "has(self.min) || has(self.max) || has(self.baseline) || has(self.templateRef) || "
        "has(self.histogram)",
        "write min, max or both, for example min: 0.85",
    ),
    cel(f"{_HISTOGRAM}has(self.max) || has(self.min)", NEEDS_MAX),
    _WORKLOAD_RULE,
)

_TEXTS = (*_SELECTORS, "query", "sampleTime")
_PLACEHOLDER_IN = " || ".join(
    f"({_present(path)} && self.{path}.contains('{{{{'))" for path in _TEXTS
)

TEMPLATE_METRIC_RULES = (
    cel(
        f"{_one_of('query', 'counts', 'histogram')} == 1",
        "write exactly one of query, counts or histogram",
    ),
    cel(
        f"!has(self.groupBy) || self.groupBy.size() == 0 || !({_PLACEHOLDER_IN})",
        "with groupBy one query answers for all: write placeholders in the values of groupBy "
        "only, and keep these labels in the answer of the query",
    ),
    cel(
        f"!has(self.groupBy) || self.groupBy.size() == 0 || !({_AGAINST_WORKLOAD})",
        "a baseline from: Workload is asked for separately: leave out groupBy",
    ),
    cel(
        f"(has(self.groupBy) && self.groupBy.size() > 0) || ({_WORKLOAD_RULE['rule']})",
        _WORKLOAD_RULE["message"],
    ),
)
