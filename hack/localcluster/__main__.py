"""python -m localcluster up | down | list | tools"""

import argparse
import sys
import time
from typing import Any

from localcluster.keeper import (
    add_options,
    kept_cluster,
    kept_clusters,
    options_from,
)
from localcluster.toolbuild import BuildError
from localcluster.tools import all_binaries, locate, tool


def main() -> None:
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except (BuildError, RuntimeError, TimeoutError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localcluster", description="a local Kubernetes without containers"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start a cluster that runs until `down`")
    up.add_argument("--name", default="local")
    add_options(up)
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end a cluster and remove every trace of it")
    which = down.add_mutually_exclusive_group()
    which.add_argument("--name", default="local")
    which.add_argument("--all", action="store_true")
    down.set_defaults(run=_down)
    commands.add_parser("list", help="show the clusters").set_defaults(run=_list)
    commands.add_parser(
        "tools", help="find or build the binaries, and show where they are"
    ).set_defaults(run=_tools)
    return parser


def _up(arguments: argparse.Namespace) -> None:
    kept = kept_cluster(arguments.name)
    locate(all_binaries())  # here, where its progress is seen, and not in the keeper
    started = time.monotonic()
    state = kept.up(options_from(arguments))
    print(f"cluster {kept.name} is up ({time.monotonic() - started:.1f} s)")
    _show(state)
    name = "" if kept.name == "local" else f" --name {kept.name}"
    print("next:")
    print(f"  export KUBECONFIG={state['kubeconfig']}")
    print(f"  {tool('kubectl')} get nodes")
    print(f"  python -m localcluster down{name}")


def _show(state: dict[str, Any]) -> None:
    titles = {
        "kubeconfig": "kubeconfig",
        "server": "API server",
        "prometheus": "Prometheus",
        "images": "images",
        "pod_logs": "pods' logs",
        "logs": "logs",
    }
    for key, title in titles.items():
        if key in state:
            print(f"  {title:<11} {state[key]}")


def _down(arguments: argparse.Namespace) -> None:
    for kept in kept_clusters() if arguments.all else [kept_cluster(arguments.name)]:
        known = kept.folder.exists()
        kept.down()
        print(f"cluster {kept.name} is gone" if known else f"no cluster {kept.name}")


def _list(_: argparse.Namespace) -> None:
    for kept in kept_clusters():
        running = kept.is_running
        print(f"{kept.name}: {'running' if running else 'ended; `down` removes what is left'}")
        if running:
            _show(kept.state or {})


def _tools(_: argparse.Namespace) -> None:
    for binary, path in locate(
        all_binaries(), say=lambda line: print(line, file=sys.stderr)
    ).items():
        print(f"{binary:<24} {path}")


if __name__ == "__main__":
    main()
