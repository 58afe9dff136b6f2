"""What can be typed: commands, flags and choices, read from the parser of all commands."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

NAME = "NAME"
"""The metavar of an argument that is the name of a ModelRollout."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag."""

    names: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    is_file: bool
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command; what has no help is hidden and is not here."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    takes_name: bool
    """The first argument is the name of a ModelRollout."""
    choices: tuple[str, ...]
    """What the first argument may be."""

    def flag(self, name: str) -> Flag | None:
        """Return a flag by one of its names."""
        return next((flag for flag in self.flags if name in flag.names), None)

    @property
    def words(self) -> tuple[str, ...]:
        """All names of flags."""
        return tuple(name for flag in self.flags for name in flag.names)


def commands_of(root: argparse.ArgumentParser) -> tuple[Command, ...]:
    """Return the commands of a parser, in the order of its help."""
    return tuple(_commands(root))


def _commands(root: argparse.ArgumentParser) -> Iterator[Command]:
    # argparse has no other way to look into a parser.
    for action in root._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for entry in action._choices_actions:  # noqa: SLF001
                yield _command(entry.dest, entry.help or "", action.choices[entry.dest])


def _command(name: str, help_: str, parser: argparse.ArgumentParser) -> Command:
    actions = list(parser._actions)  # noqa: SLF001
    first = next((action for action in actions if not action.option_strings), None)
    if isinstance(first, argparse._SubParsersAction):  # noqa: SLF001
        # A command in two words: what may follow the second one may follow the first.
        parts = [action for part in first.choices.values() for action in part._actions]  # noqa: SLF001
        actions = list({tuple(action.option_strings): action for action in parts}.values())
    return Command(
        name,
        help_,
        tuple(_flag(action) for action in actions if action.option_strings),
        first is not None and first.metavar == NAME,
        tuple(map(str, first.choices)) if first is not None and first.choices else (),
    )


def _flag(action: argparse.Action) -> Flag:
    return Flag(
        tuple(action.option_strings),
        action.nargs != 0,
        tuple(map(str, action.choices)) if action.choices else (),
        action.metavar == "FILE" or action.dest == "kubeconfig",
        action.help or "",
    )


def candidates(commands: tuple[Command, ...], typed: list[str]) -> tuple[str, ...] | None:
    """Return what the last word may become; None: the name of a ModelRollout.

    Args:
        commands: What there is.
        typed: The words after the name of the program; the last one is being typed.
    """
    *before, _ = typed
    command = next((c for c in commands if c.name in before[:1]), None)
    if command is None:
        return () if before else tuple(c.name for c in commands)
    flag = command.flag(before[-1])
    if flag is not None and flag.takes_value:
        return flag.choices
    if typed[-1].startswith("-"):
        return command.words
    arguments = sum(
        not word.startswith("-") and not _takes_value(command, previous)
        for previous, word in pairwise(before)
    )
    if arguments:
        return ()
    return None if command.takes_name else command.choices


def _takes_value(command: Command, word: str) -> bool:
    flag = command.flag(word)
    return flag is not None and flag.takes_value
