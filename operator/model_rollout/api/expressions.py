"""Texts in PromQL that users write, and the placeholders in them."""

from typing import Annotated

from pydantic import Field

from model_rollout.api.types import cel, validations

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_STRING = r'"(\\.|[^"\\])*"|\x27(\\.|[^\x27\\])*\x27|`[^`]*`'
_MATCHERS = rf"\{{({_STRING}|[^{{}}\x22\x27`])*\}}"
# `name`, `name{matchers}` or `{matchers}`: no function, range or offset. What is between the braces
# is left to Prometheus, but for the strings in it, which may hold anything.
_SELECTOR = rf"^\s*({_NAME}(\s*{_MATCHERS})?|{_MATCHERS})\s*$"

PARAMETER_PATTERN = r"^[a-zA-Z][a-zA-Z0-9_]*$"
"""The name of a parameter of a MetricTemplate."""

_NAMES = (
    r"namespace|name|workload|podTemplateHash|revision|component\.[-a-z0-9]+(\.tag)?"
    r"|args\.[a-zA-Z][a-zA-Z0-9_]*"
)
# Two braces in a row begin a placeholder; PromQL itself has no place for them.
_KNOWN_PLACEHOLDERS = rf"^([^{{]|\{{[^{{]|\{{\{{\s*({_NAMES})\s*\}}\}})*\{{?$"

PLACEHOLDER_RULE = cel(
    f"self.matches(r'{_KNOWN_PLACEHOLDERS}')",
    "write a placeholder that exists: {{namespace}}, {{name}}, {{workload}}, {{podTemplateHash}}, "
    "{{revision}}, {{component.NAME}}, {{component.NAME.tag}} and, in a MetricTemplate, "
    "{{args.NAME}}",
)
_SELECTOR_RULE = cel(
    f"self.matches(r'{_SELECTOR}')",
    'write a plain selector of a counter such as requests_total{app="x"}: the operator '
    "differences the counters itself",
)

Query = Annotated[
    str,
    Field(min_length=1, max_length=4096, json_schema_extra=validations(PLACEHOLDER_RULE)),
]
"""Any PromQL expression, with placeholders."""

# The pattern stands in the rule only: as `pattern` it would fill a screen before the sentence.
Selector = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        json_schema_extra=validations(_SELECTOR_RULE, PLACEHOLDER_RULE),
    ),
]
"""A plain selector of cumulative counters, with placeholders in its strings."""

BucketSelector = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        json_schema_extra=validations(
            _SELECTOR_RULE,
            PLACEHOLDER_RULE,
            cel(
                "self.contains('_bucket')",
                'write the buckets of a histogram, such as request_seconds_bucket{app="x"}',
            ),
            cel(
                r"!self.matches(r'[{,]\s*le\s*(=|!)')",
                "leave out the label le: the operator reads all buckets",
            ),
        ),
    ),
]
"""A plain selector of the buckets of a histogram."""
