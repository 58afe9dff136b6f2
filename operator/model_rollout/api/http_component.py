"""The component that lives behind a URL: an index alias, a feature flag, an alias of a registry."""

from typing import Annotated

from pydantic import ConfigDict, Field

from model_rollout.api.prometheus import URL_PATTERN, CaBundleRef, TokenRef, needs_https
from model_rollout.api.types import ApiModel, cel, validations

CHECK_PATH = "/check"
"""What follows the URL of a value where nothing else is written: there values are checked."""

_SERVER = "'^https?://[^/]+'"
_Url = Annotated[str, Field(max_length=1024, pattern=URL_PATTERN)]


def _plain_url(example: str) -> dict[str, str]:
    return cel(
        f"self.matches(r'{URL_PATTERN}')",
        f"write a URL such as {example}, that begins with http:// or https://, without user, "
        "query and fragment",
    )


class HttpComponent(ApiModel):
    """One value that a server gives and takes, as docs/http-components.md says."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                f"!has(self.check) || self.check.find({_SERVER}) == self.url.find({_SERVER})",
                "write a check on the server of url: the same scheme, host and port",
            ),
            needs_https("caBundleRef"),
        )
    )

    url: _Url = Field(
        description="Where the value is read (GET) and written (PUT), for example "
        "http://kb-alias.ml.svc:8080/alias.",
        json_schema_extra=validations(_plain_url("http://kb-alias.ml.svc:8080/alias")),
    )
    check: _Url | None = Field(
        None,
        description="Where it is asked (POST) whether a value could be set, before anything is "
        f"written. Default: the url followed by {CHECK_PATH}.",
        json_schema_extra=validations(_plain_url("http://kb-alias.ml.svc:8080/alias/check")),
    )
    auth_secret_ref: TokenRef | None = Field(
        None,
        description="A Secret with a bearer token, in this namespace. It names the server's host "
        "in its annotation modelrollout.dev/allowed-hosts.",
    )
    ca_bundle_ref: CaBundleRef | None = Field(
        None,
        description="A ConfigMap with the certificates to trust, in this namespace. Default: "
        "those of the system.",
    )

    @property
    def check_url(self) -> str:
        """Return where values are checked."""
        return self.check or self.url.rstrip("/") + CHECK_PATH
