"""Applies a JSON Patch as the API server does, by a library that is not ours."""

import copy
from collections.abc import Iterable

import jsonpatch
import jsonpointer
import pytest

from model_rollout.revisions.canonical import Json


def apply_patch(body: Json, operations: Iterable[Json]) -> Json:
    """The patched object; a `test` that does not hold raises JsonPatchTestFailed."""
    patched = copy.deepcopy(body)
    for operation in operations:
        if operation["op"] == "test" and operation["value"] is None:
            # The API server takes a `test` of null for "the member is absent or null".
            if jsonpointer.resolve_pointer(patched, operation["path"], None) is not None:
                raise jsonpatch.JsonPatchTestFailed(operation["path"])
            continue
        patched = jsonpatch.apply_patch(patched, [operation])
    return patched


def refused(body: Json, operations: Iterable[Json]) -> None:
    """Assert that a `test` of the patch does not hold for this object."""
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        apply_patch(body, operations)
