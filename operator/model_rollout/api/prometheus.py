"""Where metrics are read, and what it takes to be let in."""

from typing import Annotated

from pydantic import ConfigDict, Field

from model_rollout.api.types import ApiModel, ObjectName, cel, validations

URL_PATTERN = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
"""URLs of http and https without user, query and fragment."""

DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""A key of a Secret or of a ConfigMap."""


class TokenRef(ApiModel):
    """A key of a Secret that holds a bearer token."""

    name: ObjectName = Field(description="Name of the Secret, in this namespace.")
    key: DataKey = Field("token", description="The key that holds the token.")


class SecretRef(ApiModel):
    """A Secret whose keys have fixed names."""

    name: ObjectName = Field(description="Name of the Secret, in this namespace.")


class CaBundleRef(ApiModel):
    """A key of a ConfigMap that holds certificates."""

    name: ObjectName = Field(description="Name of the ConfigMap, in this namespace.")
    key: DataKey = Field("ca.crt", description="The key that holds the certificates, as PEM.")


def needs_https(field: str) -> dict[str, str]:
    """Return the rule that a field beside `url` makes sense over TLS only."""
    return cel(
        f"!has(self.{field}) || !has(self.url) || self.url.startsWith('https://')",
        f"{field} needs a url that begins with https://",
    )


class Prometheus(ApiModel):
    """Where the metrics are read."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "!has(self.authSecretRef) || !has(self.basicAuthSecretRef)",
                "write authSecretRef (a bearer token) or basicAuthSecretRef (a user and a "
                "password), not both",
            ),
            needs_https("clientCertSecretRef"),
            needs_https("caBundleRef"),
        )
    )

    url: Annotated[str, Field(max_length=2048, pattern=URL_PATTERN)] | None = Field(
        None,
        description="Base URL of Prometheus or of anything that speaks its query API, for example "
        "http://prometheus.monitoring:9090. Default: the operator's --prometheus-url.",
        json_schema_extra=validations(
            cel(
                "self.matches('^https?://[^/?#@]+(/[^?#]*)?$')",
                "write a base URL such as http://prometheus.monitoring:9090, without user, query "
                "and fragment",
            )
        ),
    )
    tenant: Annotated[str, Field(min_length=1, max_length=253, pattern="^[!-~]+$")] | None = Field(
        None,
        description="Sent as the header X-Scope-OrgID, which Mimir and Cortex ask for.",
        json_schema_extra=validations(
            cel("self.matches('^[!-~]+$')", "write a tenant such as team-a, without blanks")
        ),
    )
    auth_secret_ref: TokenRef | None = Field(
        None, description="A Secret with a bearer token, in this namespace."
    )
    basic_auth_secret_ref: SecretRef | None = Field(
        None, description="A Secret with the keys username and password, in this namespace."
    )
    ca_bundle_ref: CaBundleRef | None = Field(
        None,
        description="A ConfigMap with the certificates to trust, in this namespace. Default: "
        "those of the system.",
    )
    client_cert_secret_ref: SecretRef | None = Field(
        None,
        description="A Secret with the keys tls.crt and tls.key, in this namespace: what the "
        "operator shows of itself.",
    )
