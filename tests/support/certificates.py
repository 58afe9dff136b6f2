"""Certificates for tests, made by the openssl program: nothing else on the machine can sign."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_AUTHORITY = """
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
_LEAF = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1
"""


@dataclass(frozen=True)
class Pair:
    """PEM texts, and the files that hold them."""

    folder: Path
    name: str

    @property
    def certificate_file(self) -> Path:
        return self.folder / f"{self.name}.crt"

    @property
    def key_file(self) -> Path:
        return self.folder / f"{self.name}.key"

    @property
    def certificate(self) -> str:
        return self.certificate_file.read_text()

    @property
    def key(self) -> str:
        return self.key_file.read_text()


class Authority:
    """Signs certificates for 127.0.0.1, of servers and clients, that are valid for a day."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.pair = Pair(folder, name)
        _request(self.pair, _AUTHORITY)

    @property
    def bundle(self) -> str:
        """What others have to trust."""
        return self.pair.certificate

    def issue(self, name: str, *, passphrase: str = "") -> Pair:
        """Sign a new key; with a passphrase, the key's file is encrypted."""
        pair = Pair(self.pair.folder, name)
        signer = ["-CA", str(self.pair.certificate_file), "-CAkey", str(self.pair.key_file)]
        _request(pair, _LEAF, *signer, passphrase=passphrase)
        return pair


def _request(pair: Pair, extensions: str, *signer: str, passphrase: str = "") -> None:
    config = pair.folder / f"{pair.name}.cnf"
    config.write_text(
        "[req]\ndistinguished_name = dn\nprompt = no\nx509_extensions = ext\n"
        f"[dn]\nCN = {pair.name}\n[ext]{extensions}"
    )
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    key += ["-passout", f"pass:{passphrase}"] if passphrase else ["-noenc"]
    files = ["-config", str(config), "-keyout", str(pair.key_file)]
    files += ["-out", str(pair.certificate_file)]
    command = ["openssl", "req", "-x509", "-days", "1", *key, *files, *signer]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
