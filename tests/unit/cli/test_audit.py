"""What `audit` exports and says: intact or not, which record, what to do."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from model_rollout.cli.audit import as_document, as_table, sentences
from model_rollout.cli.auditing import as_line, audit_cluster, read_cluster
from model_rollout.cli.cluster import Cluster
from model_rollout.cli.main import main
from model_rollout.cli.output import Style
from model_rollout.revisions.canonical import Json
from unit.cli.made_up import PLACE, MadeUpConnection, page, rollout
from unit.records.made_up import bodies, stored

CHAIN = bodies(4)
HEAD = CHAIN[-1]["spec"]["digest"]
Captured = pytest.CaptureFixture[str]


def listed(*found: Json) -> Json:
    return page(*found) | {"kind": "RolloutRecordList"}


def guard(*records: Json, uid: str = "uid-1") -> Json:
    status = {"records": [body["spec"] for body in records]}
    return rollout(metadata={"uid": uid}, status=status)


def over(*script: Any) -> tuple[Cluster, MadeUpConnection]:
    connection = MadeUpConnection(list(script))
    return Cluster(connection, PLACE), connection  # type: ignore[arg-type]


def export(path: Path, *found: Json) -> str:
    file = path / "records.jsonl"
    file.write_text("".join(as_line(stored(body)) + "\n" for body in found))
    return str(file)


async def test_intact_cluster_is_intact() -> None:
    cluster, connection = over(listed(*CHAIN), page(guard(*CHAIN[2:])))
    audit = await audit_cluster(cluster, [])
    assert audit.intact
    assert [verdict.checked for verdict in audit.verdicts] == [True]
    assert [path.rsplit("/", 1)[1] for _, path, _ in connection.asked] == [
        "rolloutrecords",
        "modelrollouts",
    ]


async def test_record_written_between_the_two_lists_is_no_tampering() -> None:
    cluster, _ = over(
        listed(*CHAIN[:3]), page(guard(*CHAIN[3:])), listed(*CHAIN), page(guard(*CHAIN[3:]))
    )
    assert (await audit_cluster(cluster, [])).intact


async def test_end_that_stays_cut_off_is_tampering() -> None:
    cluster, connection = over(*(listed(*CHAIN[:2]), page(guard(*CHAIN[2:]))) * 3)
    (verdict,) = (await audit_cluster(cluster, [])).verdicts
    assert verdict.problems == ("records 3 to 4 are missing after record 2: the end was cut off",)
    assert connection.script == []


async def test_chain_that_is_gone_altogether_is_tampering() -> None:
    cluster, _ = over(*(listed(), page(guard(*CHAIN[2:]))) * 3)
    audit = await audit_cluster(cluster, [])
    assert not audit.intact
    assert "all of them were removed" in audit.verdicts[0].problems[0]
    assert as_table(audit, Style())[1].split()[:4] == ["ml", "sentiment", "0", "<none>"]


async def test_chain_of_a_rollout_that_was_deleted_is_verified_by_itself() -> None:
    cluster, _ = over(listed(*CHAIN), page())
    audit = await audit_cluster(cluster, [])
    assert audit.intact
    assert [verdict.checked for verdict in audit.verdicts] == [False]


async def test_only_the_named_rollouts_are_read() -> None:
    other = bodies(2, uid="uid-2", name="other")
    cluster, _ = over(listed(*CHAIN, *other))
    audit = await read_cluster(cluster, ["other"])
    assert {record.spec.rollout.name for record in audit.records} == {"other"}


def test_line_of_an_export_is_canonical_and_holds_the_record_to_the_letter() -> None:
    body = CHAIN[0] | {"metadata": CHAIN[0]["metadata"] | {"uid": "x", "resourceVersion": "7"}}
    line = as_line(stored(body))
    assert line == as_line(stored(json.loads(line)))
    assert "\n" not in line
    assert json.loads(line)["spec"] == CHAIN[0]["spec"]
    assert json.loads(line)["metadata"] == {
        "name": CHAIN[0]["metadata"]["name"],
        "namespace": "ml",
    }


def test_intact_export(tmp_path: Path, capsys: Captured) -> None:
    assert main(["audit", "verify", "-f", export(tmp_path, *CHAIN), "--head", HEAD]) == 0
    out, err = capsys.readouterr()
    head, row = out.splitlines()
    assert head.split() == ["NAMESPACE", "ROLLOUT", "RECORDS", "FIRST", "LAST", "CHAIN", "HEAD"]
    assert row.split() == ["ml", "sentiment", "4", "1", "4", "Intact", HEAD]
    assert "a head that is kept where the operator cannot write" in err


def test_export_from_the_standard_input(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(Path(export(tmp_path, *CHAIN)).read_text()))
    assert main(["audit", "verify", "-f", "-", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["chains"][0]["head"] == HEAD


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ([0, 1, 3], "ml/sentiment: record 3 is missing before record 4: dropped"),
        ([0, 2, 1, 3], "ml/sentiment: record 2 (line 3) stands after record 3: reordered"),
        ([0, 1, 2], f"no record has the digest {HEAD}, which was kept as a head"),
    ],
    ids=["dropped", "reordered", "cut"],
)
def test_broken_export_says_which_record_and_what_to_do(
    tmp_path: Path, capsys: Captured, left: list[int], said: str
) -> None:
    file = export(tmp_path, *(CHAIN[index] for index in left))
    assert main(["audit", "verify", "-f", file, "--head", HEAD]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "what to do: keep what there is" in err


def test_changed_line_is_named(tmp_path: Path, capsys: Captured) -> None:
    file = Path(export(tmp_path, *CHAIN))
    file.write_text(file.read_text().replace("accuracy is 0.4", "accuracy is 0.9", 1))
    assert main(["audit", "verify", "-f", str(file)]) == 1
    assert "ml/sentiment: record 1 (line 1) was changed" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["[]", "{", '{"spec": 1}', "[" * 100_000])
def test_line_that_is_no_record_is_named(tmp_path: Path, capsys: Captured, line: str) -> None:
    file = Path(export(tmp_path, *CHAIN))
    file.write_text(file.read_text() + line + "\n")
    assert main(["audit", "verify", "-f", str(file)]) == 1
    assert "line 5 is no RolloutRecord" in capsys.readouterr().err


def test_what_retention_removed_is_a_note(tmp_path: Path, capsys: Captured) -> None:
    assert main(["audit", "verify", "-f", export(tmp_path, *CHAIN[2:])]) == 0
    assert "note: it begins at record 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "-f", "nowhere.jsonl"], "nowhere.jsonl cannot be read: No such file"),
        (["verify", "-f", "x", "--head", "abc"], "'abc' is not a digest: write the 64"),
        (["verify", "-f", "x", "A"], "'A' is not the name of an object"),
        (["export", "-f", "x"], "unrecognized arguments: -f"),
        ([], "the following arguments are required: {export,verify}"),
    ],
)
def test_wrong_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(["audit", *words])
    except SystemExit as error:
        status = int(error.code or 0)
    assert status == 2
    assert said in capsys.readouterr().err


def test_name_without_records_is_told_with_those_that_have_some(
    tmp_path: Path, capsys: Captured
) -> None:
    assert main(["audit", "verify", "-f", export(tmp_path, *CHAIN), "sentimnet"]) == 1
    assert "there are no records of sentimnet" in capsys.readouterr().err


async def test_document_says_all_of_it() -> None:
    cluster, _ = over(*(listed(*CHAIN[:3]), page(guard(*CHAIN[2:]))) * 3)
    audit = await audit_cluster(cluster, [])
    document = as_document(audit)
    assert document["intact"] is False
    assert document["chains"][0]["problems"] == [
        "record 4 is missing after record 3: the end was cut off"
    ]
    assert sentences(audit) == [
        "ml/sentiment: record 4 is missing after record 3: the end was cut off"
    ]


@pytest.mark.parametrize("text", ["12h", "11y", "x"])
def test_how_long_records_are_kept_is_bounded(text: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--keep-records", text])
    assert "--keep-records" in capsys.readouterr().err
