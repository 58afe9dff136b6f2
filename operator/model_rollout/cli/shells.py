"""Completion as scripts of bash, zsh and fish."""

import shlex
from collections.abc import Iterator

from model_rollout.cli.words import Command, Flag

_PROGRAMS = ("modelrollout", "kubectl-modelrollout")
_PLACE = ("-n", "--namespace", "--context", "--kubeconfig")
"""Flags that say which cluster is asked for names."""

# Arrays count from 0 in both shells: zsh is told to.
_BODY = """\
    local command="" previous="" word candidates="" files=0 given=0 skip=0 i
    local -a place=()
    for ((i = 1; i < at; i++)); do
        word=${typed[i]}
        previous=$word
        if ((skip)); then skip=0; continue; fi
        case $word in
            @PLACE@) place+=("$word" "${typed[i + 1]}"); skip=1 ;;
            @VALUES@) skip=1 ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=$word; else ((given += 1)); fi ;;
        esac
    done
    case "$command $previous" in
@CHOICES@
        *)
            case $command in
                "") candidates="@COMMANDS@" ;;
@FLAGS@
            esac
            ;;
    esac
"""

_BASH = """\
# bash completion for modelrollout
_modelrollout() {
    local -a typed=("${COMP_WORDS[@]}")
    local at=$COMP_CWORD current=${COMP_WORDS[COMP_CWORD]}
@BODY@    if ((files)); then
        COMPREPLY=($(compgen -f -- "$current"))
    else
        COMPREPLY=($(compgen -W "$candidates" -- "$current"))
    fi
}
complete -o filenames -F _modelrollout @PROGRAMS@
"""

_ZSH = """\
#compdef @PROGRAMS@
# zsh completion for modelrollout
_modelrollout() {
    local -a typed=("${words[@]}")
    local at=$((CURRENT - 1)) current=${words[CURRENT]}
    setopt localoptions ksharrays
@BODY@    unsetopt ksharrays
    if ((files)); then
        _files
    else
        compadd -- ${=candidates}
    fi
}
compdef _modelrollout @PROGRAMS@
"""


def as_bash(commands: tuple[Command, ...]) -> str:
    """Return the script for bash."""
    return _filled(_BASH, commands)


def as_zsh(commands: tuple[Command, ...]) -> str:
    """Return the script for zsh."""
    return _filled(_ZSH, commands)


def _filled(script: str, commands: tuple[Command, ...]) -> str:
    values = {name for c in commands for f in c.flags if f.takes_value for name in f.names}
    parts = {
        "@BODY@": _BODY,
        "@PLACE@": "|".join(_PLACE),
        "@VALUES@": "|".join(sorted(values - set(_PLACE))),
        "@CHOICES@": "\n".join(_after_flags(commands)),
        "@COMMANDS@": " ".join(command.name for command in commands),
        "@FLAGS@": "\n".join(map(_of_command, commands)),
        "@PROGRAMS@": " ".join(_PROGRAMS),
    }
    for name, text in parts.items():
        script = script.replace(name, text)
    return script


def _after_flags(commands: tuple[Command, ...]) -> Iterator[str]:
    """Yield the cases of a word that is the value of a flag."""
    for command in commands:
        for flag in filter(lambda flag: flag.takes_value, command.flags):
            case = "|".join(f'"{command.name} {name}"' for name in flag.names)
            what = "files=1" if flag.is_file else f'candidates="{" ".join(flag.choices)}"'
            yield f"        {case}) {what} ;;"


def _of_command(command: Command) -> str:
    """Return the case of a word that is a flag or an argument of a command."""
    argument = '""'
    if command.takes_name:
        argument = '$(modelrollout __names "${place[@]}" 2>/dev/null)'
    elif command.choices:
        argument = f'"{" ".join(command.choices)}"'
    return (
        f"                {command.name})\n"
        f'                    if [[ $current == -* ]]; then candidates="{" ".join(command.words)}"\n'
        f"                    elif ((given == 0)); then candidates={argument}; fi ;;"
    )


_FISH = """\
# fish completion for modelrollout
function __modelrollout_names
    set -l place
    set -l typed (commandline -opc)
    for i in (seq (count $typed))
        if contains -- $typed[$i] @PLACE@
            set -a place $typed[$i] $typed[(math $i + 1)]
        end
    end
    modelrollout __names $place 2>/dev/null
end
"""


def as_fish(commands: tuple[Command, ...]) -> str:
    """Return the script for fish."""
    lines = [_FISH.replace("@PLACE@", " ".join(_PLACE)), "complete -c modelrollout -f"]
    for command in commands:
        lines.append(_fish("-n __fish_use_subcommand", f"-a {command.name}", command.help))
        here = f"-n '__fish_seen_subcommand_from {command.name}'"
        if command.takes_name:
            lines.append(f"complete -c modelrollout {here} -a '(__modelrollout_names)'")
        elif command.choices:
            lines.append(f"complete -c modelrollout {here} -a '{' '.join(command.choices)}'")
        lines += [_fish(here, _fish_flag(flag), flag.help) for flag in command.flags]
    lines.append("complete -c kubectl-modelrollout -w modelrollout")
    return "\n".join(lines)


def _fish(condition: str, what: str, help_: str) -> str:
    # In help `%(default)s` stands for what argparse fills in.
    first = help_.partition(" (default")[0]
    return f"complete -c modelrollout {condition} {what} -d {shlex.quote(first)}"


def _fish_flag(flag: Flag) -> str:
    names = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in flag.names]
    if flag.is_file:
        names.append("-r -F")
    elif flag.takes_value:
        names.append(f"-x -a '{' '.join(flag.choices)}'" if flag.choices else "-x")
    return " ".join(names)
