"""The custom resources as pydantic models; the CRDs in `crds/` are generated from them."""

GROUP = "modelrollout.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
