"""Turns an answer of the API server into a typed error. Pure: no input or output.

What the answers look like was measured on Kubernetes 1.36:

| cause | code | reason | details |
| --- | --- | --- | --- |
| a `test` failed, or a path of a JSON Patch has no parent | 422 | Invalid | `{}` |
| schema, CEL rule of a CRD, immutable field | 422 | Invalid | causes with `field` and `reason` |
| ValidatingAdmissionPolicy | 422, 403 or 413 | by the policy | causes with a message only |
| admission webhook | what the webhook says, default 400 | mostly none | mostly none |
| quota, Pod Security, terminating namespace | 403 | Forbidden | name and kind, at times causes |
| RBAC | 403 | Forbidden | `User "…" cannot patch resource …` |
"""

import re

from model_rollout.adapters.text import readable
from model_rollout.ports.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    Json,
    NotFound,
    Rejected,
    TestFailed,
    Unauthorized,
    Unavailable,
)


class TooManyRequests(Unavailable):
    """429: nothing was done, so any request may be sent again."""


# Authorizers of the API server say this; nothing that runs later (admission, quota) does.
_NOT_AUTHORIZED = re.compile(r'\b[Uu]ser "[^\n]*" cannot ')
_DENIED = re.compile(
    r'^admission webhook "[^"]*" denied the request'
    r"|ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request"
)
_BY_STATUS = {401: Unauthorized, 404: NotFound, 409: Conflict}
_REASON = re.compile(r"[A-Za-z]{1,64}")


def error_of(
    what: str, status: int, answer: Json | None, *, retry_after: float | None, json_patch: bool
) -> ApiError:
    """Return the error for an answer with the code `status` (not 2xx) to the request `what`.

    `answer` is the `Status` object, None when the body was none: then something between us and the
    API server answered.
    """
    answer = answer or {}
    summary = f"{what}: {status} {_word(answer.get('reason'))}".rstrip()
    message = str(answer.get("message") or "")
    if status == 429:
        return TooManyRequests(summary, retry_after)
    if status >= 500 or status == 410:  # 410: a continue token is too old, a new list helps
        return Unavailable(summary, retry_after)
    if _DENIED.search(message):
        # A webhook chooses its code freely: 401, 404 or 409 would send us on a wrong track.
        return Rejected(f"{summary}: {readable(message)}")
    if status == 403 and (not message or _NOT_AUTHORIZED.search(message)):
        return Forbidden(summary)
    if json_patch and status == 422 and answer.get("reason") == "Invalid" and not _causes(answer):
        return TestFailed(summary)
    if status in _BY_STATUS:
        return _BY_STATUS[status](summary)
    return Rejected(f"{summary}: {_explanation(answer)}".rstrip(": "))


def _explanation(answer: Json) -> str:
    """Say which fields are wrong, without their values: the server echoes whole objects there."""
    causes = _causes(answer)
    if causes and all(cause.get("field") for cause in causes):
        named = (f"{cause['field']} ({_word(cause.get('reason'))})" for cause in causes)
        return readable(", ".join(named))
    if answer.get("reason") == "Invalid" and "Invalid value" in str(answer.get("message")):
        return ""
    return readable(str(answer.get("message") or ""))


def _causes(answer: Json) -> list[Json]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [cause for cause in causes if isinstance(cause, dict)] if causes else []


def _word(reason: object) -> str:
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else ""
