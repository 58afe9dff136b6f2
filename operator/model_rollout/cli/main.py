"""`modelrollout`, also `kubectl modelrollout`: the command line."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import yaml

from model_rollout import __version__
from model_rollout.api.crd import custom_resource_definitions
from model_rollout.api.types import duration_text, seconds
from model_rollout.cli.approve import add_approve
from model_rollout.cli.audit import add_audit
from model_rollout.cli.backtest import add_backtest
from model_rollout.cli.completion import add_completion
from model_rollout.cli.diff import add_diff
from model_rollout.cli.explain import add_explain
from model_rollout.cli.history import add_history
from model_rollout.cli.lint import add_lint
from model_rollout.cli.output import program
from model_rollout.cli.rollback import add_rollback
from model_rollout.cli.status import add_status
from model_rollout.cli.switch import add_pause, add_resume
from model_rollout.cli.unquarantine import add_unquarantine
from model_rollout.decision.fleet import FleetLimits
from model_rollout.records.retention import LEAST_KEPT, LONGEST_KEPT

_EPILOG = "Documentation: README.md; the custom resources: kubectl explain modelrollout.spec"

_COMMANDS = (
    add_status,
    add_history,
    add_diff,
    add_explain,
    add_approve,
    add_rollback,
    add_pause,
    add_resume,
    add_unquarantine,
    add_lint,
    add_backtest,
    add_audit,
)
"""In the order of the help."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = argparse.ArgumentParser(
        prog=program(),
        description="Guards model deployments by the evidence of their quality metrics.",
        epilog=_EPILOG,
    )
    root.add_argument("--version", action="version", version=f"modelrollout {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    crds = commands.add_parser("crds", help="print the CustomResourceDefinitions")
    crds.set_defaults(execute=_print_crds)
    _add_run(commands.add_parser("run", help="run the operator"))
    add_completion(commands, root)
    return root


def _add_run(run: argparse.ArgumentParser) -> None:
    run.set_defaults(execute=_run)
    run.add_argument("--kubeconfig", help="default: $KUBECONFIG, the pod's account, ~/.kube/config")
    run.add_argument("--context", help="context of the kubeconfig")
    run.add_argument(
        "--namespace",
        action="append",
        default=[],
        help="guard only this namespace; repeat for several (default: the whole cluster)",
    )
    run.add_argument(
        "--lease-namespace",
        default=os.environ.get("POD_NAMESPACE", "model-rollout-system"),
        help="where the Lease of the leader is (default: $POD_NAMESPACE or %(default)s)",
    )
    run.add_argument(
        "--lease-duration",
        type=_lease_duration,
        default=15.0,
        metavar="SECONDS",
        help="after so long another process takes over from one that died (default: %(default)g)",
    )
    _add_fleet(run)
    run.add_argument(
        "--prometheus-url",
        default=os.environ.get("PROMETHEUS_URL"),
        help="for ModelRollouts that name none (default: $PROMETHEUS_URL)",
    )
    run.add_argument(
        "--http-address",
        type=_address,
        default="0.0.0.0:8080",
        help="HOST:PORT of /metrics, /healthz and /readyz; port 0 takes a free one",
    )
    run.add_argument(
        "--keep-records",
        type=_kept,
        default="180d",
        metavar="DURATION",
        help="delete RolloutRecords that are older, but never the newest of a ModelRollout "
        "(default: %(default)s)",
    )
    run.add_argument("--log-format", choices=("json", "text"), default="json")
    run.add_argument("--log-level", choices=("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO")


def _add_fleet(run: argparse.ArgumentParser) -> None:
    default = FleetLimits()
    run.add_argument(
        "--fleet-window",
        type=_fleet_window,
        default=default.window,
        metavar="TIME",
        help="when too many models would roll back within this time, none does until it has passed "
        f"with fewer; 0s: never (default: {duration_text(default.window)})",
    )
    run.add_argument(
        "--fleet-min",
        type=_fleet_min,
        default=default.least,
        metavar="COUNT",
        help="too many are at least so many (default: %(default)s)",
    )
    run.add_argument(
        "--fleet-share",
        type=_fleet_share,
        default=default.share,
        metavar="SHARE",
        help="and at least this share of all ModelRollouts (default: %(default)g)",
    )


def _fleet_window(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _fleet_min(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 2 to 1000000")
    return int(text)


def _fleet_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a share from 0 to 1: write for example 0.2"
        )
    return share


def _address(text: str) -> str:
    _, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT: write for example :8080")
    return text


def _lease_duration(text: str) -> float:
    try:
        length = float(text)
    except ValueError:
        length = 0.0
    if not 1.0 <= length <= 600.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 600 seconds")
    return length


def _kept(text: str) -> float:
    try:
        length = seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not LEAST_KEPT <= length <= LONGEST_KEPT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not {duration_text(LEAST_KEPT)} to {duration_text(LONGEST_KEPT)}"
        )
    return length


def _print_crds(_: argparse.Namespace) -> int:
    """For `modelrollout crds | kubectl apply --server-side -f -`: those of this very version."""
    print(yaml.safe_dump_all(custom_resource_definitions(), sort_keys=False), end="")
    return 0


def _run(chosen: argparse.Namespace) -> int:
    # Only here: the operator's framework takes longer to load than everything else together.
    from model_rollout.cli.logs import configure_logs
    from model_rollout.cli.operator import Options, run_operator

    configure_logs(chosen.log_format, chosen.log_level)
    options = Options(
        kubeconfig=chosen.kubeconfig,
        context=chosen.context,
        namespaces=tuple(chosen.namespace),
        lease_namespace=chosen.lease_namespace,
        prometheus_url=chosen.prometheus_url,
        http_address=chosen.http_address,
        lease_duration=chosen.lease_duration,
        fleet=FleetLimits(chosen.fleet_window, chosen.fleet_min, chosen.fleet_share),
        keep_records=chosen.keep_records,
    )
    return asyncio.run(run_operator(options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    chosen = parser().parse_args(arguments)
    status: int = chosen.execute(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
