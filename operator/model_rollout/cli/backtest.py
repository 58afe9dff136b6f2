"""`modelrollout backtest`: what a policy would have done, from what Prometheus remembers."""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from model_rollout.adapters.prometheus.history import PrometheusHistory
from model_rollout.analysis.measurement import ErrorKind
from model_rollout.api.types import seconds
from model_rollout.backtest.document import as_document
from model_rollout.backtest.history import HistoryError
from model_rollout.backtest.manifests import InputError, Inputs, read_inputs
from model_rollout.backtest.plot import check_plot, write_plot
from model_rollout.backtest.policy import where_written
from model_rollout.backtest.progress import ProgressBar
from model_rollout.backtest.result import Result
from model_rollout.backtest.run import run_backtest
from model_rollout.backtest.table import as_table
from model_rollout.ports.prometheus import Endpoint

RAN, UNREACHABLE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses."""

_WIDTH = 120
_DEADLINE = 300.0
"""Seconds for one question, which may be a day of many series: nobody is kept waiting but the caller."""
_MAX_BYTES = 256 * 1024 * 1024
_MAX_SAMPLES = 4_000_000
"""Of one question: a day of raw samples of a few hundred series."""
_ADVICE = {
    ErrorKind.TLS: "name the certificate of its authority with --ca-file",
    ErrorKind.UNAUTHORIZED: "write --token-file, with --tenant where there are tenants",
    ErrorKind.CLIENT: "correct --prometheus, or write --tenant",
    ErrorKind.TOO_LARGE: "select fewer series, or write a shorter --since",
    ErrorKind.TIMEOUT: "write a cheaper query, or a shorter --since",
    ErrorKind.SERVER: "look into its log, or try the query there",
}
_REACH = "start it, or correct --prometheus"


def add_backtest(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser of all commands."""
    backtest = commands.add_parser(
        "backtest",
        help="show what a policy would have done, from the history in Prometheus",
        description="Replays a ModelRollout over the history in Prometheus with the operator's own "
        "code: when it would have rolled back, held or been suspicious, and why. Reads only; no "
        "cluster is needed and nothing has to be installed.",
        epilog="Exit status: 0 it ran, 1 Prometheus gave no answer, 2 something written is wrong.",
    )
    backtest.set_defaults(execute=_execute)
    backtest.add_argument(
        "-f",
        "--filename",
        action="append",
        required=True,
        metavar="FILE",
        help="YAML with the ModelRollout; also its MetricTemplates and its Deployment. Repeat for "
        "several files",
    )
    backtest.add_argument(
        "--prometheus",
        metavar="URL",
        help="base URL (default: $PROMETHEUS_URL, or spec.prometheus.url of the file)",
    )
    backtest.add_argument(
        "--since",
        required=True,
        metavar="TIME",
        help="how far back, such as 30d, or from when, such as 2026-01-01T00:00:00Z",
    )
    backtest.add_argument(
        "--until", metavar="TIME", help="until when; a time, or how long ago (default: now)"
    )
    backtest.add_argument("--namespace", help="default: that of the ModelRollout, or default")
    backtest.add_argument("-o", "--output", choices=("table", "json"), default="table")
    backtest.add_argument(
        "--plot", metavar="FILE", help="draw metrics, limits and evidence; .html or .png"
    )
    backtest.add_argument("--token-file", metavar="FILE", help="a bearer token for Prometheus")
    backtest.add_argument("--ca-file", metavar="FILE", help="certificates to trust, as PEM")
    backtest.add_argument("--tenant", help="sent as X-Scope-OrgID, which Mimir and Cortex ask for")


def _execute(chosen: argparse.Namespace) -> int:
    now = time.time()
    try:
        if chosen.plot:
            check_plot(chosen.plot)
        inputs = read_inputs(chosen.filename, chosen.namespace)
        until = now if chosen.until is None else _moment("--until", chosen.until, now)
        since = _moment("--since", chosen.since, until)
        endpoint = _endpoint(chosen, inputs)
        result = _run(inputs, endpoint, since, min(until, now))
        _show(result, chosen)
    except InputError as error:
        return _failed(str(error), BAD_INPUT)
    except HistoryError as error:
        return _refused(error, inputs, endpoint)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    return RAN


def _run(inputs: Inputs, endpoint: Endpoint, since: float, until: float) -> Result:
    bar = ProgressBar(sys.stderr)

    async def run() -> Result:
        history = PrometheusHistory(
            deadline=_DEADLINE, max_bytes=_MAX_BYTES, max_samples=_MAX_SAMPLES
        )
        try:
            return await run_backtest(inputs, history, endpoint, since, until, bar)
        finally:
            history.close()

    try:
        return asyncio.run(run())
    finally:
        bar.clear()


def _show(result: Result, chosen: argparse.Namespace) -> None:
    if chosen.plot:
        write_plot(result, chosen.plot)
    if chosen.output == "json":
        print(json.dumps(as_document(result), indent=2, ensure_ascii=False))
        return
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    print(as_table(result, width), end="")


def _moment(option: str, text: str, before: float) -> float:
    """Return a time; a length counts back from `before`."""
    try:
        return before - seconds(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{option} {text} is no time: write for example 30d, or 2026-01-01T00:00:00Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _endpoint(chosen: argparse.Namespace, inputs: Inputs) -> Endpoint:
    written = inputs.rollout.body["spec"].get("prometheus", {})
    url = chosen.prometheus or os.environ.get("PROMETHEUS_URL") or written.get("url")
    if not url:
        raise InputError("no Prometheus: write --prometheus with its URL")
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--prometheus {url} is no URL: write for example http://localhost:9090")
    token = _content("--token-file", chosen.token_file).strip()
    return Endpoint(
        url.rstrip("/"),
        tenant=chosen.tenant or written.get("tenant", ""),
        authorization=f"Bearer {token}" if token else "",
        ca_bundle=_content("--ca-file", chosen.ca_file),
    )


def _content(option: str, file: str | None) -> str:
    if file is None:
        return ""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{option} {file} cannot be read: {why}") from None
    if not text.strip():
        raise InputError(f"{option} {file} is empty: name another file")
    return text


def _refused(error: HistoryError, inputs: Inputs, endpoint: Endpoint) -> int:
    if error.error.kind is ErrorKind.BAD_QUERY:
        written = where_written(inputs, error.promql)
        text = str(written) if written else f"Prometheus cannot evaluate {error.promql}"
        return _failed(text, BAD_INPUT)
    advice = _ADVICE.get(error.error.kind, _REACH)
    detail = f"{error.error.kind.value}: {error.error.detail}"
    return _failed(
        f"Prometheus at {endpoint.url} gives no history of {error.promql} ({detail}): {advice}",
        UNREACHABLE,
    )


def _failed(message: str, status: int) -> int:
    print(f"modelrollout backtest: {message}", file=sys.stderr)
    return status
