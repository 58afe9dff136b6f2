import html
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from model_rollout.backtest import plot
from model_rollout.backtest.document import as_document
from model_rollout.backtest.episodes import Kind
from model_rollout.backtest.manifests import InputError
from model_rollout.backtest.plot import check_plot, write_plot
from model_rollout.backtest.progress import ProgressBar
from model_rollout.backtest.replay import Spell
from model_rollout.backtest.table import as_table
from model_rollout.backtest.text import length
from unit.backtest.results import HOLD, ROLLBACK, SWITCH, episode, result, trace


def test_the_table() -> None:
    assert (
        as_table(result(), 100)
        == """\
ModelRollout ml/sentiment of Deployment sentiment
2023-11-14 22:13:30 to 2023-11-15 22:13:30 UTC (1d): 2,881 checks every 30s of 2 metrics, replayed in 1.3 s

Revisions
  NUMBER  FROM                 SERVING              STABLE               REPLICASET      IMAGES
  1       2023-11-14 22:13:30  2023-11-14 22:14:00  2023-11-14 23:14:00  sentiment-5c8f  model:1
  2       2023-11-15 10:13:30  2023-11-15 10:14:30  -                    sentiment-6d4f  model:2

What the policy would have done
  would have rolled back: once, 11h50m in all
  would have held: once, 15m in all
  suspect: once, 5m in all

  2023-11-15 10:23:30  would have rolled back, revision 2 to 1: MetricBreached (for 11h50m until the end)
      accuracy: 61 of 214 <wrong>

  2023-11-14 22:28:30  would have held, revision 1: MetricsUnavailable (for 15m)
      accuracy: 61 of 214 <wrong>

  2023-11-15 10:18:30  suspect, revision 2: MetricBreached (for 5m)
      accuracy: 61 of 214 <wrong>

What a plain threshold would have done on the same samples
  METRIC    LIMIT    CHECKS WITH DATA  ONE OUTSIDE             3 IN A ROW OUTSIDE
  accuracy  >= 0.85  2,881             2 times, 1 while Clear  never
  toxicity  >= 0.85  2,881             2 times, 1 while Clear  never

What this cannot know
  - the values of weights: not in Prometheus
"""
    )


def test_nothing_happened() -> None:
    text = as_table(result(episodes=(), unknown=()), 100)
    assert "would have rolled back: never" in text
    assert "cannot know" not in text
    assert "told people" not in text


def test_of_many_episodes_the_longest_are_listed() -> None:
    many = [episode(Kind.SUSPECT, SWITCH + 100.0 * n, SWITCH + 100.0 * n + n) for n in range(1, 30)]
    text = as_table(result(episodes=tuple(many)), 100)
    assert text.count("suspect, revision 2") == 10
    assert "(for 29s)" in text
    assert "(for 19s)" not in text
    assert "… and 19 shorter ones of these; -o json lists all" in text


def test_long_sentences_are_wrapped() -> None:
    long = episode(Kind.HOLD, SWITCH, None, message="word " * 60)
    lines = as_table(result(episodes=(long,), unknown=("note " * 60,)), 80).splitlines()
    assert all(len(line) <= 80 for line in lines if "word" in line or "note" in line)


def test_the_document_is_the_documented_one() -> None:
    document = as_document(result())
    assert json.loads(json.dumps(document)) == document
    assert document["version"] == 1
    assert document["counts"] == {"rollbacks": 1, "holds": 1, "notices": 0, "suspects": 1}
    assert document["episodes"][2] == {
        "kind": "Rollback",
        "reason": "MetricBreached",
        "from": "2023-11-15T10:23:30.000Z",
        "to": None,
        "seconds": 42_600.0,
        "revision": 2,
        "target": 1,
        "metrics": ["accuracy"],
        "message": "accuracy: 61 of 214 <wrong>",
    }
    assert document["metrics"][0]["plainThreshold"][0] == {
        "inARow": 1,
        "fired": 2,
        "firedWhileClear": 1,
        "times": ["2023-11-15T10:13:30.000Z", "2023-11-15T10:14:30.000Z"],
    }


def test_the_documentation_names_every_field() -> None:
    text = (Path(__file__).parents[3] / "docs" / "backtest.md").read_text()
    names = set(re.findall(r'"([a-zA-Z]+)":', json.dumps(as_document(result()))))
    names -= {"server"}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30.0, "30s"), (5_430.0, "1h30m30s"), (39_630.0, "11h"), (950_000.0, "11d"), (0.0, "0s")],
)
def test_lengths_leave_out_what_does_not_matter(seconds: float, text: str) -> None:
    assert length(seconds) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_on_a_terminal() -> None:
    stream = Terminal()
    bar = ProgressBar(stream)
    bar(0.5)
    bar(0.51)  # too soon to be seen
    bar.clear()
    assert stream.getvalue().count("%") == 1
    assert " 50%" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_no_progress_bar_elsewhere() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream)
    bar(0.5)
    bar.clear()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("file", "said"),
    [("out.pdf", "ends in .html or .png"), ("/nowhere/at/all/out.png", "there is no folder")],
)
def test_a_picture_that_cannot_be_written_is_refused_at_once(file: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_plot(file)


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'model-rollout-operator\[plot\]'"):
        check_plot("out.png")


def test_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "out.png"
    write_plot(result(), str(file))
    assert file.read_bytes().startswith(b"\x89PNG")


def test_the_html_is_one_file_that_needs_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "out.html"
    write_plot(result(), str(file))
    text = file.read_text()
    assert not re.search(r'(src|href)="(?!#)', text)
    assert html.escape("61 of 214 <wrong>") in text
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    words = "".join(ET.fromstring(svg).itertext())
    for word in ("accuracy", "toxicity", "decides", "revision 2", "would have rolled back"):
        assert word in words


def test_the_same_result_is_drawn_the_same() -> None:
    pytest.importorskip("matplotlib")
    from model_rollout.backtest.chart import as_svg

    assert as_svg(result()) == as_svg(result())


@pytest.mark.parametrize("checks", [0, 1, 2, 100])
def test_little_is_drawn_as_well(checks: int) -> None:
    pytest.importorskip("matplotlib")
    from model_rollout.backtest.chart import as_svg

    value = trace("drift", checks=checks)
    value.is_counted = False
    assert "drift" in as_svg(result(episodes=(HOLD, ROLLBACK), traces=(value,)))


def test_a_spell_without_end_and_images() -> None:
    shown = result()
    made = type(shown)(
        **{name: getattr(shown, name) for name in shown.__slots__}
        | {"spells": (Spell(1, "x-unknown", SWITCH),)}
    )
    assert "unknown     unknown" in as_table(made, 100)
