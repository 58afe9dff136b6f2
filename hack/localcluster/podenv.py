"""The environment and the command line of a container, as a kubelet works them out."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from localcluster.kubeapi import ApiError, KubeApi
from localcluster.podstatus import POD_IP

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class ConfigError(Exception):
    """A container cannot start because of something its pod refers to."""


async def container_environment(
    api: KubeApi, pod: Mapping[str, Any], container: Mapping[str, Any]
) -> dict[str, str]:
    if pod["spec"].get("initContainers"):
        raise ConfigError("the local node does not run init containers")
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environment |= await _from_source(api, pod, source)
    for variable in container.get("env", []):
        if reference := variable.get("valueFrom"):
            value = await _referenced(api, pod, reference)
        else:
            value = expand(variable.get("value", ""), environment)
        if value is not None:
            environment[variable["name"]] = value
    return environment


def command_line(
    image: Sequence[str], container: Mapping[str, Any], environment: Mapping[str, str]
) -> list[str]:
    """`command` replaces what the image runs, `args` are appended."""
    own = [*container.get("command", []), *container.get("args", [])]
    expanded = [expand(part, environment) for part in own]
    return expanded if container.get("command") else [*image, *expanded]


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value and `$$` a dollar sign; unknown names stay."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else environment.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


async def _from_source(
    api: KubeApi, pod: Mapping[str, Any], source: Mapping[str, Any]
) -> dict[str, str]:
    kind = "configMapRef" if "configMapRef" in source else "secretRef"
    data = await _data(api, pod, kind.removesuffix("Ref"), source[kind])
    return {source.get("prefix", "") + key: value for key, value in data.items()}


async def _referenced(
    api: KubeApi, pod: Mapping[str, Any], reference: Mapping[str, Any]
) -> str | None:
    if field := reference.get("fieldRef"):
        return field_value(pod, field["fieldPath"])
    for kind in ("configMap", "secret"):
        if wanted := reference.get(f"{kind}KeyRef"):
            data = await _data(api, pod, kind, wanted)
            if wanted["key"] not in data and not wanted.get("optional"):
                raise ConfigError(f"couldn't find key {wanted['key']} in {kind} {wanted['name']}")
            return data.get(wanted["key"])
    raise ConfigError(f"the local node does not support env from {', '.join(reference)}")


async def _data(
    api: KubeApi, pod: Mapping[str, Any], kind: str, reference: Mapping[str, Any]
) -> dict[str, str]:
    """The contents of a ConfigMap or a Secret."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/{kind.lower()}s/{reference['name']}"
    try:
        data: dict[str, str] = (await api.get(path)).get("data") or {}
    except ApiError as error:
        if error.status != 404:
            raise
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found') from error
    if kind == "secret":
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
    return data


def field_value(pod: Mapping[str, Any], path: str) -> str:
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    values = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": POD_IP,
        "status.hostIP": POD_IP,
    }
    if path not in values:
        raise ConfigError(f"the local node does not support fieldRef {path}")
    return str(values[path])
