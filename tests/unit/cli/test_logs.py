"""Logs: one line a record, whatever is in it."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from model_rollout.cli.logs import configure_logs

FORGED = "sentiment\r\n2026-01-01 00:00:00 ERROR forged \x1b[31m\u2028end"


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was logged; the root logger is afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)


log = logging.getLogger("model_rollout.tests")


def test_json_has_time_level_logger_message_and_fields(written: Callable[[], str]) -> None:
    configure_logs("json", "INFO")
    log.warning("held %d times", 3, extra={"rollout": "ml/sentiment", "retry": 0.5})
    found = json.loads(written())
    assert found.pop("time")
    assert found == {
        "level": "WARNING",
        "logger": "model_rollout.tests",
        "message": "held 3 times",
        "rollout": "ml/sentiment",
        "retry": 0.5,
    }


def test_text_has_the_fields_behind_the_message(written: Callable[[], str]) -> None:
    configure_logs("text", "INFO")
    log.warning("held %d times", 3, extra={"rollout": "ml/sentiment"})
    assert written().endswith(" WARNING held 3 times rollout=ml/sentiment\n")


@pytest.mark.parametrize("form", ["json", "text"])
def test_control_characters_make_no_line_of_their_own(
    written: Callable[[], str], form: str
) -> None:
    configure_logs(form, "INFO")
    log.info("checked %s", FORGED, extra={"rollout": FORGED})
    (line,) = written().splitlines()
    assert line.isprintable()
    assert "forged" in line


@pytest.mark.parametrize("form", ["json", "text"])
def test_exception_is_written(written: Callable[[], str], form: str) -> None:
    configure_logs(form, "INFO")
    try:
        raise ValueError("a defect")
    except ValueError:
        log.exception("check failed")
    assert "ValueError: a defect" in written()


def test_text_of_an_exception_does_not_look_like_a_record(written: Callable[[], str]) -> None:
    configure_logs("text", "INFO")
    try:
        raise ValueError("first\n2026-01-01 ERROR forged")
    except ValueError:
        log.exception("check failed")
    first, *trace = written().splitlines()
    assert "check failed" in first
    assert all(line.startswith("    ") for line in trace)


@pytest.mark.parametrize(("level", "seen"), [("WARNING", False), ("INFO", True)])
def test_level(written: Callable[[], str], level: str, seen: bool) -> None:
    configure_logs("text", level)
    log.info("hello")
    assert bool(written()) is seen


def test_configured_twice_it_is_written_once(written: Callable[[], str]) -> None:
    configure_logs("text", "INFO")
    configure_logs("text", "INFO")
    log.info("hello")
    assert len(written().splitlines()) == 1
