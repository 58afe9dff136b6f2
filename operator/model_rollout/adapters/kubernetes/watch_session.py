"""The session that kopf watches with: the same credentials as all other requests, a bounded pool."""

import ssl

import aiohttp
from kubernetes.aio.client import Configuration

from model_rollout import __version__
from model_rollout.adapters.kubernetes.login import Login

_POOL = 32
"""Watches and lists; kopf's own session has no limit, and a storm of events would open as many."""


async def open_watch_session(log_in: Login) -> tuple[str, aiohttp.ClientSession]:
    """Log in and return the server's URL and a session; the caller closes it.

    Raises `Unauthorized` when there are no credentials that can be read.
    """
    configuration = Configuration()
    await log_in(configuration)
    token = await configuration.get_api_key_with_prefix("BearerToken")
    headers = {"User-Agent": f"model-rollout-operator/{__version__}"}
    if token:
        headers["Authorization"] = token
    connector = aiohttp.TCPConnector(limit=_POOL, ssl=_ssl_context(configuration))
    return str(configuration.host), aiohttp.ClientSession(connector=connector, headers=headers)


def _ssl_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data
    )
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:  # only where the kubeconfig says insecure-skip-tls-verify
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
