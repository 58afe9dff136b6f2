"""From files to a result: what is found out before and said after a replay."""

from pathlib import Path

from model_rollout.backtest.manifests import read_inputs
from model_rollout.backtest.result import Result
from model_rollout.backtest.run import run_backtest
from unit.backtest.made_up import ENDPOINT, MadeUpHistory

BEGIN = 1_700_000_010.0
END = BEGIN + 86_400.0
ROLLOUT = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelRollout
metadata: {name: sentiment, namespace: ml}
spec:
  targetRef: {name: sentiment}
  components:
    - {name: weights, env: {container: server, name: MODEL_URI}}
  metrics:
    - {name: drift, query: psi, max: 0.2}
"""
COUNTS = "    - {name: accuracy, counts: {good: good_total, total: all_total}, min: 0.85}\n"


async def run(folder: Path, made_up: MadeUpHistory, text: str = ROLLOUT) -> Result:
    file = folder / "rollout.yaml"
    file.write_text(text)
    inputs = read_inputs([str(file)], None)
    return await run_backtest(inputs, made_up, ENDPOINT, BEGIN, END, lambda share: None)


def psi_from(moment: float) -> MadeUpHistory:
    return MadeUpHistory({"psi": lambda time: {(): 0.1} if time >= moment else {}})


async def test_everything_is_replayed(tmp_path: Path) -> None:
    shares: list[float] = []
    file = tmp_path / "rollout.yaml"
    file.write_text(ROLLOUT)
    inputs = read_inputs([str(file)], None)
    found = await run_backtest(inputs, psi_from(0.0), ENDPOINT, BEGIN, END, shares.append)
    assert (found.period.begin, found.period.end, found.period.count) == (BEGIN, END, 2_881)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert found.traces[0].checks_with_data > 2_870  # not while it settles


async def test_the_replay_begins_with_the_data(tmp_path: Path) -> None:
    found = await run(tmp_path, psi_from(BEGIN + 43_200.0))
    assert BEGIN + 43_000.0 < found.period.begin <= BEGIN + 43_200.0
    assert found.unknown[0].startswith("anything before 2023-11-15 10:1")
    assert "so the replay begins later than --since" in found.unknown[0]


async def test_a_metric_that_begins_later_is_a_gap(tmp_path: Path) -> None:
    made_up = psi_from(BEGIN)
    made_up.scrape("good_total", [(t, t) for t in range(int(END) - 7200, int(END), 30)])
    made_up.scrape("all_total", [(t, t) for t in range(int(END) - 7200, int(END), 30)])
    found = await run(tmp_path, made_up, ROLLOUT + COUNTS)
    assert found.period.begin == BEGIN
    [gap] = [text for text in found.unknown if "accuracy" in text]
    assert "had no data for longer than noDataAfter: from 2023-11-14 22:13:30 to" in gap
    assert gap.endswith("(22h)")


async def test_a_metric_without_data_is_said(tmp_path: Path) -> None:
    found = await run(tmp_path, psi_from(BEGIN), ROLLOUT + COUNTS)
    assert "anything about accuracy: it had no data in the whole period" in found.unknown


async def test_samples_that_are_too_far_apart_are_said(tmp_path: Path) -> None:
    made_up = psi_from(BEGIN)
    for selector in ("good_total", "all_total"):
        made_up.scrape(selector, [(t, t) for t in range(int(BEGIN) - 300, int(END), 240)])
    found = await run(tmp_path, made_up, ROLLOUT + COUNTS)
    said = [text for text in found.unknown if "apart" in text]
    assert len(said) == 2
    assert "they are up to 4m apart, and checks come every 30s" in said[0]


async def test_a_switch_of_the_file_is_said_to_be_off(tmp_path: Path) -> None:
    found = await run(tmp_path, psi_from(0.0), f"{ROLLOUT}  killSwitch: Pause\n")
    assert any("the kill switch" in text for text in found.unknown)
    assert not [e for e in found.episodes if e.sighting.reason == "Paused"]
