"""Identity by content: canonical JSON, digests, and what does not belong to a pod template's identity."""

import hashlib
import json
from typing import Any

Json = dict[str, Any]

TRANSACTION_ANNOTATION = "modelrollout.dev/transaction"
_OWN_PREFIX = "modelrollout.dev/"
_IGNORED_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/restartedAt"})
_HASH_LABEL = "pod-template-hash"


def canonical_json(value: Any) -> str:
    """Return `value` as JSON that is the same for equal values: keys sorted, no white space."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def normalised_template(template: Json) -> Json:
    """Return the pod template without what says nothing about the model.

    Left out are the hash label of ReplicaSets, `restartedAt` and our own annotations: apply keeps
    those, so a bad manifest that is applied again would otherwise look new.
    """
    metadata = {k: v for k, v in template.get("metadata", {}).items() if v is not None}
    labels = {k: v for k, v in metadata.pop("labels", {}).items() if k != _HASH_LABEL}
    annotations = {
        k: v
        for k, v in metadata.pop("annotations", {}).items()
        if k not in _IGNORED_ANNOTATIONS and not k.startswith(_OWN_PREFIX)
    }
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    result: Json = {"spec": template.get("spec", {})}
    if metadata:
        result["metadata"] = metadata
    return result
