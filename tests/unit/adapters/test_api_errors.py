"""Answers as a real API server (1.36) gives them; what they mean to the engine."""

from typing import Any

import pytest

from model_rollout.adapters.kubernetes.errors import TooManyRequests, error_of, readable
from model_rollout.ports.kubernetes import (
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    TestFailed,
    Unauthorized,
    Unavailable,
)

POLICY = "ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: not today"
WEBHOOK = 'admission webhook "policy.example.com" denied the request: not today'
SECRET = "hunter2"


def status(reason: str | None, message: str, **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "reason": reason, "message": message, "details": details}


def denied(reason: str) -> dict[str, Any]:
    message = f'deployments.apps "d" is forbidden: {POLICY}'
    return status(reason, message, causes=[{"message": POLICY}])


def failed_test() -> dict[str, Any]:
    return status("Invalid", "the server rejected our request due to an error in our request")


def invalid() -> dict[str, Any]:
    cause = {
        "field": "spec.template",
        "reason": "FieldValueInvalid",
        "message": f'Invalid value: "{SECRET}"',
    }
    return status("Invalid", f'Deployment.apps "d" is invalid: "{SECRET}"', causes=[cause])


def rbac(user: str) -> dict[str, Any]:
    text = f'User "{user}" cannot patch resource "deployments" in API group "apps"'
    return status("Forbidden", f'deployments.apps "d" is forbidden: {text} in the namespace "t"')


ANSWERS: list[tuple[str, int, dict[str, Any] | None, type[ApiError], str]] = [
    ("failed test", 422, failed_test(), TestFailed, "422 Invalid"),
    ("schema", 422, invalid(), Rejected, "422 Invalid: spec.template (FieldValueInvalid)"),
    ("policy", 422, denied("Invalid"), Rejected, "not today"),
    ("policy, Forbidden", 403, denied("Forbidden"), Rejected, "not today"),
    ("policy, too large", 413, denied("RequestEntityTooLarge"), Rejected, "not today"),
    ("webhook", 400, status(None, WEBHOOK), Rejected, "not today"),
    ("webhook 401", 401, status(None, WEBHOOK), Rejected, "not today"),
    ("webhook 403", 403, status(None, WEBHOOK), Rejected, "not today"),
    ("webhook 404", 404, status(None, WEBHOOK), Rejected, "not today"),
    ("webhook 409", 409, status(None, WEBHOOK), Rejected, "not today"),
    ("webhook 422", 422, status("Invalid", WEBHOOK), Rejected, "not today"),
    ("webhook is down", 500, status("InternalError", "x"), Unavailable, "500 InternalError"),
    ("RBAC", 403, rbac("system:serviceaccount:a:b"), Forbidden, "403 Forbidden"),
    ("RBAC, odd name", 403, rbac('a"b'), Forbidden, "403 Forbidden"),
    ("RBAC, path", 403, status("Forbidden", 'forbidden: User "u" cannot get path "/x"'),
     Forbidden, "403 Forbidden"),
    ("quota", 403, status("Forbidden", 'pods "p" is forbidden: exceeded quota: q'),
     Rejected, "exceeded quota"),
    ("pod security", 403, status("Forbidden", 'pods "p" is forbidden: violates PodSecurity'),
     Rejected, "violates PodSecurity"),
    ("proxy", 403, None, Forbidden, "403"),
    ("bad request", 400, status("BadRequest", "error decoding patch"), Rejected, "decoding"),
    ("missing", 404, status("NotFound", "x"), NotFound, "404 NotFound"),
    ("no such kind", 404, None, NotFound, "404"),
    ("taken", 409, status("AlreadyExists", "x"), Conflict, "409 AlreadyExists"),
    ("changed", 409, status("Conflict", "x"), Conflict, "409 Conflict"),
    ("token", 401, status("Unauthorized", "x"), Unauthorized, "401 Unauthorized"),
    ("old token of a list", 410, status("Expired", "x"), Unavailable, "410 Expired"),
    ("busy", 429, status("TooManyRequests", "x"), TooManyRequests, "429 TooManyRequests"),
    ("down", 503, None, Unavailable, "503"),
    ("media type", 415, status("UnsupportedMediaType", "x"), Rejected, "415"),
    ("odd details", 422, {"reason": "Invalid", "details": [1]}, TestFailed, "422"),
    ("odd reason", 404, {"reason": "\x1b[2J" + SECRET}, NotFound, "PATCH /x: 404"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "answer", "expected", "text"),
    [answer[1:] for answer in ANSWERS],
    ids=[answer[0] for answer in ANSWERS],
)
def test_answer(
    code: int, answer: dict[str, Any] | None, expected: type[ApiError], text: str
) -> None:
    error = error_of("PATCH /x", code, answer, retry_after=None, json_patch=True)
    assert type(error) is expected
    assert text in str(error)
    assert SECRET not in str(error)
    assert str(error).isprintable()


def test_without_a_patch_there_was_no_test_to_fail() -> None:
    error = error_of("PUT /x", 422, failed_test(), retry_after=None, json_patch=False)
    assert type(error) is Rejected


def test_whole_objects_in_a_message_are_left_out() -> None:
    answer = status("Invalid", f' "" is invalid: patch: Invalid value: "{SECRET}"')
    error = error_of("PUT /x", 422, answer, retry_after=None, json_patch=False)
    assert str(error) == "PUT /x: 422 Invalid"


def test_the_policys_words_are_cut_and_cleaned() -> None:
    answer = status(None, f"{WEBHOOK}\r\nlevel=info \x1b[2J\u202e\u2028" + "x" * 10_000)
    text = str(error_of("PUT /x", 400, answer, retry_after=None, json_patch=False))
    assert "not today" in text
    assert text.isprintable()
    assert len(text) < 600


def test_readable_keeps_what_fits() -> None:
    assert readable("ä" * 500) == "ä" * 500
    assert readable("ä" * 501) == "ä" * 499 + "…"


def test_retry_after_is_kept() -> None:
    error = error_of("PUT /x", 503, None, retry_after=7.0, json_patch=False)
    assert isinstance(error, Unavailable)
    assert error.retry_after == 7.0
