"""A real Prometheus that speaks TLS only and asks for a password, or for a client certificate."""

import base64
import json
import ssl
import urllib.request
from pathlib import Path

from localcluster.prometheus import Prometheus
from support.certificates import Authority, Pair

USER, PASSWORD = "U", "U*U"
# The password's hash as in the published test vectors of bcrypt, as no library here makes one.
_HASH = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"


class SecurePrometheus(Prometheus):
    """`with SecurePrometheus(authority, folder) as prometheus:` has nothing to scrape."""

    def __init__(self, authority: Authority, folder: Path, *, clients: bool = False) -> None:
        """`clients`: asks for certificates of the authority instead of a password."""
        server = authority.issue("prometheus")
        tls = {"cert_file": str(server.certificate_file), "key_file": str(server.key_file)}
        config: dict[str, object] = {"tls_server_config": tls, "basic_auth_users": {USER: _HASH}}
        if clients:
            tls["client_auth_type"] = "RequireAndVerifyClientCert"
            tls["client_ca_file"] = str(authority.pair.certificate_file)
            del config["basic_auth_users"]
        path = folder / "web.yml"
        path.write_text(json.dumps(config))
        super().__init__(flags=[f"--web.config.file={path}"])
        self._trusted = ssl.create_default_context(cadata=authority.bundle)
        if clients:
            ours: Pair = authority.issue("probe")
            self._trusted.load_cert_chain(ours.certificate_file, ours.key_file)

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")

    def _is_ready(self) -> bool:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{self.url}/-/ready")
        request.add_header("Authorization", f"Basic {pair}")
        with urllib.request.urlopen(request, timeout=2, context=self._trusted) as answer:
            return bool(answer.status == 200)
