"""`python -m demo`: the operator guards a real model, step by step."""

import argparse
import os
import re
import signal
import sys
import textwrap
import time
from pathlib import Path
from types import FrameType

from demo.environment import Environment, GivenEnvironment, LocalEnvironment, Unfit
from demo.kube import KubectlFailed, ReadFailed
from demo.manifests import guard_manifest, shortened
from demo.observe import StepFailed
from demo.steps import STEPS
from localcluster.workspace import tail

_WIDTH = 100
_LONGEST_INTERVAL = 600
_NUMBER_AND_UNIT = re.compile(r"(?<=[0-9=]) (?=[%0-9]|m?s\b)")
_HARD_SPACE = "\N{NO-BREAK SPACE}"
_LABEL_VALUE = r'"([^"]*)"'
_NEEDS = """\
Without --kubeconfig the demo starts everything itself. On a cluster of yours it needs
 - the rights of an administrator, and nothing of this operator installed there before;
 - --prometheus-url: a Prometheus that this machine reaches, and that scrapes pods with the annotations
   prometheus.io/scrape and prometheus.io/port and gives their series the label `app`;
 - the images PREFIXdigits:v1, :v3-slow and :v5 where the nodes can pull them: hack/demo/model/serve.py
   with numpy and prometheus-client as the entry point, for a pod may add arguments (v3-slow: with
   --slow 0.3), and below /models the five models that
   `PYTHONPATH=hack python -m demo.model.train FOLDER` writes. PREFIXdigits:v4-missing must not exist.
It works in a namespace of its own and removes everything at the end. It takes about 90 times as
long as --interval: an hour and a half with a Prometheus that scrapes every 30 s.
"""


def main() -> int:
    # As Ctrl-C: everything that was started is ended.
    signal.signal(signal.SIGTERM, _interrupt)
    options = _parse()
    started = time.monotonic()
    try:
        with _environment(options) as env:
            _say(f"Everything runs after {time.monotonic() - started:.1f} s.\n")
            return _run(env, started)
    except KeyboardInterrupt:
        _say("\nInterrupted; everything that was started is gone.")
        return 130
    except Unfit as error:
        _say(f"{error}\n\n{_NEEDS}")
        return 2
    except (StepFailed, KubectlFailed, TimeoutError) as error:
        _say(f"The demo could not start: {error}")
        return 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description=__doc__,
        epilog=_NEEDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # make passes KUBECONFIG on only when it was written in its command line. One that is in the
    # environment for other reasons may be production.
    by_make = os.environ.get("KUBECONFIG") if "MAKELEVEL" in os.environ else None
    parser.add_argument(
        "--kubeconfig", type=Path, default=by_make, metavar="FILE", help="use this cluster"
    )
    parser.add_argument("--prometheus-url", default=os.environ.get("PROMETHEUS_URL"), metavar="URL")
    parser.add_argument("--image-prefix", default=os.environ.get("IMAGE_PREFIX", ""))
    parser.add_argument(
        "--interval",
        type=_whole_seconds,
        default=60,
        metavar="SECONDS",
        help="with --kubeconfig: time between two checks, two scrapes of your Prometheus or more; "
        "all durations follow from it (default: %(default)s)",
    )
    return parser.parse_args()


def _whole_seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(
            f"write whole seconds from 1 to {_LONGEST_INTERVAL}, such as 60"
        )
    return int(text)


def _environment(options: argparse.Namespace) -> Environment:
    if options.kubeconfig is None:
        _say("Starting a control plane, Prometheus, a node and the operator …")
        return LocalEnvironment()
    if not options.prometheus_url:
        raise Unfit("--prometheus-url is missing (with make: PROMETHEUS_URL=…)")
    if not options.kubeconfig.is_file():
        raise Unfit(f"{options.kubeconfig} is not a file")
    _say(f"Installing on the cluster of {options.kubeconfig} …")
    return GivenEnvironment(
        options.kubeconfig, options.prometheus_url, options.image_prefix, options.interval
    )


def _run(env: Environment, started: float) -> int:
    _say("The guard of the model, as its owner writes it:\n")
    _say(textwrap.indent(guard_manifest().rstrip(), "    "))
    _say("\nBeside it a model that is asked little is guarded: deploy/examples/digits-quiet.yaml.")
    _say("\nShortened for the demo, from what it would be to what it is here:\n")
    for line in shortened(env.pace):
        _say(f"    {line}")
    _say("")
    steps = _steps(env)
    _say("\n" + env.kubectl("get", "mro,mrev").rstrip())
    seconds = time.monotonic() - started
    _say(f"\n{steps} of {len(STEPS)} steps seen in {seconds:.0f} s, start-up included.")
    _say(_writes(env))
    return 0 if steps == len(STEPS) else 1


def _steps(env: Environment) -> int:
    """Run the steps until one fails; returns how many were seen."""
    for number, step in enumerate(STEPS, start=1):
        try:
            _say(_paragraphs(f"{number}. ", step(env)))
        except (StepFailed, KubectlFailed, ReadFailed, OSError) as error:
            _say(f"{number}. FAILED ({(step.__doc__ or '').rstrip('.')}): {error}")
            _say(f"\nThe end of the operator's log:\n{tail(env.operator.log, 30)}")
            _say(f"\nAll logs: {env.keep_logs()}")
            return number - 1
    return len(STEPS)


def _paragraphs(number: str, text: str) -> str:
    """What was seen, and indented below it what the operator said."""
    seen, *quotes = text.split("\n")
    lines = [_filled(seen, number, "   ")]
    lines += [_filled(quote, "     ", "      ") for quote in quotes]
    return "\n".join(lines)


def _filled(text: str, first: str, others: str) -> str:
    filled = textwrap.fill(
        _NUMBER_AND_UNIT.sub(_HARD_SPACE, text),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(_HARD_SPACE, " ")


def _writes(env: Environment) -> str:
    """What the operator that finished the demo wrote; its killed predecessor took its count along."""
    try:
        writes = env.operator.counter("modelrollout_api_writes_total")
    except OSError as error:
        return f"The operator does not tell what it wrote: {error}"
    listed = ", ".join(
        f"{' '.join(re.findall(_LABEL_VALUE, labels))} {count:.0f}"
        for labels, count in sorted(writes.items())
    )
    return f"Writes of the last operator to the API server: {sum(writes.values()):.0f} ({listed})"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
