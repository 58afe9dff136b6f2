"""The command line."""

import pytest
import yaml

from model_rollout import __version__
from model_rollout.cli.main import main, parser


def parsed(*words: str) -> dict[str, object]:
    return vars(parser().parse_args(["run", *words]))


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ((), "namespace", []),
        (("--namespace", "a", "--namespace", "b"), "namespace", ["a", "b"]),
        ((), "lease_namespace", "model-rollout-system"),
        ((), "lease_duration", 15.0),
        (("--lease-duration", "2.5"), "lease_duration", 2.5),
        ((), "fleet_window", 600.0),
        (("--fleet-window", "1h30m"), "fleet_window", 5400.0),
        (("--fleet-window", "0s"), "fleet_window", 0.0),
        ((), "fleet_min", 5),
        (("--fleet-min", "20"), "fleet_min", 20),
        ((), "fleet_share", 0.2),
        (("--fleet-share", "0.05"), "fleet_share", 0.05),
        ((), "prometheus_url", None),
        (("--prometheus-url", "http://p:9090"), "prometheus_url", "http://p:9090"),
        ((), "http_address", "0.0.0.0:8080"),
        (("--http-address", ":0"), "http_address", ":0"),
        (("--http-address", "[::1]:9"), "http_address", "[::1]:9"),
        ((), "log_format", "json"),
        (("--log-format", "text"), "log_format", "text"),
        ((), "log_level", "INFO"),
        ((), "kubeconfig", None),
    ],
)
def test_option(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], name: str, value: object
) -> None:
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    monkeypatch.delenv("PROMETHEUS_URL", raising=False)
    assert parsed(*words)[name] == value


@pytest.mark.parametrize(
    ("variable", "name"),
    [("POD_NAMESPACE", "lease_namespace"), ("PROMETHEUS_URL", "prometheus_url")],
)
def test_default_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    monkeypatch.setenv(variable, "there")
    assert parsed()[name] == "there"
    assert parsed(f"--{name.replace('_', '-')}", "here")[name] == "here"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--http-address", "8080"), "write for example :8080"),
        (("--http-address", ":65536"), "write for example :8080"),
        (("--http-address", ":-1"), "write for example :8080"),
        (("--lease-duration", "0.5"), "is not 1 to 600 seconds"),
        (("--lease-duration", "601"), "is not 1 to 600 seconds"),
        (("--lease-duration", "nan"), "is not 1 to 600 seconds"),
        (("--lease-duration", "15s"), "is not 1 to 600 seconds"),
        (("--fleet-window", "10"), "write for example 30s, 5m, 1h or 7d"),
        (("--fleet-min", "1"), "is not a number from 2 to 1000000"),
        (("--fleet-min", "many"), "is not a number from 2 to 1000000"),
        (("--fleet-share", "20%"), "write for example 0.2"),
        (("--fleet-share", "1.1"), "write for example 0.2"),
        (("--log-format", "xml"), "invalid choice"),
        (("--log-level", "LOUD"), "invalid choice"),
        (("--no-such-option",), "unrecognized arguments"),
    ],
)
def test_wrong_option_is_refused_with_a_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*words)
    assert sentence in capsys.readouterr().err


def test_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "COMMAND" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"modelrollout {__version__}\n"


def test_crds_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crds"]) == 0
    found = [body["metadata"]["name"] for body in yaml.safe_load_all(capsys.readouterr().out)]
    plurals = ["metrictemplates", "modelrevisions", "modelrollouts", "rolloutrecords"]
    assert sorted(found) == [f"{plural}.modelrollout.dev" for plural in plurals]
