"""What an administrator does before the operator runs."""

from pathlib import Path

from localcluster.controlplane import ControlPlane
from localcluster.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


def install_crds(control_plane: ControlPlane) -> None:
    """Apply the CustomResourceDefinitions and wait until they are established."""
    control_plane.kubectl("apply", "--server-side", "-f", str(REPOSITORY / "crds"))
    names = (
        "crd/modelrollouts.modelrollout.dev",
        "crd/modelrevisions.modelrollout.dev",
        "crd/rolloutrecords.modelrollout.dev",
        "crd/metrictemplates.modelrollout.dev",
    )
    wait_until(
        # Of a definition without any condition yet kubectl says that this is an error.
        lambda: control_plane.kubectl("wait", "--for=condition=Established", *names),
        30,
        "the CustomResourceDefinitions are established",
    )
    # A new kind answers 429 until the API server has a cache of it; kubectl waits for that.
    control_plane.kubectl("get", "mro,mrev,mrec,mtpl", "--all-namespaces")


def install_further_kinds(control_plane: ControlPlane) -> None:
    """Apply the definitions of kinds that a cluster need not have, and the rights for them."""
    control_plane.kubectl("apply", "-f", str(Path(__file__).parent / "crds"))
    roles = REPOSITORY / "deploy" / "examples" / "rbac-further-kinds.yaml"
    control_plane.kubectl("apply", "-f", str(roles))
    wait_until(
        lambda: control_plane.kubectl(
            "wait",
            "--for=condition=Established",
            "crd/inferenceservices.serving.kserve.io",
            "crd/featureflags.core.openfeature.dev",
        ),
        30,
        "the definitions of further kinds are established",
    )


def install_operator(control_plane: ControlPlane) -> None:
    """Apply the roles of deploy/; and have nodes whose pods are Ready at once."""
    control_plane.kubectl("apply", "-k", str(REPOSITORY / "deploy"))
    control_plane.scale_nodes(2)
