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


def install_operator(control_plane: ControlPlane) -> None:
    """Apply the roles of deploy/; and have nodes whose pods are Ready at once."""
    control_plane.kubectl("apply", "-k", str(REPOSITORY / "deploy"))
    control_plane.scale_nodes(2)
