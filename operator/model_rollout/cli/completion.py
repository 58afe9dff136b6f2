"""`modelrollout completion`: completion for shells, generated from the parser itself.

The scripts hold every command, flag and choice, so that a press of the tab key starts no process;
only the names of ModelRollouts are asked for, by the hidden command `__names`.
"""

import argparse
import asyncio
from collections.abc import Callable

from model_rollout.cli.cluster import Cluster
from model_rollout.cli.connect import Connection, connected, in_cluster
from model_rollout.cli.kubeconfig import Place, add_place, place_of
from model_rollout.cli.output import OK, CommandError, show
from model_rollout.cli.shells import as_bash, as_fish, as_zsh
from model_rollout.cli.view import Rollout
from model_rollout.cli.words import Command, candidates, commands_of

_SHELLS: dict[str, Callable[[tuple[Command, ...]], str]] = {
    "bash": as_bash,
    "zsh": as_zsh,
    "fish": as_fish,
}
_NO_FILES = ":4"
"""The directive of kubectl (and cobra) not to offer files."""
_HELP = """\
To complete in this shell from now on:
  bash: source <(modelrollout completion bash)
  zsh:  source <(modelrollout completion zsh)
  fish: modelrollout completion fish | source
That line in ~/.bashrc, ~/.zshrc (below compinit) or ~/.config/fish/config.fish does it for every shell.

kubectl asks an executable file named kubectl_complete-modelrollout on the PATH:
  #!/bin/sh
  exec modelrollout __complete "$@"
"""


def add_completion(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", root: argparse.ArgumentParser
) -> None:
    """Add the command to the parser of all commands, `root`, for which it generates."""
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands in your shell",
        description="Prints a script that completes commands, flags and names in a shell.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=tuple(_SHELLS))
    completion.set_defaults(execute=lambda chosen: _print(_SHELLS[chosen.shell](commands_of(root))))
    # Without help they are not listed.
    names = commands.add_parser("__names")
    names.set_defaults(execute=in_cluster(_names))
    add_place(names)
    complete = commands.add_parser("__complete")
    complete.add_argument("typed", nargs=argparse.REMAINDER)
    complete.set_defaults(execute=lambda chosen: _complete(commands_of(root), chosen.typed))


def _print(script: str) -> int:
    show(script.rstrip("\n").split("\n"))
    return OK


async def _names(connection: Connection, place: Place, _: argparse.Namespace) -> int:
    show([Rollout(body).name for body in await Cluster(connection, place).rollouts()])
    return OK


def _complete(commands: tuple[Command, ...], typed: list[str]) -> int:
    """Print what the last word may become, as kubectl asks for it."""
    words = typed or [""]
    found = candidates(commands, words)
    if found is None:
        found = _known_names(words)
    show([*(word for word in found if word.startswith(words[-1])), _NO_FILES])
    return OK


def _known_names(typed: list[str]) -> tuple[str, ...]:
    """Ask the cluster that the words typed so far choose; whatever fails, there is nothing to offer."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_place(parser)

    async def ask(chosen: argparse.Namespace) -> tuple[str, ...]:
        place = place_of(chosen)
        async with connected(place) as connection:
            rollouts = await Cluster(connection, place).rollouts()
        return tuple(Rollout(body).name for body in rollouts)

    try:
        chosen, _ = parser.parse_known_args(typed[:-1])
        return asyncio.run(ask(chosen))
    except (CommandError, argparse.ArgumentError):
        return ()
