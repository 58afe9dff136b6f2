"""Where credentials for the API server come from: the pod's ServiceAccount or a kubeconfig."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from model_rollout.ports.kubernetes import Unauthorized

Login = Callable[[Configuration], Awaitable[None]]
"""Fills in server, certificates and token. Called again when the token is refused."""


def login_for(kubeconfig: str | None, context: str | None) -> Login:
    """Return how to log in; an explicit choice wins, then $KUBECONFIG, the pod, ~/.kube/config."""
    chosen = kubeconfig or context or os.environ.get("KUBECONFIG")
    if not chosen and "KUBERNETES_SERVICE_HOST" in os.environ:
        return _log_in_from_pod
    # Read here: kubernetes.aio.config freezes $KUBECONFIG when it is imported.
    paths = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")

    async def log_in_from_file(configuration: Configuration) -> None:
        if not any(map(_exists, paths.split(os.pathsep))):
            raise Unauthorized(f"cannot log in: there is no kubeconfig at {paths}")
        try:
            await load_kube_config(
                config_file=paths,
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        except (ConfigException, OSError, ValueError, TypeError, yaml.YAMLError) as error:
            # Only the class: these texts quote the file, tokens included.
            raise Unauthorized(f"cannot log in with {paths}: {type(error).__name__}") from None

    return log_in_from_file


async def _log_in_from_pod(configuration: Configuration) -> None:
    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        name = type(error).__name__
        raise Unauthorized(f"cannot log in with the pod's ServiceAccount: {name}") from None


def _exists(path: str) -> bool:
    return bool(path) and Path(path).expanduser().exists()
