"""Contexts from PEM texts: none of it stays on a disk, none of it shows up in an error."""

import ssl
import tempfile
from pathlib import Path

import pytest

from model_rollout.adapters.tls import TlsContexts
from model_rollout.analysis.measurement import ErrorKind, QueryError
from support.certificates import Authority, Pair

CANARY = "hunter2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def client(authority: Authority) -> Pair:
    return authority.issue("client")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_the_bundle_is_trusted(authority: Authority) -> None:
    context = TlsContexts(Clock()).of(ca_bundle=authority.bundle)
    assert isinstance(context, ssl.SSLContext)
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_bundle_may_hold_names_that_are_not_ascii(authority: Authority) -> None:
    bundle = f"# Főtanúsítvány\n{authority.bundle}"
    context = TlsContexts(Clock()).of(ca_bundle=bundle)
    assert isinstance(context, ssl.SSLContext)
    assert len(context.get_ca_certs()) == 1


def test_without_a_bundle_the_system_is_trusted(client: Pair) -> None:
    context = TlsContexts(Clock()).of(client_certificate=client.certificate, client_key=client.key)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("bundle", [CANARY, "ä", "\x00", "-----BEGIN CERTIFICATE-----"])
def test_a_bundle_without_certificates(bundle: str) -> None:
    result = TlsContexts(Clock()).of(ca_bundle=bundle)
    assert result == QueryError(ErrorKind.TLS, "the CA bundle holds no certificates in PEM")


@pytest.mark.parametrize("what", ["no PEM", "no key", "no certificate", "other key", "passphrase"])
def test_a_client_certificate_that_cannot_be_used(
    authority: Authority, client: Pair, what: str
) -> None:
    locked = authority.issue("locked", passphrase=CANARY)
    certificate, key = {
        "no PEM": (CANARY, CANARY),
        "no key": (client.certificate, ""),
        "no certificate": ("", client.key),
        "other key": (client.certificate, authority.pair.key),
        # OpenSSL would ask for it at the terminal, and nobody is there.
        "passphrase": (locked.certificate, locked.key),
    }[what]
    result = TlsContexts(Clock()).of(client_certificate=certificate, client_key=key)
    assert isinstance(result, QueryError)
    assert result.kind is ErrorKind.TLS
    assert CANARY not in repr(result)


@pytest.mark.parametrize("in_memory", [True, False])
def test_no_file_stays(
    client: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not in_memory:
        monkeypatch.delattr("os.memfd_create", raising=False)
    context = TlsContexts(Clock()).of(client_certificate=client.certificate, client_key=client.key)
    assert isinstance(context, ssl.SSLContext)
    assert list(tmp_path.iterdir()) == []


def test_the_same_certificates_share_a_context(authority: Authority) -> None:
    contexts = TlsContexts(Clock())
    first = contexts.of(ca_bundle=authority.bundle)
    assert contexts.of(ca_bundle=authority.bundle) is first
    assert contexts.of() is not first


def test_no_more_are_kept_than_needed() -> None:
    clock = Clock()
    contexts = TlsContexts(clock)
    first = contexts.of()
    for number in range(TlsContexts.KEPT - 1):
        contexts.of(ca_bundle=f"{number}")
    assert contexts.of() is first  # used, so the last to go
    for number in range(TlsContexts.KEPT - 1):
        contexts.of(ca_bundle=f"other {number}")
    assert len(contexts._contexts) == TlsContexts.KEPT
    assert contexts.of() is first
    clock.now = TlsContexts.UNUSED_AFTER
    contexts.of(ca_bundle="new")
    assert len(contexts._contexts) == 1
