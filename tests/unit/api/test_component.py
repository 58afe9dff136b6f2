"""Components as they are written and as they were stored before there were more kinds."""

import hashlib
from typing import Any

import pytest

from model_rollout.api.component import Component
from model_rollout.api.http_component import HttpComponent
from model_rollout.api.revision import ComponentKind, ComponentValue, ValueType
from model_rollout.revisions.content import components_digest


@pytest.mark.parametrize(
    "body",
    [
        {"image": {"container": "server"}},
        {"env": {"container": "server", "name": "MODEL_URI"}},
        {"arg": {"container": "server", "flag": "--revision"}},
        {"arg": {"container": "server", "match": "s3://models/([^ ]+)"}},
        {"field": {"path": "spec.template.spec.volumes[name=model].image.reference"}},
        {"http": {"url": "http://kb-alias.ml.svc/alias"}},
        {
            "http": {
                "url": "https://kb-alias.ml.svc/alias",
                "check": "https://kb-alias.ml.svc/could",
                "authSecretRef": {"name": "kb", "key": "token"},
                "caBundleRef": {"name": "ca", "key": "ca.crt"},
            }
        },
        {"podTemplate": {}},
    ],
    ids=lambda body: "-".join(str(next(iter(body.items()))).split()[:1]),
)
def test_component_is_read_as_it_is_written(body: dict[str, Any]) -> None:
    written = {"name": "part"} | body
    read = Component.model_validate(written)
    assert read.model_dump(mode="json", by_alias=True, exclude_none=True) == written


def test_revision_that_was_stored_without_a_type_holds_texts() -> None:
    stored = {"name": "m", "kind": "Arg", "source": "server/--m", "value": "1", "pinned": True}
    read = ComponentValue.model_validate(stored)
    assert (read.kind, read.type, read.value) == (ComponentKind.ARG, ValueType.STRING, "1")


def test_digest_of_texts_is_what_it_was_before_there_were_types() -> None:
    values = tuple(
        ComponentValue(name=name, kind=ComponentKind.ENV, value=name * 2) for name in ("a", "b")
    )
    assert components_digest(values) == hashlib.sha256(b'{"a":"aa","b":"bb"}').hexdigest()


@pytest.mark.parametrize(
    ("http", "check_url"),
    [
        ({"url": "http://kb/alias"}, "http://kb/alias/check"),
        ({"url": "http://kb/alias/"}, "http://kb/alias/check"),
        ({"url": "http://kb"}, "http://kb/check"),
        ({"url": "http://kb/alias", "check": "http://kb/could"}, "http://kb/could"),
    ],
)
def test_value_is_checked_below_its_url_unless_another_place_is_written(
    http: dict[str, str], check_url: str
) -> None:
    assert HttpComponent.model_validate(http).check_url == check_url
