import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from model_rollout.analysis.measurement import ErrorKind, QueryError
from model_rollout.backtest import history as history_module
from model_rollout.cli import backtest
from model_rollout.cli.backtest import BAD_INPUT, RAN, UNREACHABLE, add_backtest
from model_rollout.ports.prometheus import Endpoint
from unit.backtest.made_up import MadeUpHistory

ROLLOUT = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelRollout
metadata: {name: sentiment, namespace: ml}
spec:
  targetRef: {name: sentiment}
  metrics:
    - name: accuracy
      query: avg(accuracy)
      min: 0.85
      for: 2m
"""
END = "2026-01-02T00:00:00Z"
MIDNIGHT = 1_767_312_000.0


class Server(MadeUpHistory):
    """In place of the adapter; knows whom it was asked for."""

    def __init__(self, **changes: Any) -> None:
        bad = {"avg(accuracy)": lambda time: {(): 0.5 if time > MIDNIGHT - 3600 else 0.9}}
        super().__init__(expressions=bad, **changes)
        self.endpoints: set[Endpoint] = set()

    def __call__(self, **_: Any) -> "Server":
        return self

    async def vectors(self, endpoint: Endpoint, *args: Any) -> Any:
        self.endpoints.add(endpoint)
        return await super().vectors(endpoint, *args)

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(backtest, "PrometheusHistory", made)
    monkeypatch.setattr(history_module, "_TRIES", (0.0,))
    monkeypatch.delenv("PROMETHEUS_URL", raising=False)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "rollout.yaml"
    file.write_text(ROLLOUT)
    return file


def run(file: Path | str, *options: str, prometheus: str | None = "http://p:9090") -> int:
    parser = argparse.ArgumentParser()
    add_backtest(parser.add_subparsers())
    defaults = [] if "--since" in options else ["--since", "6h"]
    defaults += [] if "--until" in options else ["--until", END]
    url = ["--prometheus", prometheus] if prometheus else []
    chosen = parser.parse_args(["backtest", "-f", str(file), *url, *defaults, *options])
    status: int = chosen.execute(chosen)
    return status


def test_a_table(server: Server, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file) == RAN
    out, err = capsys.readouterr()
    assert "ModelRollout ml/sentiment of Deployment sentiment" in out
    assert "2026-01-01 18:00:00 to 2026-01-02 00:00:00 UTC (6h): 721 checks every 30s" in out
    assert "would have held: once" in out
    assert "NoTarget" in out
    assert err == ""


def test_json(server: Server, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, "-o", "json") == RAN
    document = json.loads(capsys.readouterr().out)
    assert document["period"]["checks"] == 721
    assert document["counts"]["holds"] == 1
    assert any("the whole period counts as one revision" in text for text in document["unknown"])


@pytest.mark.parametrize(
    ("since", "until", "begin", "end"),
    [
        ("6h", END, MIDNIGHT - 21_600, MIDNIGHT),
        ("2026-01-01T18:00:00Z", END, MIDNIGHT - 21_600, MIDNIGHT),
        ("2026-01-01T18:00:00", "2026-01-02", MIDNIGHT - 21_600, MIDNIGHT),
        ("2026-01-01T19:00:00+01:00", END, MIDNIGHT - 21_600, MIDNIGHT),
    ],
)
def test_periods(
    server: Server, file: Path, capsys: pytest.CaptureFixture[str],
    since: str, until: str, begin: float, end: float,
) -> None:  # fmt: skip
    assert run(file, "--since", since, "--until", until) == RAN
    times = [(b, e) for promql, b, e in server.asked if promql == "avg(accuracy)"]
    assert min(b for b, _ in times) == begin
    assert max(e for _, e in times) == end


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "yesterday"), "--since yesterday is no time: write for example 30d"),
        (("--until", "never"), "--until never is no time"),
        (("--since", "10s"), "the period holds no two checks of 30s: write a longer --since"),
        (("--plot", "out.pdf"), "--plot out.pdf: write a file name that ends in .html or .png"),
        (("--token-file", "/none"), "--token-file /none cannot be read: No such file"),
        (("--ca-file", "/none"), "--ca-file /none cannot be read"),
    ],
)
def test_what_is_wrong_with_options(
    server: Server, file: Path, capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    assert run(file, *options) == BAD_INPUT
    out, err = capsys.readouterr()
    assert err.startswith("modelrollout backtest: ")
    assert said in err
    assert out == ""


def test_what_is_wrong_with_a_file(
    server: Server, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(ROLLOUT.replace("min: 0.85", "min: high"))
    assert run(file) == BAD_INPUT
    assert f"{file}, line 9: spec.metrics[0].min: write a number" in capsys.readouterr().err


def test_a_query_that_prometheus_does_not_understand(
    server: Server, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Strict(Server):
        async def vectors(self, endpoint: Endpoint, promql: str, *args: Any) -> Any:
            if promql == "avg(accuracy)":
                return QueryError(ErrorKind.BAD_QUERY, "HTTP 400, bad_data")
            return await super().vectors(endpoint, promql, *args)

    server.__class__ = Strict
    assert run(file) == BAD_INPUT
    assert f"{file}, line 8: spec.metrics[0].query: Prometheus cannot" in capsys.readouterr().err


def test_a_metric_without_any_sample(
    server: Server, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.expressions.clear()
    assert run(file) == BAD_INPUT
    assert "no metric has any sample between 2026-01-01 18:00:00 and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (ErrorKind.REFUSED, "start it, or correct --prometheus"),
        (ErrorKind.TLS, "--ca-file"),
        (ErrorKind.UNAUTHORIZED, "--token-file"),
    ],
)
def test_a_server_that_gives_no_answer(
    server: Server, file: Path, capsys: pytest.CaptureFixture[str], kind: ErrorKind, advice: str
) -> None:
    server.failures = [QueryError(kind, "why")] * 9
    assert run(file) == UNREACHABLE
    err = capsys.readouterr().err
    assert "Prometheus at http://p:9090 gives no history of" in err
    assert f"({kind.value}: why)" in err
    assert advice in err


def test_no_server_at_all(server: Server, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, prometheus=None) == BAD_INPUT
    assert "no Prometheus: write --prometheus with its URL" in capsys.readouterr().err


def test_a_url_that_is_none(server: Server, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file, prometheus="localhost:9090") == BAD_INPUT
    assert "write for example http://localhost:9090" in capsys.readouterr().err


def test_the_server_of_the_environment(
    server: Server, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_URL", "http://environment:9090/")
    assert run(file, prometheus=None) == RAN
    assert server.endpoints == {Endpoint("http://environment:9090")}


def test_the_server_and_tenant_of_the_file(server: Server, file: Path) -> None:
    file.write_text(f"{ROLLOUT}  prometheus: {{url: 'https://file/prom', tenant: team-a}}\n")
    assert run(file, prometheus=None) == RAN
    assert server.endpoints == {Endpoint("https://file/prom", tenant="team-a")}


def test_what_it_takes_to_be_let_in(server: Server, file: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "ca").write_text("PEM")
    options = ("--token-file", str(tmp_path / "token"), "--ca-file", str(tmp_path / "ca"))
    assert run(file, *options, "--tenant", "team-b", prometheus="https://p") == RAN
    assert server.endpoints == {
        Endpoint("https://p", tenant="team-b", authorization="Bearer secret", ca_bundle="PEM")
    }


def test_a_picture(server: Server, file: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "out.png"
    assert run(file, "--plot", str(picture)) == RAN
    assert picture.read_bytes().startswith(b"\x89PNG")
