"""Components as they are written and as they were stored before there were more kinds."""

import hashlib
from typing import Any

import pytest

from model_rollout.api.component import Component
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
